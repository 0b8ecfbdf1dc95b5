//! Outside the namespaces: opens them, waits for what happens inside, and sees that the machine is as it was.
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use host::{command, output, tied, until};

use crate::{
    groups,
    place::Room,
    traces::{self, Machine},
};

/// What a held cluster prints when a pod of it runs.
pub(crate) const UP: &str = "up";

/// One run: its room, and whoever sweeps it when this process is gone, however it ends.
struct Run {
    room: Room,
    before: Machine,
    sweeper: Child,
    /// Closed when this process is gone.
    alive: ChildStdin,
}

impl Run {
    fn begin() -> Result<Self> {
        let folder = TempDir::with_prefix(Room::PREFIX)
            .context("making a folder")?
            .keep();
        let room = Room { folder };
        let mut before = Machine::look(&room)?;
        before.forget_files();
        let mut sweeper = this()?
            .arg("--sweep")
            .arg(&room.folder)
            .stdin(Stdio::piped())
            // Whatever ends this process leaves that one.
            .process_group(0)
            .spawn()
            .context("starting the sweeper")?;
        let alive = sweeper.stdin.take().context("a pipe was asked for")?;
        Ok(Self {
            room,
            before,
            sweeper,
            alive,
        })
    }

    /// A process in namespaces of its own, which ends with this thread.
    fn inside(&self, arguments: &[String]) -> Result<Command> {
        let mut command = tied("unshare");
        command
            .args(["-nmpf", "--kill-child", "--mount-proc", "--"])
            .arg(std::env::current_exe().context("finding this program")?)
            .arg("--inside")
            .arg(&self.room.folder)
            .args(arguments);
        Ok(command)
    }

    fn end(mut self) -> Result<()> {
        drop(self.alive);
        let swept = self.sweeper.wait().context("waiting for the sweeper")?;
        if !swept.success() {
            bail!("the sweeper ended with {swept}");
        }
        let mut after = Machine::look(&self.room)?;
        after.forget_files();
        self.before.is_as_before(&after)
    }
}

fn this() -> Result<Command> {
    Ok(command(
        std::env::current_exe().context("finding this program")?,
    ))
}

/// Does something in namespaces of its own, and says whether it went well and left nothing.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let run = Run::begin()?;
    let status = run
        .inside(arguments)?
        .status()
        .context("opening namespaces")?;
    run.end()?;
    Ok(status.success())
}

/// Holds a cluster with pods until standard input ends: what is killed in the test of being killed.
pub(crate) fn hold() -> Result<bool> {
    run(&["--hold".to_owned()])
}

/// Kills whoever holds a whole cluster, and sees that nothing of it is left.
pub(crate) fn a_killed_run_leaves_nothing() -> Result<()> {
    let mine = Room {
        folder: "/none".into(),
    };
    let mut before = Machine::look(&mine)?;
    before.forget_files();
    let mut holder = this()?
        .arg("--hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a cluster to be killed")?;
    let mut said = BufReader::new(holder.stdout.take().context("a pipe was asked for")?);
    let mut folder = String::new();
    let mut line = String::new();
    while said
        .read_line(&mut line)
        .context("hearing of the cluster")?
        > 0
        && line.trim() != UP
    {
        folder.clone_from(&line);
        line.clear();
    }
    if line.trim() != UP {
        bail!("the cluster did not come up: {folder}");
    }
    let room = Room {
        folder: folder.trim().into(),
    };
    let first = groups::hierarchies()
        .first()
        .map(|hierarchy| hierarchy.join(room.name()))
        .context("there are control groups")?;
    if groups::below(&first).len() < 3 {
        bail!("no pod has control groups below {}", first.display());
    }
    let pid = holder.id().to_string();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .context("reading who the holder started")?;
    let namespaces = children
        .split_whitespace()
        .flat_map(traces::namespaces)
        .collect();
    if traces::inhabitants(&namespaces).is_empty() {
        bail!("nobody is in the namespaces of {children}");
    }
    holder.kill().context("killing the holder")?;
    holder.wait().context("waiting for the holder")?;
    until(
        "everything ends",
        || Ok(traces::inhabitants(&namespaces)),
        Vec::is_empty,
    )?;
    until(
        "the folder goes",
        || Ok(room.folder.exists()),
        |exists| !exists,
    )?;
    let mut after = Machine::look(&room)?;
    after.forget_files();
    before.is_as_before(&after)
}

/// Waits until standard input ends, and removes what no end of a process removes.
pub(crate) fn sweep(room: &Room) -> Result<()> {
    let mut nothing = Vec::new();
    std::io::stdin()
        .read_to_end(&mut nothing)
        .context("waiting for the end of the run")?;
    groups::remove(room)?;
    // Mounts of the namespaces hold the folder for a moment more.
    until(
        "the folder goes",
        || output(command("rm").arg("-rf").arg(&room.folder)),
        |_| !room.folder.exists(),
    )?;
    Ok(())
}
