//! A leader's time: whether it still leads, and the rhythm of its turns. Cards and models go by the same.
use std::{sync::Arc, time::Duration};

use machine::{Machine, Roots, Timestamp};
use tokio::sync::{Notify, watch};

use super::controller::Led;
use crate::engine::interrupt::StopFlag;

/// Writes under way at once.
pub const WRITES: usize = 8;
/// The longest wait without looking whether somebody asked for a stop.
pub const LOOK: Duration = Duration::from_millis(100);
/// How often all is looked at though nothing changed: windows open, what is long gone is forgotten, and what the server
/// did not take is tried again.
pub const REST: Duration = Duration::from_secs(30);
/// How long a write that failed is left alone.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// After this long without seeing its own write, it lists everything anew.
pub const SIGHT: Duration = Duration::from_secs(5);
/// How long one request may take.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How long after a change the next turn begins.
const SETTLE: Duration = Duration::from_millis(100);

/// Who leads, whether to end, and what changed.
#[derive(Clone, Debug)]
pub struct Term {
    stop: StopFlag,
    led: watch::Receiver<Option<Led>>,
    changed: Arc<Notify>,
}

impl Term {
    /// Of one part of a controller, which hears of changes of its own.
    pub fn new(stop: &StopFlag, led: &watch::Receiver<Option<Led>>) -> Self {
        Self {
            stop: stop.clone(),
            led: led.clone(),
            changed: Arc::default(),
        }
    }

    /// Whether somebody asked for the end.
    pub fn is_over(&self) -> bool {
        self.stop.asked().is_some()
    }

    /// Hears of every change.
    pub fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// The epoch in which this process leads now.
    pub fn epoch(&self) -> Option<i64> {
        let led = *self.led.borrow();
        led.filter(|led| now() < led.until).map(|led| led.epoch)
    }

    /// Whether it leads in this epoch, and goes on.
    pub fn leads(&self, epoch: i64) -> bool {
        !self.is_over() && self.epoch() == Some(epoch)
    }

    /// Waits for a change, at most so long, or until it leads no more.
    pub async fn wait(&self, epoch: i64, most: Duration) {
        let end = now().plus(most);
        while self.leads(epoch) {
            let left = now().until(end);
            if left.is_zero() {
                return;
            }
            let heard = tokio::time::timeout(left.min(LOOK), self.changed.notified()).await;
            if heard.is_ok() {
                // Several objects are often written one after the other, and mean one thing together.
                return tokio::time::sleep(SETTLE).await;
            }
        }
    }
}

/// The clock on the wall.
pub fn now() -> Timestamp {
    Machine::linux(Roots::default()).now()
}
