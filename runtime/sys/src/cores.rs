//! How many cores this process may really use: affinity and control-group quota.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// Cores that this process may use, at least one: its affinity, cut by the CPU quota of its control groups.
pub fn usable_cores() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0)).map_or(1, |set| {
        (0..CpuSet::count())
            .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
            .count()
    });
    let quota = crate::memory::control_groups()
        .iter()
        .filter_map(|group| parse_quota(&fs::read_to_string(group.join("cpu.max")).ok()?))
        .fold(usize::MAX, usize::min);
    allowed.min(quota).max(1)
}

/// Whole cores of a `cpu.max` line, rounded up; `None` without a quota.
fn parse_quota(line: &str) -> Option<usize> {
    let mut fields = line.split_whitespace();
    let quota: u64 = fields.next()?.parse().ok()?;
    let period: u64 = fields.next()?.parse().ok()?;
    usize::try_from(quota.div_ceil(period.max(1))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas() {
        for (line, expected) in [
            ("max 100000", None),
            ("100000 100000", Some(1)),
            ("150000 100000\n", Some(2)),
            ("50000 100000", Some(1)),
            ("", None),
            ("100000", None),
        ] {
            assert_eq!(parse_quota(line), expected, "{line:?}");
        }
        assert!(usable_cores() >= 1);
    }
}
