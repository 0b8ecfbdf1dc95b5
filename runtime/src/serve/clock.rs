//! The only clock of the server: readings are taken here and passed on as values.

use std::time::{Duration, Instant};

/// Time since the server started, and the calendar where the API asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one owner of time in the server"
    )]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Seconds since 1970, as responses carry them.
    pub fn unix_seconds(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    /// Date and time of day where this machine is (`TZ`, `/etc/localtime`; UTC where neither says), for chat templates
    /// that mention them: the library that they are written for takes local time.
    pub fn civil(&self) -> jiff::civil::DateTime {
        let here = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
        here.to_datetime(jiff::Timestamp::now())
    }
}
