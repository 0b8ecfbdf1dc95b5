//! What the kernel says of the bus as a whole, of Secure Boot and of errors, and who could not be seen.
use crd::snapshot::Unread;

use super::*;

fn asked(snapshot: &mut HardwareSnapshot) -> &mut Prerequisites {
    snapshot.prerequisites.as_mut().unwrap()
}

#[test]
fn a_bus_that_was_not_read_whole_is_no_whole_bus() {
    use Verdict::{Pass, Unknown as Untold};
    let without = |why: Unknown| {
        move |s: &mut HardwareSnapshot| {
            s.unread.push(Unread {
                path: "/sys/bus/pci/devices/0000:77:00.0".into(),
                why,
            });
        }
    };
    check(|_| {}, "bus-whole", Pass, "to its end", 0);
    check(
        |s| s.functions.clear(),
        "bus-whole",
        Untold,
        "no PCI function at all",
        0,
    );
    check(
        without(Unknown::ReadFailed),
        "bus-whole",
        Untold,
        "failed",
        0,
    );
    check(
        without(Unknown::NoPermission),
        "bus-whole",
        Untold,
        "may not read",
        0,
    );
    check(
        without(Unknown::Absent),
        "bus-whole",
        Untold,
        "went while",
        0,
    );
}

#[test]
fn secure_boot_and_errors_are_told() {
    use Verdict::{Pass, Unknown as Untold, Warn};
    check(
        |s| asked(s).secure_boot = Some(known(true)),
        "secure-boot",
        Warn,
        "unsigned",
        0,
    );
    let untold = |s: &mut HardwareSnapshot| {
        asked(s).secure_boot = Some(Fact::unknown(Unknown::NoPermission, "efivars"));
    };
    check(untold, "secure-boot", Untold, "may not read", 0);
    let counted = |correctable, uncorrectable, nonfatal| {
        move |s: &mut HardwareSnapshot| {
            let counts = ErrorCounts {
                correctable,
                uncorrectable,
                nonfatal,
            };
            asked(s).socs[2].errors = Some(known(counts));
        }
    };
    check(counted(7, 0, 0), "soc-errors", Pass, "none", 8);
    check(counted(0, 1, 0), "soc-errors", Warn, "1 uncorrectable", 1);
    check(counted(0, 0, 4), "soc-errors", Warn, "4 nonfatal", 1);
    let broken = |s: &mut HardwareSnapshot| {
        asked(s).socs[2].errors = Some(Fact::unknown(Unknown::Malformed, "ce_count"));
    };
    check(broken, "soc-errors", Untold, "no form", 1);
}

/// A kernel without EFI, and a driver that counts nothing, have nothing to be judged.
#[test]
fn what_is_not_there_has_no_row() {
    let mut snapshot = healthy(two_ultras("n"));
    let absent = |source: &str| Fact::unknown(Unknown::Absent, source);
    asked(&mut snapshot).secure_boot = Some(absent("efivars"));
    for soc in &mut asked(&mut snapshot).socs {
        soc.errors = Some(Fact::unknown(Unknown::Absent, "ce_count"));
    }
    let findings = doctor(&snapshot, None);
    let mut rows = findings.iter().map(|finding| finding.id.as_str());
    assert!(rows.all(|row| row != "secure-boot" && row != "soc-errors"));
}

#[test]
fn who_cannot_be_seen_is_nobody_known() {
    use Verdict::{Unknown as Untold, Warn};
    let holder = |s: &HardwareSnapshot, kind: HolderKind| Holder {
        soc: s.socs[0].address,
        pid: (kind == HolderKind::Foreign).then_some(7),
        kind,
        name: "/proc/1/fd".into(),
        unit: None,
        container: None,
        pod: Some("pod-uid".into()),
    };
    let unseen = HolderKind::Unseen {
        why: Unknown::NoPermission,
    };
    let alone = |s: &mut HardwareSnapshot| s.holders.push(holder(s, unseen.clone()));
    check(alone, "holders", Untold, "may not read", 1);
    let both = |s: &mut HardwareSnapshot| {
        s.holders.push(holder(s, unseen.clone()));
        s.holders.push(holder(s, HolderKind::Foreign));
    };
    check(both, "holders", Warn, "of pod pod-uid", 1);
}
