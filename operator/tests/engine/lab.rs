//! A laboratory of its own for each test: the command, a stand-in worker, a rack and a state directory.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Where fixtures lie.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/fixtures");

/// A command's end.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; 128 and the signal's number where one ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The same, or a panic with all that was said.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }
}

/// What a rack's server holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Port words, settings and settings files: all that `down` must put back exactly.
    pub words: BTreeMap<String, String>,
    /// Resets of each SoC by path, where there were any.
    pub resets: BTreeMap<String, u64>,
}

/// The laboratory; its folders go when it is dropped.
pub struct Lab {
    folder: TempDir,
    /// Where `bin` leads: a hard link stays within the file system of what it links.
    _programs: TempDir,
}

impl Lab {
    /// A laboratory with the fixtures' rack and declaration.
    pub fn new() -> Self {
        let programs = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = TempDir::new_in(in_memory().unwrap_or(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        symlink(programs.path(), folder.path().join("bin")).unwrap();
        let lab = Self {
            folder,
            _programs: programs,
        };
        fs::hard_link(env!("CARGO_BIN_EXE_shardplane"), lab.path("bin/shardplane")).unwrap();
        let worker = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/engine/bin/shardplane-worker"
        );
        symlink(worker, lab.path("bin/shardplane-worker")).unwrap();
        copy(Path::new(FIXTURES), &lab.path(""));
        lab
    }

    /// Makes waits of the rack take an n-th of their time, before anything has run there.
    pub fn speed_up(&self, n: u32) {
        let rack = fs::read_to_string(self.path("rack.yaml")).unwrap();
        assert!(rack.contains("speedup: 40\n"), "{rack}");
        let rack = rack.replace("speedup: 40\n", &format!("speedup: {n}\n"));
        fs::write(self.path("rack.yaml"), rack).unwrap();
    }

    /// Replaces something in a file, which has it.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.path(file), text.replacen(from, to, 1)).unwrap();
    }

    /// A path in the laboratory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the laboratory's folder; `{lab}` in an argument list is the rack and a state directory of its own.
    pub fn command(&self, arguments: &[&str], state: &str) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test starts the command that it tests"
        )]
        let mut command = Command::new(self.path("bin/shardplane"));
        let verb = usize::from(arguments.first() == Some(&"rack")) + 1;
        command
            .args(&arguments[..verb])
            .args(["--rack", "rack.yaml", "--state-dir", state])
            .args(&arguments[verb..])
            .current_dir(self.path(""))
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// Runs a command on the rack to its end.
    pub fn run(&self, state: &str, arguments: &[&str]) -> Ended {
        ended(self.command(arguments, state))
    }

    /// Runs a command without any place.
    pub fn plain(&self, arguments: &[&str]) -> Ended {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test starts the command that it tests"
        )]
        let mut command = Command::new(self.path("bin/shardplane"));
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .stdin(Stdio::null());
        ended(command)
    }

    /// Starts a command whose end the test waits for.
    pub fn start(&self, state: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments, state);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// What the rack's registers hold now.
    pub fn registers(&self, state: &str) -> Registers {
        let snapshot: Value = serde_json::from_str(
            &self
                .run(state, &["snapshot", "-o", "json"])
                .expect(0)
                .stdout,
        )
        .unwrap();
        let mut words = BTreeMap::new();
        for function in snapshot["functions"].as_array().unwrap() {
            if let Some(control) = function["acs"]["value"]["control"].as_str() {
                words.insert(function["address"].to_string(), control.to_owned());
            }
        }
        for group in ["driver", "sysctl"] {
            for (name, fact) in snapshot["settings"][group].as_object().unwrap() {
                words.insert(name.clone(), fact["value"].to_string());
            }
        }
        for (file, fact) in snapshot["settings"]["kept"].as_object().unwrap() {
            words.insert(file.clone(), fact["value"]["image"].to_string());
        }
        // Looking seeds nothing: where there is no file, nothing was ever reset.
        let live = self.path(state).join("lab/aic-01/rack/registers.json");
        let live: Option<Value> = fs::read(live)
            .ok()
            .map(|text| serde_json::from_slice(&text).unwrap());
        let resets = live
            .iter()
            .flat_map(|live| live["socs"].as_object().unwrap())
            .map(|(path, soc)| (path.clone(), soc["resets"].as_u64().unwrap()))
            .filter(|(_, resets)| *resets > 0);
        Registers {
            words,
            resets: resets.collect(),
        }
    }

    /// The journal's file.
    pub fn journal(&self, state: &str) -> PathBuf {
        self.path(state).join("lab/aic-01/journal")
    }
}

/// A file system in memory, if there is one with room to spare: half the time of a short run goes into waiting for disks, and
/// power is lost in the rack alone.
fn in_memory() -> Option<&'static str> {
    let room = nix::sys::statvfs::statvfs("/dev/shm").ok()?;
    let free = room.blocks_available() * room.fragment_size();
    (free >= 1 << 30).then_some("/dev/shm")
}

/// Runs a command to its end.
pub fn ended(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap()),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
