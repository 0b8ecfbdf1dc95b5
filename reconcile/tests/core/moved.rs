//! Where address, path and serial of what the ledger knows disagree with what is seen, nothing is touched.
use crd::{
    Fact,
    declaration::Declaration,
    id::{MhiSerial, PciAddress, PciPath},
    plan::{ReportKind, ReportReason},
    snapshot::{HardwareSnapshot, LedgerTarget, PciFunction},
};
use reconcile::drift::{drifted, renumbered};

use crate::{
    cases::Case,
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

/// A machine on which the quickstart was carried out, ready for more: all words came back, so that something is to do.
fn configured() -> HardwareSnapshot {
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&quickstart(), &nodes), &mut nodes, false).is_empty());
    let [mut snapshot] = nodes.try_into().expect("one node");
    snapshot.functions = two_ultras("lab").functions;
    snapshot
}

/// The first port that the ledger knows.
fn port(node: &HardwareSnapshot) -> PciAddress {
    let known = node
        .ledger
        .entries
        .iter()
        .find_map(|entry| match entry.target {
            LedgerTarget::Acs { port, .. } => Some(port),
            _ => None,
        });
    known.expect("ports were relaxed")
}

fn function(node: &mut HardwareSnapshot, address: PciAddress) -> &mut PciFunction {
    let found = node.functions.iter_mut().find(|f| f.address == address);
    found.expect("it is there")
}

fn moved(address: PciAddress) -> PciAddress {
    PciAddress {
        bus: address.bus + 0x40,
        ..address
    }
}

fn elsewhere() -> PciPath {
    PciPath("0000:00:1f.0/00.0".into())
}

/// What happens, which function is named then, and a word of the sentence.
type Row = (
    &'static str,
    fn(&mut HardwareSnapshot) -> Option<PciAddress>,
    &'static str,
);

const ROWS: [Row; 8] = [
    (
        "a port's address is another port's",
        |node| {
            let port = port(node);
            function(node, port).path = elsewhere();
            Some(port)
        },
        "and is now at 0000:00:1f.0/00.0",
    ),
    (
        "a port's path has another address",
        |node| {
            let port = port(node);
            function(node, port).address = moved(port);
            Some(port)
        },
        "and is now 0000:4",
    ),
    (
        "a port is gone",
        |node| {
            let port = port(node);
            node.functions.retain(|f| f.address != port);
            None
        },
        "",
    ),
    (
        "a SoC's address has another path",
        |node| {
            node.socs[0].path = elsewhere();
            Some(node.socs[0].address)
        },
        "at path 0000:00:1f.0/00.0",
    ),
    (
        "a SoC's path has another address",
        |node| {
            let known = node.socs[0].address;
            node.socs[0].address = moved(known);
            Some(known)
        },
        "now 0000:4",
    ),
    (
        "another board is in the slot",
        |node| {
            node.socs[0].serial = Fact::known(MhiSerial("another".into()), "test");
            Some(node.socs[0].address)
        },
        "is serial another",
    ),
    (
        "a board is in another slot",
        |node| {
            let known = node.socs[0].address;
            node.socs[0].address = moved(known);
            node.socs[0].path = elsewhere();
            Some(known)
        },
        "now 0000:4",
    ),
    (
        "a serial cannot be read",
        |node| {
            node.socs[0].serial = Fact::unknown(crd::Unknown::NoPermission, "test");
            None
        },
        "",
    ),
];

#[test]
fn whatever_disagrees_is_told_and_stops_the_node() {
    for (name, happen, says) in ROWS {
        let mut node = configured();
        assert_eq!(renumbered(&node), [], "{name}");
        let expected = happen(&mut node);
        let found = renumbered(&node);
        let functions: Vec<PciAddress> = found.iter().flat_map(|d| d.functions.clone()).collect();
        assert_eq!(functions, Vec::from_iter(expected), "{name}");
        for drift in &found {
            assert_eq!(drift.reason, ReportReason::Renumbered, "{name}");
            assert!(drift.message.contains(says), "{name}: {}", drift.message);
        }
        for declaration in [quickstart(), Declaration::default()] {
            let case = Case::of(declaration, node.clone());
            let blocked = (case.plan.report.iter()).any(|line| {
                line.kind == ReportKind::Blocked && line.reason == ReportReason::Renumbered
            });
            assert_eq!(
                blocked,
                expected.is_some(),
                "{name}: {:#?}",
                case.plan.report
            );
            let steps = case.plan.nodes.iter().flat_map(|node| &node.steps).count();
            assert_eq!(steps == 0, expected.is_some(), "{name}");
            assert_eq!(case.rules(), Vec::<&str>::new(), "{name}");
        }
    }
}

#[test]
fn a_plan_made_before_something_moved_breaks_a_rule_after() {
    for (name, happen, _) in ROWS {
        let mut case = Case::of(quickstart(), configured());
        assert_eq!(case.rules(), Vec::<&str>::new(), "{name}");
        if happen(&mut case.snapshot).is_some() {
            assert!(
                case.rules().contains(&"SP-C14"),
                "{name}: {:?}",
                case.rules()
            );
        }
    }
}

/// A serial is an identity: with two SoCs of one, nothing says which is meant, and nothing is touched.
#[test]
fn two_socs_of_one_serial_stop_the_node() {
    let mut node = configured();
    // Also where the ledger knows neither.
    node.ledger = crd::snapshot::Ledger::default();
    node.socs[1].serial = node.socs[0].serial.clone();
    let found = renumbered(&node);
    let both = vec![node.socs[0].address, node.socs[1].address];
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].functions, both);
    let case = Case::of(quickstart(), node.clone());
    let blocked = (case.plan.report.iter())
        .any(|line| line.kind == ReportKind::Blocked && line.reason == ReportReason::Renumbered);
    let told = |line: &crd::plan::ReportLine| line.message.contains("is shown by 2 SoCs");
    assert!(case.plan.report.iter().any(told), "{:#?}", case.plan.report);
    assert!(blocked, "{:#?}", case.plan.report);
    assert_eq!(
        case.plan.nodes.iter().flat_map(|node| &node.steps).count(),
        0
    );
    assert_eq!(case.rules(), Vec::<&str>::new());
    // The second reader sees it by itself.
    let mut case = Case::of(quickstart(), configured());
    case.snapshot.socs[1].serial = case.snapshot.socs[0].serial.clone();
    assert!(case.rules().contains(&"SP-C14"), "{:?}", case.rules());
    // Serials that could not be read are nobody's.
    for soc in &mut node.socs {
        soc.serial = Fact::unknown(crd::Unknown::NoPermission, "test");
    }
    assert_eq!(renumbered(&node), []);
}

#[test]
fn what_is_gone_is_missing_and_has_not_moved() {
    let mut node = configured();
    let gone = node.socs.remove(0).address;
    assert_eq!(renumbered(&node), []);
    let missing: Vec<_> = (drifted(&node).into_iter())
        .filter(|drift| drift.reason == ReportReason::MemberMissing)
        .collect();
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert_eq!(missing[0].functions, [gone]);
}
