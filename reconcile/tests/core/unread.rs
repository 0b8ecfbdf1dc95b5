//! What could not be read of the bus is not gone: nothing is dissolved, put back or forgotten for it.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    id::PciAddress,
    kind::{Member, SpreadOver},
    plan::{Plan, ReportLine, ReportReason},
    snapshot::{HardwareSnapshot, Unread},
    step::Action,
};

use crate::{
    cases::Case,
    declare::{automatic, persistent, quickstart},
    proofs::proven,
    simulate::plan_of,
    world::{Builder, two_ultras},
};

/// The node without these functions, which are gone, or could not be read for this path.
fn without(gone: impl Fn(PciAddress) -> bool, unread: Option<&str>) -> HardwareSnapshot {
    let mut node = proven();
    node.functions.retain(|function| !gone(function.address));
    node.socs.retain(|soc| !gone(soc.address));
    node.unread.extend(unread.map(|path| Unread {
        path: path.into(),
        why: Unknown::ReadFailed,
    }));
    node
}

fn steps(plan: &Plan) -> Vec<String> {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps.map(|step| step.id.0.clone()).collect()
}

#[test]
fn a_function_that_cannot_be_read_dissolves_nothing() {
    let declared = Case::fresh().declaration;
    let nothing = Declaration::default();
    let node = proven();
    assert_eq!(
        steps(&plan_of(&declared, std::slice::from_ref(&node))),
        Vec::<String>::new()
    );
    let mut differs = 0;
    for function in &node.functions {
        let at = function.address;
        let path = format!("/sys/bus/pci/devices/{at}/class");
        for declaration in [&declared, &nothing] {
            let plan = plan_of(declaration, &[without(|other| other == at, Some(&path))]);
            let moved: Vec<String> = (steps(&plan).into_iter())
                .filter(|step| {
                    !step.contains("/sysctl.")
                        && !step.contains("/driver.")
                        && !step.contains("/file.")
                })
                .collect();
            assert_eq!(moved, Vec::<String>::new(), "{at}: {:#?}", plan.report);
            assert!(
                plan.report
                    .iter()
                    .any(|line| line.reason == ReportReason::Unread),
                "{at}: {:#?}",
                plan.report
            );
        }
        let gone = plan_of(&declared, &[without(|other| other == at, None)]);
        differs += usize::from(!steps(&gone).is_empty());
    }
    assert!(
        differs > 0,
        "what is gone is dealt with, or this proves nothing"
    );
}

#[test]
fn nobody_beside_who_cannot_be_read_loses_isolation() {
    let declared = Case::fresh().declaration;
    let ports = |node: HardwareSnapshot| {
        let plan = plan_of(&declared, &[node]);
        let ports = steps(&plan)
            .into_iter()
            .filter(|step| step.contains("/acs.clear/"));
        (ports.collect::<Vec<_>>(), plan)
    };
    let fresh = two_ultras("lab");
    let (all, _) = ports(fresh.clone());
    for soc in &fresh.socs {
        let mut node = fresh.clone();
        let beside = PciAddress {
            function: 1,
            ..soc.address
        };
        node.unread.push(Unread {
            path: format!("/sys/bus/pci/devices/{beside}/vendor"),
            why: Unknown::Malformed,
        });
        let (some, plan) = ports(node);
        // The other card is another switch.
        assert_eq!(some.len() * 2, all.len(), "{beside}: {:#?}", plan.report);
        let told = |line: &ReportLine| line.message.contains("who would lose isolation");
        assert!(plan.report.iter().any(told), "{:#?}", plan.report);
    }
}

#[test]
fn a_bus_that_cannot_be_read_is_not_empty() {
    for declaration in [Case::fresh().declaration, Declaration::default()] {
        for unread in [Some("/sys/bus/pci/devices"), None] {
            let node = without(|_| true, unread);
            let plan = plan_of(&declaration, std::slice::from_ref(&node));
            let touched = |step: &String| {
                ["/ledger.", "/group.", "/acs.", "/mdp."]
                    .iter()
                    .any(|kind| step.contains(kind))
            };
            assert!(!steps(&plan).iter().any(touched), "{:?}", steps(&plan));
            assert!(plan.summary.blocked > 0, "{:#?}", plan.report);
        }
    }
}

#[test]
fn what_could_not_be_read_elsewhere_keeps_nothing() {
    let nothing = Declaration::default();
    let plain = steps(&plan_of(&nothing, &[proven()]));
    assert!(plain.iter().any(|step| step.contains("/acs.")), "{plain:?}");
    for elsewhere in ["/sys/bus/pci/devices/00ff:01:00.0/class", "/proc/700/fd"] {
        let node = without(|_| false, Some(elsewhere));
        assert_eq!(steps(&plan_of(&nothing, &[node])), plain, "{elsewhere}");
    }
}

/// Who cannot be told apart from a device that was given to a virtual machine is treated as one.
#[test]
fn a_neighbour_whose_driver_cannot_be_read_is_a_stranger() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 1, 0x10b5);
    builder.ultra(slots[0]);
    let mut node = builder.build();
    let mut declared = quickstart();
    declared.groups[0].spec = automatic(2, SpreadOver::Card, Some(1));
    let plan = plan_of(&declared, &[node.clone()]);
    let clears = |plan: &Plan| {
        steps(plan)
            .iter()
            .filter(|s| s.contains("/acs.clear/"))
            .count()
    };
    assert_eq!(clears(&plan), 2, "{:#?}", plan.report);
    let members: Vec<PciAddress> = (plan.nodes[0].steps.iter())
        .filter_map(|step| match &step.action {
            Action::Reset { socs, .. } => Some(socs.iter().map(|soc| soc.address)),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(members.len(), 2);
    for function in &mut node.functions {
        if node.socs.iter().any(|soc| soc.address == function.address)
            && !members.contains(&function.address)
        {
            function.driver = Fact::unknown(Unknown::ReadFailed, "test");
        }
    }
    let plan = plan_of(&declared, &[node]);
    assert_eq!(clears(&plan), 0, "{:#?}", plan.report);
    let told = |line: &ReportLine| {
        line.reason == ReportReason::UntrustedNeighbour
            && line.message.contains("its driver could not be read")
    };
    assert!(plan.report.iter().any(told), "{:#?}", plan.report);
}

/// A bridge that could not be read hides what is common: that is not known, and nothing says that there is none.
#[test]
fn what_hangs_below_an_unread_bridge_is_not_apart_for_that() {
    let fresh = two_ultras("lab");
    let soc = fresh.socs[0].address;
    let bridge = |address| {
        let mut functions = fresh.functions.iter();
        functions
            .find(|f| f.address == address)
            .and_then(|f| f.parent)
    };
    let port = bridge(soc).expect("a port");
    let upstream = bridge(port).expect("a switch");
    let named: Vec<Member> = (fresh.socs[..4].iter())
        .map(|soc| Member {
            address: Some(soc.address),
            path: None,
            serial: None,
        })
        .collect();
    let mut explicit = quickstart();
    explicit.models.clear();
    explicit.groups[0].spec.automatic = None;
    explicit.groups[0].spec.members = Some(named);
    let mut by_card = quickstart();
    by_card.models.clear();
    by_card.groups[0].spec = automatic(4, SpreadOver::Card, Some(2));
    let mut by_switch = by_card.clone();
    by_switch.groups[0].spec = automatic(8, SpreadOver::Switch, Some(1));
    for missing in [port, upstream] {
        let mut node = fresh.clone();
        node.functions
            .retain(|function| function.address != missing);
        node.unread.push(Unread {
            path: format!("/sys/bus/pci/devices/{missing}/vendor"),
            why: Unknown::ReadFailed,
        });
        for declaration in [&explicit, &by_card, &by_switch] {
            let plan = plan_of(declaration, std::slice::from_ref(&node));
            assert!(
                plan.report
                    .iter()
                    .all(|line| line.reason != ReportReason::NoCommonSwitch),
                "{:#?}",
                plan.report
            );
            let says = format!("the bridge {missing} above");
            assert!(
                plan.report
                    .iter()
                    .any(|line| line.reason == ReportReason::Unread
                        && line.message.contains(&says)
                        && line.message.contains("known")),
                "{:#?}",
                plan.report
            );
        }
    }
}

/// Who was reset and is nowhere to be seen is gone, but for what could not be read of its domain.
#[test]
fn only_what_was_looked_for_is_gone() {
    let node = proven();
    let soc = reconcile::topology::identity(&node.socs[0]);
    let at = soc.address;
    let gone = |node: &HardwareSnapshot| -> Vec<PciAddress> {
        let noted = reconcile::lost::noted(&node.ledger, std::slice::from_ref(&soc), node);
        noted.lost.iter().map(|lost| lost.soc.address).collect()
    };
    assert_eq!(gone(&node), []);
    assert_eq!(gone(&without(|other| other == at, None)), [at]);
    for unread in [
        "/sys/bus/pci/devices".to_owned(),
        format!("/sys/bus/pci/devices/{at}"),
    ] {
        let node = without(|other| other == at, Some(&unread));
        assert_eq!(gone(&node), [], "{unread}");
    }
    assert_eq!(gone(&without(|_| true, None)), []);
    // Another machine's part of it says nothing.
    let elsewhere = Some("/sys/bus/pci/devices/0007:01:00.0");
    let node = without(|other| other == at, elsewhere);
    assert_eq!(gone(&node), [at]);
}

/// What failed after it was begun is remembered as written, but where what stood before is seen.
#[test]
fn a_step_that_was_begun_is_remembered_unless_all_is_as_before() {
    let mut declared = quickstart();
    declared.policies[0].spec = persistent();
    let case = Case::of(declared, two_ultras("lab"));
    let (plan, node) = (case.plan, case.snapshot);
    let steps: Vec<_> = (plan.nodes[0].steps.iter())
        .filter(|step| {
            step.action.ledger_target().is_some()
                && !matches!(step.action, Action::AssignEntry { .. })
        })
        .collect();
    assert!(steps.len() > 3, "{}", steps.len());
    for step in steps {
        let begun = |node: &HardwareSnapshot| {
            let ledger = reconcile::ledger::begun(&node.ledger, step, node);
            ledger != node.ledger
        };
        let asked = matches!(step.action, Action::RequestMdp { .. });
        assert_eq!(begun(&node), asked, "{}", step.id);
        let mut lost = node.clone();
        for function in &mut lost.functions {
            function.acs = Fact::unknown(Unknown::ReadFailed, "config");
        }
        let settings = &mut lost.settings;
        for fact in settings
            .driver
            .values_mut()
            .chain(settings.sysctl.values_mut())
        {
            *fact = Fact::unknown(Unknown::ReadFailed, "setting");
        }
        for kept in settings.kept.values_mut() {
            *kept = Fact::unknown(Unknown::ReadFailed, "file");
        }
        assert!(begun(&lost), "{}", step.id);
    }
}
