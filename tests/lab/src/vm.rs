//! One virtual machine: QEMU with the shim, a kernel's console in a file, and the agent on QEMU's standard streams.
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use crd::kind::rack::{Rack, Server};
use guest::{Reply, Request};
use serde_json::Value;

use crate::{image, place::Places, qemu, topology};

/// From start to the agent's first word: four seconds on a quiet machine.
const BOOT: Duration = Duration::from_mins(2);
/// What each SoC adds: a fifth of a second on a quiet machine.
const BOOT_OF_A_SOC: Duration = Duration::from_secs(5);
/// No byte on the console for so long, and it will not boot any more: on a busy machine five seconds were the longest.
const STILL: Duration = Duration::from_secs(30);
/// An emulated kernel that stood still once in some thousand boots must not fail what it has nothing to do with.
const BOOTS: usize = 2;
/// Everything that is done in one machine, boot included: the longest takes two minutes on a quiet machine.
const LIFE: Duration = Duration::from_mins(10);
/// One command inside, unless said otherwise: the longest takes half a minute on a quiet machine.
const COMMAND: Duration = Duration::from_mins(3);
/// As many SoCs as these are for; a machine with twice as many is given twice as long.
const SOCS: u32 = 8;
/// What a machine's kernel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// The agent, and nothing else.
    Agent,
    /// systemd, which starts the package's units, and the agent beside them.
    Systemd,
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    /// Its rack.
    pub(crate) rack: &'a Rack,
    /// The server of the rack that it is.
    pub(crate) server: &'a Server,
    /// Names the folder of its logs.
    pub(crate) name: String,
    /// What else the kernel is told.
    pub(crate) command_line: String,
    /// Files under `/lab/declared`, by name.
    pub(crate) declared: Vec<(String, String)>,
    /// A disk image that outlives the machine, mounted at `/state`.
    pub(crate) disk: Option<PathBuf>,
    /// What is started.
    pub(crate) init: Init,
}

/// How a command inside ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) status: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about, or told on the way.
    pub(crate) stderr: String,
}

impl Ended {
    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| {
            format!(
                "no JSON (exit code {:?}): {} {}",
                self.status, self.stdout, self.stderr
            )
        })
    }

    /// Fails where the exit code is another one.
    pub(crate) fn with(self, status: i32) -> Result<Self> {
        if self.status != Some(status) {
            bail!(
                "exit code {:?} instead of {status}: {} {}",
                self.status,
                self.stdout,
                self.stderr
            );
        }
        Ok(self)
    }
}

/// How a boot goes.
enum Woken {
    /// To the agent's first word.
    Ready,
    /// Nowhere.
    Still {
        /// What was said last.
        tail: String,
    },
}

/// A running machine. Dropping it takes its power away.
#[derive(Debug)]
pub(crate) struct Vm {
    qemu: Child,
    to: ChildStdin,
    from: Receiver<String>,
    console: PathBuf,
    /// What it boots from, until it has.
    initrd: PathBuf,
    /// Every command, its exit code and how long it took.
    commands: fs::File,
    /// How long one of them may take.
    command: Duration,
    ends: Instant,
    /// What its tree wants done inside.
    pub(crate) wiring: topology::Wiring,
}

impl Vm {
    /// Boots a machine and waits for its agent. One that stands still on the way is switched off and on once, which is said.
    pub(crate) fn boot(places: &Places, base: &[u8], order: &Order<'_>) -> Result<Self> {
        for boot in 1..=BOOTS {
            let mut vm = Self::power_on(places, base, order, boot)?;
            match vm.wake().context("booting")? {
                Woken::Ready => return Ok(vm),
                Woken::Still { tail } => {
                    crate::say(&format!(
                        "still   {}, boot {boot} of {BOOTS}{tail}",
                        order.name
                    ));
                }
            }
        }
        bail!(
            "booting: it stood still {BOOTS} times; what it said last is above, the rest in {}",
            places.left.join(&order.name).display()
        )
    }

    /// Starts QEMU.
    fn power_on(places: &Places, base: &[u8], order: &Order<'_>, boot: usize) -> Result<Self> {
        let wiring = topology::wire(order.server)?;
        let size = wiring.socs.div_ceil(SOCS).max(1);
        let folder = places.left.join(&order.name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let console = match boot {
            1 => folder.join("console.log"),
            again => folder.join(format!("console-{again}.log")),
        };
        let initrd = folder.join("root.cpio");
        let mut root = base.to_vec();
        match order.init {
            Init::Agent => {}
            Init::Systemd => root.extend(
                fs::read(&places.system)
                    .with_context(|| format!("reading {}", places.system.display()))?,
            ),
        }
        root.extend(image::own(&image::files(order)?));
        fs::write(&initrd, root).with_context(|| format!("writing {}", initrd.display()))?;
        let mut qemu = qemu::command(places, order, &wiring, &console, &initrd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("qemu.log"))?)
            .spawn()
            .context("starting QEMU")?;
        let to = qemu.stdin.take().context("QEMU's standard input")?;
        let out = qemu.stdout.take().context("QEMU's standard output")?;
        let (sender, from) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            qemu,
            to,
            from,
            console,
            initrd,
            commands: fs::File::create(folder.join("commands.log"))?,
            command: COMMAND * size,
            ends: host::now() + LIFE * size,
            wiring,
        })
    }

    /// Waits for the agent's first word for as long as the console goes on.
    fn wake(&mut self) -> Result<Woken> {
        let more = BOOT_OF_A_SOC * self.wiring.socs;
        let deadline = host::now() + BOOT + more;
        let mut said = 0;
        let first = loop {
            match self.from.recv_timeout(STILL + more) {
                Err(RecvTimeoutError::Timeout) if host::now() < deadline => {
                    let now = fs::metadata(&self.console).map_or(0, |console| console.len());
                    if now == said {
                        break None;
                    }
                    said = now;
                }
                Err(RecvTimeoutError::Timeout) => break None,
                other => break Some(other),
            }
        };
        // A hundred megabytes that nobody reads again: QEMU keeps what it has mapped until it ends.
        fs::remove_file(&self.initrd)
            .with_context(|| format!("removing {}", self.initrd.display()))?;
        let Some(first) = first else {
            return Ok(Woken::Still { tail: self.tail() });
        };
        match self.understand(first, BOOT)? {
            Reply::Ready => Ok(Woken::Ready),
            other => bail!("the agent's first word is {other:?}"),
        }
    }

    /// The next answer.
    fn hear(&mut self, within: Duration) -> Result<Reply> {
        let left = self.ends.saturating_duration_since(host::now());
        let within = within.min(left);
        let heard = self.from.recv_timeout(within);
        self.understand(heard, within)
    }

    fn understand(
        &self,
        heard: Result<String, RecvTimeoutError>,
        within: Duration,
    ) -> Result<Reply> {
        match heard {
            Ok(line) => serde_json::from_str(&line)
                .with_context(|| format!("the agent says what is no answer: {line}")),
            Err(RecvTimeoutError::Timeout) => {
                bail!("no answer in {} s{}", within.as_secs(), self.tail())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the machine stopped{}", self.tail()),
        }
    }

    /// The end of the console, for a message.
    fn tail(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n  ");
        let qemu = fs::read_to_string(self.console.with_file_name("qemu.log")).unwrap_or_default();
        format!(
            "; {} ends with\n  {last}\nQEMU says: {}",
            self.console.display(),
            qemu.trim()
        )
    }

    fn ask(&mut self, request: &Request, within: Duration) -> Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.to
            .write_all(&line)
            .and_then(|()| self.to.flush())
            .context("asking the agent")?;
        match self.hear(within)? {
            Reply::Failed { why } => bail!("the agent could not: {why}"),
            reply => Ok(reply),
        }
    }

    /// Runs a program inside, as root.
    pub(crate) fn run(&mut self, argv: &[&str]) -> Result<Ended> {
        self.run_as(None, argv)
    }

    /// Runs a program inside as a user.
    pub(crate) fn run_as(&mut self, uid: Option<u32>, argv: &[&str]) -> Result<Ended> {
        let request = Request::Run {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            uid,
            deadline_ms: self.command.as_millis() as u64,
        };
        match self
            .ask(&request, self.command + Duration::from_secs(5))
            .with_context(|| format!("running {argv:?}"))?
        {
            Reply::Ended {
                status,
                stdout,
                stderr,
                took_ms,
            } => {
                writeln!(
                    self.commands,
                    "{took_ms:>6} ms  {status:?}  {}",
                    argv.join(" ")
                )?;
                Ok(Ended {
                    status,
                    stdout,
                    stderr,
                })
            }
            other => bail!("{argv:?} was answered with {other:?}"),
        }
    }

    /// Runs a line of shell inside, which must succeed.
    pub(crate) fn shell(&mut self, line: &str) -> Result<String> {
        let ended = self.run(&["sh", "-ec", line])?;
        Ok(ended.with(0).with_context(|| line.to_owned())?.stdout)
    }

    /// Starts a program in the background.
    pub(crate) fn start(&mut self, argv: &[&str], log: &str) -> Result<u32> {
        let request = Request::Start {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            log: log.to_owned(),
        };
        match self.ask(&request, self.command)? {
            Reply::Started { pid } => Ok(pid),
            other => bail!("{argv:?} was answered with {other:?}"),
        }
    }

    /// Ends what runs in the background by SIGTERM; gives its exit code.
    pub(crate) fn stop(&mut self, pid: u32) -> Result<Option<i32>> {
        let request = Request::Stop {
            pid,
            deadline_ms: self.command.as_millis() as u64,
        };
        match self.ask(&request, self.command + Duration::from_secs(5))? {
            Reply::Ended { status, .. } => Ok(status),
            other => bail!("a stop was answered with {other:?}"),
        }
    }

    /// Waits until a port's ACS control word is this one; gives how long it took.
    pub(crate) fn until(&mut self, port: &str, word: &str, within: Duration) -> Result<Duration> {
        let request = Request::Until {
            port: port.to_owned(),
            word: word.to_owned(),
            deadline_ms: within.as_millis() as u64,
        };
        match self.ask(&request, within + self.command)? {
            Reply::Word {
                word: found,
                took_ms,
            } if found == word => Ok(Duration::from_millis(took_ms)),
            Reply::Word {
                word: found,
                took_ms,
            } => {
                bail!("{port} shows {found} instead of {word} after {took_ms} ms")
            }
            other => bail!("a look at {port} was answered with {other:?}"),
        }
    }

    /// Takes the power away: QEMU is killed, and nothing inside learns of it.
    pub(crate) fn cut_power(mut self) -> Result<()> {
        self.qemu.kill().context("killing QEMU")?;
        self.qemu.wait().context("waiting for QEMU")?;
        Ok(())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
