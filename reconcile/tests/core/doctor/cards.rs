//! Cards and their SoCs, as the doctor judges them.
use crd::snapshot::Unread;

use super::*;

#[test]
fn cards_and_their_socs() {
    use Verdict::{Fail, Pass, Unknown as Untold, Warn};
    let bar = |size: Option<u64>| {
        move |s: &mut HardwareSnapshot| {
            let address = s.socs[1].address;
            let function = s
                .functions
                .iter_mut()
                .find(|f| f.address == address)
                .unwrap();
            match size {
                Some(size) => function.bars.value.as_mut().unwrap()[0].size_kib = size,
                None => function.bars.value = Some(Vec::new()),
            }
        }
    };
    check(bar(Some(64)), "bar4-size", Fail, "64 KiB", 1);
    check(bar(Some(64)), "bar4-size", Pass, "2 GiB", 7);
    check(bar(None), "bar4-size", Fail, "none", 1);
    check(
        |s| s.prerequisites.as_mut().unwrap().socs[0].bar4_assigned = known(false),
        "bar4-assigned",
        Fail,
        "cannot be reached",
        1,
    );
    check(
        |s| {
            let address = s.socs[0].address;
            let function = s
                .functions
                .iter_mut()
                .find(|f| f.address == address)
                .unwrap();
            function.link = known(Link {
                speed: "8.0 GT/s PCIe".into(),
                width: 8,
            });
        },
        "link",
        Warn,
        "8.0 GT/s",
        1,
    );
    let unsaid = |s: &mut HardwareSnapshot| {
        let address = s.socs[0].address;
        let mut functions = s.functions.iter_mut();
        let function = functions.find(|f| f.address == address).unwrap();
        function.link = known(Link {
            speed: "Unknown".into(),
            width: 8,
        });
    };
    check(unsaid, "link", Untold, "the kernel says `Unknown`", 1);
    check(
        |s| s.socs[0].status = known(SocStatus::Initializing),
        "soc-ready",
        Fail,
        "Initializing",
        1,
    );
    check(
        |s| s.socs[0].status = known(SocStatus::Error),
        "soc-ready",
        Fail,
        "Error",
        1,
    );
    check(
        |s| s.socs[0].status = known(SocStatus::Other("Busy".into())),
        "soc-ready",
        Fail,
        "Busy",
        1,
    );
    let left_out =
        |s: &mut HardwareSnapshot| s.socs[0].status = Fact::unknown(Unknown::ToolFailed, "test");
    check(left_out, "soc-ready", Fail, "leaves it out", 1);
    check(
        |s| {
            for soc in &mut s.socs {
                soc.status = Fact::unknown(Unknown::ToolMissing, "qaic-util");
                soc.mdp = Fact::unknown(Unknown::ToolMissing, "qaic-util");
            }
        },
        "soc-ready",
        Untold,
        "not installed",
        8,
    );
    let off = check(|s| s.socs[5].mdp = known(false), "mdp", Fail, "off", 1);
    assert_eq!(off.mender, Some(Mender::Apply));
    check(|s| s.socs[5].mdp = known(false), "mdp", Pass, "MDP+", 7);
    check(
        |s| s.socs[5].mdp = Fact::unknown(Unknown::NotReady, "test"),
        "mdp",
        Untold,
        "no state",
        1,
    );
    check(
        |s| s.socs[0].cores = known(8),
        "cores",
        Warn,
        "8 and 16 cores",
        8,
    );
    check(
        |s| {
            let gone = s.socs.remove(3).address;
            s.functions.retain(|f| f.address != gone);
            s.prerequisites.as_mut().unwrap().socs.remove(3);
        },
        "card-whole",
        Warn,
        "3 SoCs of 4",
        3,
    );
    // One that hangs on a root port, whatever other cards are whole.
    check(
        |s| {
            let address = s.socs[0].address;
            let root = s.functions.iter().find(|f| f.parent.is_none()).unwrap();
            let (parent, path) = (root.address, format!("{}/00.0", root.path));
            let function = s.functions.iter_mut().find(|f| f.address == address);
            let function = function.unwrap();
            function.parent = Some(parent);
            function.path.0.clone_from(&path);
            s.socs[0].path.0 = path;
        },
        "card-whole",
        Warn,
        "a SoC of an Ultra alone",
        1,
    );
    check(
        |s| s.socs[5].serial = s.socs[2].serial.clone(),
        "identity",
        Fail,
        "is shown by 2 SoCs",
        2,
    );
    check(
        |s| {
            s.holders.push(Holder {
                soc: s.socs[0].address,
                kind: HolderKind::Foreign,
                pid: Some(7),
                name: "python3".into(),
                unit: None,
                container: None,
                pod: None,
            });
        },
        "holders",
        Warn,
        "pid 7 (python3)",
        1,
    );
    check(
        |s| s.socs[0].serial = Fact::unknown(Unknown::Absent, "test"),
        "serial",
        Warn,
        "none can be read",
        1,
    );
    check(
        |s| {
            for soc in &mut s.socs {
                soc.board_serial = known("PN471".into());
            }
        },
        "board-serial",
        Warn,
        "`PN471` on 2 cards",
        0,
    );
    check(
        |s| {
            s.ledger.identities.push(SocIdentity {
                address: s.socs[1].address,
                path: s.socs[0].path.clone(),
                serial: None,
            });
        },
        "identity",
        Fail,
        "was serial unknown at path",
        1,
    );
    let no_cards = |s: &mut HardwareSnapshot| {
        let socs: Vec<_> = s.socs.drain(..).map(|soc| soc.address).collect();
        s.functions
            .retain(|function| !socs.contains(&function.address));
        s.prerequisites.as_mut().unwrap().socs.clear();
    };
    check(no_cards, "socs", Fail, "none", 0);
    let unread = |s: &mut HardwareSnapshot| {
        no_cards(s);
        s.unread.push(Unread {
            path: "/sys/bus/pci/devices/0000:05:00.0/vendor".into(),
            why: Unknown::ReadFailed,
        });
    };
    check(unread, "socs", Untold, "0000:05:00.0/vendor", 0);
    let unlisted = |s: &mut HardwareSnapshot| {
        no_cards(s);
        s.functions.clear();
    };
    check(unlisted, "socs", Untold, "no PCI function at all", 0);
}

#[test]
fn socs_that_are_recorded_and_not_there() {
    use Verdict::{Pass, Unknown as Untold, Warn};
    let gone = |unread: bool| {
        move |s: &mut HardwareSnapshot| {
            let known = s.socs.iter().map(|soc| SocIdentity {
                address: soc.address,
                path: soc.path.clone(),
                serial: soc.serial.get().cloned(),
            });
            s.ledger.identities.extend(known);
            s.socs.truncate(5);
            s.unread.extend(unread.then(|| Unread {
                path: "/sys/bus/pci/devices".into(),
                why: Unknown::ReadFailed,
            }));
        }
    };
    check(gone(false), "identity", Pass, "5 SoCs as recorded", 0);
    check(gone(false), "identity", Warn, "3 SoCs recorded", 3);
    check(gone(true), "identity", Pass, "5 SoCs as recorded", 0);
    check(gone(true), "identity", Untold, "/sys/bus/pci/devices", 3);
}

/// Whoever may not read what a bridge is knows of no card, and is sent to look for no fault of one.
#[test]
fn cards_that_cannot_be_told_apart_are_no_fault() {
    use Verdict::{Pass, Unknown as Untold};
    let unread = |s: &mut HardwareSnapshot| {
        for function in &mut s.functions {
            if matches!(
                function.port,
                Some(PortKind::SwitchUpstream | PortKind::SwitchDownstream)
            ) {
                function.port = Some(PortKind::Bridge);
                function.acs = Fact::unknown(crd::Unknown::NoPermission, "config");
            }
        }
        for soc in &mut s.socs {
            soc.board_serial = known("one".into());
        }
    };
    check(unread, "socs", Pass, "8 SoCs, on cards that only root", 0);
    for (id, functions) in [("card-whole", 8), ("board-serial", 0)] {
        let found = check(
            unread,
            id,
            Untold,
            "what the bridges above it are",
            functions,
        );
        assert_eq!(found.fix, "look again as root");
    }
}

/// Whatever hangs below a bridge that is not there is on no card that is known.
#[test]
fn cards_below_a_bridge_that_is_gone_are_no_fault() {
    use Verdict::{Pass, Unknown as Untold};
    let gone = |s: &mut HardwareSnapshot| {
        for soc in &mut s.socs {
            soc.board_serial = known("one".into());
        }
        let above = |s: &HardwareSnapshot, below| {
            let mut functions = s.functions.iter();
            let found = functions.find(|function| function.address == below);
            found.and_then(|function| function.parent).unwrap()
        };
        let port = above(s, s.socs[0].address);
        let bridge = above(s, port);
        s.functions.retain(|function| function.address != bridge);
    };
    check(
        gone,
        "socs",
        Pass,
        "8 SoCs, of which bridges above are not there",
        0,
    );
    for id in ["card-whole", "board-serial"] {
        let mut snapshot = two_ultras("aic-07");
        gone(&mut snapshot);
        let findings = doctor(&snapshot, None);
        let found = of(&findings, id);
        let untold = found.iter().find(|found| found.verdict == Untold);
        let untold = untold.unwrap_or_else(|| panic!("{found:?}"));
        assert!(untold.fact.contains("is not there"), "{untold:?}");
        assert!(
            !found.iter().any(|found| found.verdict == Verdict::Warn),
            "{found:?}"
        );
    }
}
