//! One rank as its leader sees it: a child that is always reaped, and the memory shared with it.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;
use sys::{Deadline, Spin, Waited, Word};

use super::RankError;
use super::wire::{Control, Exchange};

/// How often a waiting leader looks whether its ranks still live.
const LOOK: Duration = Duration::from_millis(20);

/// A child process that is killed and reaped when dropped.
#[derive(Debug)]
pub(super) struct Reaped(Child);

impl Reaped {
    pub(super) fn new(child: Child) -> Self {
        Self(child)
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its end, if it has ended.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Closes its lifeline: it leaves by itself.
    pub(super) fn release(&mut self) {
        drop(self.0.stdin.take());
    }

    /// Waits for its end; kills it when it is late.
    pub(super) fn wait(&mut self, deadline: Deadline) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if deadline.passed() {
                self.0.kill()?;
                return self.0.wait();
            }
            std::thread::sleep(Duration::from_millis(2).min(deadline.remaining()));
        }
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only for a child that was reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One rank.
#[derive(Debug)]
pub(super) struct RankProcess {
    pub(super) rank: u32,
    pub(super) child: Reaped,
    pub(super) control: Control,
    pub(super) exchange: Exchange,
}

impl RankProcess {
    /// An error if the rank has ended, with what it said last.
    pub(super) fn check(&mut self) -> Result<(), RankError> {
        let (rank, pid) = (self.rank, self.child.pid());
        match self.child.ended() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(match self.control.why() {
                Some(why) => RankError::Failed { rank, pid, why },
                None => RankError::Gone {
                    rank,
                    pid,
                    status: ended(status),
                },
            }),
            Err(source) => Err(RankError::System {
                doing: format!("looking after rank {rank} (pid {pid})"),
                source,
            }),
        }
    }
}

/// How a rank's process ended, and what is likely where somebody killed it without a word.
fn ended(status: ExitStatus) -> String {
    if status.signal() == Some(Signal::SIGKILL as i32) {
        return format!(
            "{status}, most likely because memory ran out: look at the kernel's log (`dmesg`) or the memory limit of its \
             cgroup, then free memory or serve with a smaller precision, context or fewer slots"
        );
    }
    status.to_string()
}

/// Waits until the `which` counter of rank `at` reaches `value`, while looking after all of them.
pub(super) fn wait(
    ranks: &mut [RankProcess],
    at: usize,
    which: for<'a> fn(&'a RankProcess) -> Word<'a>,
    value: u32,
    patience: &Patience,
) -> Result<(), RankError> {
    loop {
        let slice = Deadline::after(LOOK.min(patience.deadline.remaining()));
        if which(&ranks[at]).wait_until(value, patience.spin, slice) == Waited::Reached {
            return Ok(());
        }
        check_all(ranks)?;
        if patience.deadline.passed() {
            let Patience {
                span: deadline,
                doing,
                ..
            } = *patience;
            let late = &ranks[laggard(ranks, at)];
            let (rank, pid) = (late.rank, late.child.pid());
            return Err(RankError::Deadline {
                rank,
                pid,
                doing,
                deadline,
            });
        }
    }
}

/// The rank that the others wait for: the one with the fewest sums published, or `at` among equals.
fn laggard(ranks: &[RankProcess], at: usize) -> usize {
    let round = |index: usize| ranks[index].exchange.published().get();
    let behind = |index: usize| round(index).wrapping_sub(round(at)).cast_signed();
    (0..ranks.len())
        .min_by_key(|index| (behind(*index), *index != at))
        .unwrap_or(at)
}

/// Looks after every rank. One that was killed outranks those that then gave up waiting for it.
pub(super) fn check_all(ranks: &mut [RankProcess]) -> Result<(), RankError> {
    let errors: Vec<RankError> = ranks
        .iter_mut()
        .filter_map(|rank| rank.check().err())
        .collect();
    let gone = |error: &RankError| matches!(error, RankError::Gone { .. });
    match errors
        .iter()
        .position(gone)
        .or(if errors.is_empty() { None } else { Some(0) })
    {
        None => Ok(()),
        Some(at) => errors.into_iter().nth(at).map_or(Ok(()), Err),
    }
}

/// How long a leader waits, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) spin: Spin,
    pub(super) deadline: Deadline,
    pub(super) span: Duration,
    pub(super) doing: &'static str,
}
