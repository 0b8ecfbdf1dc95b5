//! Names that a rack's servers can have, for machines that are called otherwise.
use std::collections::BTreeSet;

use crd::{id::NodeName, snapshot::HardwareSnapshot};

/// Letters of a server's name at most.
const LONGEST: usize = 63;
/// What a server is called of whose name nothing is left.
const NAMELESS: &str = "recorded";

/// Snapshots under names that a rack takes, no two alike, and who was renamed to what.
pub(super) fn fitting(
    snapshots: Vec<HardwareSnapshot>,
) -> (Vec<HardwareSnapshot>, Vec<(NodeName, NodeName)>) {
    let mut taken = BTreeSet::new();
    let mut renamed = Vec::new();
    let mut all = Vec::new();
    for snapshot in snapshots {
        let before = snapshot.metadata.name.clone();
        let mut name = label(before.as_str());
        let mut next = 2;
        while !taken.insert(name.clone()) {
            let end = format!("-{next}");
            let mut begin = label(before.as_str());
            begin.truncate(LONGEST - end.len());
            name = begin + &end;
            next += 1;
        }
        let after = NodeName(name);
        if before == after {
            all.push(snapshot);
        } else {
            all.push(called(snapshot, &after));
            renamed.push((before, after));
        }
    }
    (all, renamed)
}

/// A name as far as a rack takes it.
pub(super) fn label(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        '.' => '.',
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '-',
    });
    let short: String = letters.take(LONGEST).collect();
    let label = short.trim_matches(['-', '.']);
    if label.is_empty() {
        NAMELESS.to_owned()
    } else {
        label.to_owned()
    }
}

/// The snapshot of a machine that is called so, wherever it says its name.
fn called(mut snapshot: HardwareSnapshot, name: &NodeName) -> HardwareSnapshot {
    snapshot.metadata.name = name.clone();
    for record in &mut snapshot.ledger.groups {
        record.group.node = name.clone();
    }
    for worker in &mut snapshot.workers {
        if let Some(group) = &mut worker.group {
            group.node = name.clone();
        }
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_one_that_a_rack_takes() {
        let long = "n".repeat(70);
        for (name, expected) in [
            ("aic-01", "aic-01"),
            ("AIC-01.example", "aic-01.example"),
            ("srv_01_", "srv-01"),
            ("-.-", "recorded"),
            ("", "recorded"),
            ("\u{fc}ber", "ber"),
            (&long, &long[..63]),
        ] {
            assert_eq!(label(name), expected, "{name}");
        }
    }
}
