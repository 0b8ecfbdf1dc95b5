//! A counter in shared memory that processes wait on: spin, then yield, then sleep in a futex.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::Deadline;

/// How long a waiter burns its core before it sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spin {
    /// Every waiter has a core of its own: a few thousand looks, as a sleep costs 10 µs.
    Alone,
    /// Waiters share cores: a few looks, then give the core away.
    Crowded,
}

impl Spin {
    /// What fits `processes` busy processes on `cores` cores.
    pub fn choose(processes: usize, cores: usize) -> Self {
        if processes <= cores {
            Self::Alone
        } else {
            Self::Crowded
        }
    }

    fn looks(self) -> u32 {
        match self {
            // About 50 µs: longer than the imbalance of two ranks in one layer of a small model.
            Self::Alone => 4000,
            Self::Crowded => 200,
        }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The counter reached the value.
    Reached,
    /// The deadline passed first.
    Late,
}

/// A counter that goes up by one (wrapping) for each thing published, and the number of its sleepers.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    count: &'a AtomicU32,
    sleepers: &'a AtomicU32,
}

impl<'a> Word<'a> {
    pub(crate) fn new(count: &'a AtomicU32, sleepers: &'a AtomicU32) -> Self {
        Self { count, sleepers }
    }

    /// The counter; what was written before it was published is visible.
    pub fn get(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Sets the counter and wakes who sleeps on it. What was written before is visible to who sees the value.
    pub fn publish(&self, value: u32) {
        self.count.store(value, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            self.wake();
        }
    }

    /// Wakes every sleeper, so that it looks around.
    pub fn wake(&self) {
        // SAFETY: FUTEX_WAKE reads nothing but the address, which is mapped for as long as `self.count`.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.count.as_ptr(),
                libc::FUTEX_WAKE,
                i32::MAX,
                0usize,
                0usize,
                0u32,
            )
        };
    }

    /// Waits until the counter is at or past `value` (in wrapping order).
    pub fn wait_until(&self, value: u32, spin: Spin, deadline: Deadline) -> Waited {
        let reached = |now: u32| now.wrapping_sub(value).cast_signed() >= 0;
        for look in 0..spin.looks() {
            if reached(self.get()) {
                return Waited::Reached;
            }
            // The other side may be waiting for this very core.
            if spin == Spin::Crowded && look % 50 == 49 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let waited = loop {
            let now = self.count.load(Ordering::SeqCst);
            if reached(now) {
                break Waited::Reached;
            }
            let left = deadline.remaining();
            if left.is_zero() {
                break Waited::Late;
            }
            self.sleep(now, left);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        waited
    }

    /// Sleeps while the counter is `seen`, at most `span`. May wake for no reason.
    fn sleep(&self, seen: u32, span: Duration) {
        let span = libc::timespec {
            tv_sec: span.as_secs().min(3600).cast_signed(),
            tv_nsec: i64::from(span.subsec_nanos()),
        };
        // SAFETY: the word is mapped for as long as `self.count`, `span` outlives the call, and a wrong result of
        // the call is only an early return, which the loop above takes as a reason to look again.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.count.as_ptr(),
                libc::FUTEX_WAIT,
                seen,
                std::ptr::from_ref(&span),
                0usize,
                0u32,
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;

    #[test]
    fn a_wait_ends_by_value_or_by_deadline() {
        let segment = Segment::create("test", 64).expect("create");
        let late =
            segment
                .word(0)
                .wait_until(1, Spin::Crowded, Deadline::after(Duration::from_millis(5)));
        assert_eq!(late, Waited::Late);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for value in 1..=1000 {
                    segment.word(8).wait_until(
                        value,
                        Spin::Crowded,
                        Deadline::after(Duration::from_secs(20)),
                    );
                    segment.word(0).publish(value);
                }
            });
            for value in 1..=1000 {
                segment.word(8).publish(value);
                let waited = segment.word(0).wait_until(
                    value,
                    Spin::Alone,
                    Deadline::after(Duration::from_secs(20)),
                );
                assert_eq!(waited, Waited::Reached);
            }
        });
    }

    #[test]
    fn order_wraps() {
        let segment = Segment::create("test", 64).expect("create");
        segment.word(0).publish(u32::MAX);
        let soon = || Deadline::after(Duration::from_millis(1));
        assert_eq!(
            segment
                .word(0)
                .wait_until(u32::MAX - 3, Spin::Crowded, soon()),
            Waited::Reached
        );
        assert_eq!(
            segment.word(0).wait_until(2, Spin::Crowded, soon()),
            Waited::Late
        );
        segment.word(0).publish(2);
        assert_eq!(
            segment.word(0).wait_until(u32::MAX, Spin::Crowded, soon()),
            Waited::Reached
        );
    }
}
