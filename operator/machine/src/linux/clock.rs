//! The clocks, on the wall and monotonic: the one place that reads them.
use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::time::Timestamp;

#[expect(clippy::disallowed_methods, reason = "this module owns the wall clock")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that nobody sets, for deadlines.
#[expect(clippy::disallowed_methods, reason = "this module owns the clocks")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

pub(crate) fn wait_until(moment: Timestamp) {
    loop {
        let left = now().until(moment);
        if left.is_zero() {
            return;
        }
        // In slices, so that a clock that is set forward ends the wait.
        thread::sleep(left.min(Duration::from_millis(500)));
    }
}
