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

use machine::rack::timeout_parameter;

use crate::{image, place::Places, qemu, topology};

/// From start to the agent's first word: four seconds on a quiet machine.
const BOOT: Duration = Duration::from_mins(2);
/// What each SoC adds: a fifth of a second on a quiet machine.
const BOOT_OF_A_SOC: Duration = Duration::from_secs(5);
/// Everything that is done in one machine, boot included: the longest takes two minutes on a quiet machine.
const LIFE: Duration = Duration::from_mins(10);
/// One command inside, unless said otherwise: the longest takes half a minute on a quiet machine.
const COMMAND: Duration = Duration::from_mins(3);
/// As many SoCs as these are for; a machine with twice as many is given twice as long.
const SOCS: u32 = 8;
/// How long the rack's firmware double takes where a real SoC takes a minute: by how much its time is faster where a file
/// does not say.
const SPEEDUP: u32 = 1000;
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

/// A running machine. Dropping it takes its power away.
#[derive(Debug)]
pub(crate) struct Vm {
    qemu: Child,
    to: ChildStdin,
    from: Receiver<String>,
    console: PathBuf,
    /// Every command, its exit code and how long it took.
    commands: fs::File,
    /// How long one of them may take.
    command: Duration,
    ends: Instant,
    /// What its tree wants done inside.
    pub(crate) wiring: topology::Wiring,
}

impl Vm {
    /// Boots a machine and waits for its agent.
    pub(crate) fn boot(places: &Places, base: &[u8], order: &Order<'_>) -> Result<Self> {
        let wiring = topology::wire(order.server)?;
        let size = wiring.socs.div_ceil(SOCS).max(1);
        let folder = places.left.join(&order.name);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let console = folder.join("console.log");
        let initrd = folder.join("root.cpio");
        let mut root = base.to_vec();
        match order.init {
            Init::Agent => {}
            Init::Systemd => root.extend(
                fs::read(&places.system)
                    .with_context(|| format!("reading {}", places.system.display()))?,
            ),
        }
        root.extend(image::own(&files(order)?));
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
        let mut vm = Self {
            qemu,
            to,
            from,
            console,
            commands: fs::File::create(folder.join("commands.log"))?,
            command: COMMAND * size,
            ends: host::now() + LIFE * size,
            wiring,
        };
        let first = vm
            .hear(BOOT + BOOT_OF_A_SOC * vm.wiring.socs)
            .context("booting");
        // A hundred megabytes that nobody reads again: QEMU keeps what it has mapped until it ends.
        fs::remove_file(&initrd).with_context(|| format!("removing {}", initrd.display()))?;
        match first? {
            Reply::Ready => Ok(vm),
            other => bail!("the agent's first word is {other:?}"),
        }
    }

    /// The next answer.
    fn hear(&mut self, within: Duration) -> Result<Reply> {
        let left = self.ends.saturating_duration_since(host::now());
        match self.from.recv_timeout(within.min(left)) {
            Ok(line) => serde_json::from_str(&line)
                .with_context(|| format!("the agent says what is no answer: {line}")),
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "no answer in {} s{}",
                    within.min(left).as_secs(),
                    self.tail()
                )
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

/// The build of the driver's double that has the parameter by the name that this server's driver gives it.
fn driver(order: &Order<'_>) -> &'static str {
    match timeout_parameter(order.server, 0) {
        ("control_resp_timeout", _) => "qaic-first",
        _ => "qaic",
    }
}

/// Files of one machine's own.
fn files(order: &Order<'_>) -> Result<image::Own> {
    let mut rack = order.rack.clone();
    rack.spec.speedup.get_or_insert(SPEEDUP);
    let mut files = vec![
        ("lab/rack.json".to_owned(), serde_json::to_string(&rack)?),
        ("lab/server".to_owned(), order.server.name.to_string()),
        ("lab/driver".to_owned(), driver(order).to_owned()),
    ];
    for (name, text) in &order.declared {
        files.push((format!("lab/declared/{name}"), text.clone()));
    }
    Ok(files)
}
