//! Deadlines on the monotonic clock.

use std::time::{Duration, Instant};

/// A moment after which a wait gives up.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `span` from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's one reading of the clock"
    )]
    pub fn after(span: Duration) -> Self {
        let now = Instant::now();
        Self(
            now.checked_add(span)
                .unwrap_or_else(|| now + Duration::from_hours(24 * 365)),
        )
    }

    /// What is left; zero once it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's one reading of the clock"
    )]
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.remaining().is_zero()
    }
}
