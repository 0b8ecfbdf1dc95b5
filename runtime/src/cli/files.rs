//! How many connections the limit of open files allows.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::failure::{Exit, Failure};
use super::output;
use crate::serve::batch::Limits;
use crate::serve::connections::Bounds;

/// More connections than any load balancer holds to one server; each takes some 20 kB while it asks for nothing.
const MOST: u64 = 4096;
/// Connections beside those, for probes, while all others are at work.
const SPARE: u64 = 16;
/// Files of our own: those that the server opens while it runs, and connections that are being closed.
const OWN: u64 = 16;

/// Takes up to the hard limit what the most connections need, and says how many may be open.
pub(super) fn bounds(limits: Limits) -> Result<Bounds, Failure> {
    // The reading itself holds one.
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| {
        Failure::new(Exit::Internal, &error).doing("asking for the limit of open files")
    })?;
    let wanted = (open + OWN + SPARE + MOST).min(hard);
    // Only a raise: where the system refuses even that, what we have is what we have.
    let allowed = if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
        wanted
    } else {
        soft
    };
    let bounds = within(allowed, open);
    let held = limits.slots as usize + limits.queue;
    if bounds.open < held {
        output::note(&format!(
            "warning: the limit of {allowed} open files leaves room for {} connections, and {held} requests could be \
             held: raise it (`ulimit -n`, LimitNOFILE=)",
            bounds.open
        ));
    }
    Ok(bounds)
}

/// What a limit allows beside the files that are open.
fn within(limit: u64, open: u64) -> Bounds {
    let left = limit.saturating_sub(open + OWN + SPARE);
    Bounds {
        open: left.clamp(1, MOST) as usize,
        spare: SPARE as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_less_what_is_open_and_the_reserve() {
        let check = |limit, open, expected| assert_eq!(within(limit, open).open, expected);
        check(1024, 20, 972);
        check(1 << 30, 20, 4096);
        check(64, 20, 12);
        check(16, 20, 1);
    }
}
