//! Processes of the machine that runs us: who is still the one that we started.
use std::{fs, time::Duration};

use crd::id::BootId;
use machine::{Machine, Roots};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::{
    console::Console,
    engine::interrupt::StopFlag,
    failure::Failure,
    state::{
        StateDir,
        workers::{self, ProcessIdentity},
    },
};

/// How often a process that should end is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// The identity of a running process; `None` where there is none of that pid, or it is dead already.
pub fn identity(pid: u32) -> Option<ProcessIdentity> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything; fields are counted after its end (proc(5)).
    let after = stat.get(stat.rfind(')')? + 2..)?;
    let mut fields = after.split(' ');
    let dead = matches!(fields.next()?, "Z" | "X");
    let start_ticks = fields.nth(18)?.parse().ok()?;
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    (!dead).then(|| ProcessIdentity {
        pid,
        start_ticks,
        boot_id: BootId(boot_id.trim().to_owned()),
    })
}

/// Whether the process that we started is still there.
pub fn is_alive(process: &ProcessIdentity) -> bool {
    identity(process.pid).as_ref() == Some(process)
}

/// Asks a process of ours to end, or its whole group to end at once.
pub fn signal(process: &ProcessIdentity, signal: Signal) {
    if !is_alive(process) {
        return;
    }
    let Ok(pid) = i32::try_from(process.pid) else {
        return;
    };
    // It may be gone between the look and the signal; then there is nobody to tell.
    let _ = match signal {
        Signal::SIGKILL => killpg(Pid::from_raw(pid), signal),
        _ => kill(Pid::from_raw(pid), signal),
    };
}

/// Waits until `over` holds, in wall time; `false` when it did not.
pub fn wait_for(limit: Duration, mut over: impl FnMut() -> bool) -> bool {
    let wall = Machine::linux(Roots::default());
    let until = wall.now().plus(limit);
    loop {
        if over() {
            return true;
        }
        if wall.now() >= until {
            return false;
        }
        wall.wait(LOOK);
    }
}

/// Waits for workers that a killed supervisor left behind: the end of their standard input has told them to drain.
/// Those that do not are asked, and then ended. Whoever asks for a stop meanwhile leaves them to whoever comes next.
pub fn wait_for_orphans(
    state: &StateDir,
    console: &Console,
    stop: &StopFlag,
) -> Result<(), Failure> {
    let recorded = workers::read(&state.workers())?;
    let left: Vec<_> = recorded
        .into_iter()
        .filter(|worker| is_alive(&worker.process))
        .collect();
    for worker in &left {
        console.note(&format!(
            "waiting for worker {} (pid {}) of a run that was cut off",
            worker.id, worker.process.pid
        ));
        let over = || !is_alive(&worker.process) || stop.asked().is_some();
        if !wait_for(Duration::from_mins(1), over) {
            signal(&worker.process, Signal::SIGTERM);
            if !wait_for(Duration::from_secs(10), over) {
                signal(&worker.process, Signal::SIGKILL);
                wait_for(Duration::from_secs(5), over);
            }
        }
        if let Some(stop) = stop.asked() {
            let why = format!(
                "stopped before anything was begun; worker {} has not ended",
                worker.id
            );
            return Err(Failure::said(stop.exit(), why, ""));
        }
    }
    if state.workers().exists() {
        workers::write(&state.workers(), &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_ourselves_and_a_recycled_pid_is_not() {
        let me = identity(std::process::id()).unwrap();
        assert!(is_alive(&me));
        assert!(!is_alive(&ProcessIdentity {
            start_ticks: me.start_ticks + 1,
            ..me.clone()
        }));
        assert!(!is_alive(&ProcessIdentity {
            boot_id: BootId::from("another"),
            ..me
        }));
    }
}
