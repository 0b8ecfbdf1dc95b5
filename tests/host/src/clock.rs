//! The clock, and waiting until something is so.
use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long anything may take that takes seconds on a quiet machine.
pub const LIMIT: Duration = Duration::from_mins(2);
/// Between two looks at what is waited for: each look starts a program.
const PAUSE: Duration = Duration::from_millis(100);

/// The clock.
#[must_use]
pub fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the clock of the tiers"
    )]
    Instant::now()
}

/// Asks again and again until `is` says so.
///
/// # Errors
/// With what was said last, when [`LIMIT`] is over.
pub fn until<T: Debug>(
    what: &str,
    ask: impl FnMut() -> Result<T>,
    is: impl Fn(&T) -> bool,
) -> Result<T> {
    within(LIMIT, what, ask, is)
}

/// The same, with a limit.
///
/// # Errors
/// With what was said last, when the limit is over.
pub fn within<T: Debug>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<T>,
    is: impl Fn(&T) -> bool,
) -> Result<T> {
    let end = now() + limit;
    loop {
        let answer = ask();
        match answer {
            Ok(answer) if is(&answer) => return Ok(answer),
            Ok(answer) if now() >= end => bail!("{what}: still {answer:?}"),
            Err(error) if now() >= end => return Err(error.context(what.to_owned())),
            Ok(_) | Err(_) => thread::sleep(PAUSE),
        }
    }
}
