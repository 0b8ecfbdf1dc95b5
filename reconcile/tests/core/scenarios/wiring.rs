//! Where cards and strangers hang, and what that means for groups.
use crd::{
    Fact,
    declaration::Declaration,
    id::{PciAddress, PciPath, Word},
    kind::{Connectivity, Member, SpreadOver, UntrustedNeighbours},
    plan::ReportReason,
    snapshot::HardwareSnapshot,
    step::Action,
};

use super::{Expected, check, count};
use crate::{
    declare::{automatic, quickstart},
    simulate::plan_of,
    world::Builder,
};

#[test]
fn cards_on_their_own_root_ports_have_no_p2p() {
    let mut builder = Builder::new("lab");
    for _ in 0..8 {
        let root = builder.root();
        builder.soc(root, "PCIe Standard");
    }
    let snapshot = builder.build();
    let mut declaration = quickstart();
    declaration.groups[0].spec = automatic(4, SpreadOver::Switch, None);
    let expected = Expected {
        blocked: vec![ReportReason::NoCommonSwitch],
        clears: Some(0),
        resets: Some(0),
        ..Expected::default()
    };
    check("separate roots", &declaration, &snapshot, &expected);
    declaration.models[0].spec.connectivity = Connectivity::ThroughHost;
    declaration.groups.clear();
    let plan = plan_of(&declaration, &[snapshot]);
    assert_eq!(
        (plan.summary.blocked, plan.summary.deferred),
        (0, 1),
        "{:#?}",
        plan.report
    );
}

#[test]
fn a_stranger_on_the_host_switch_matters_only_to_groups_that_span_it() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    let stranger = builder.device(slots[2], 0x10de, "vfio-pci");
    let snapshot = builder.build();
    let mut declaration = quickstart();
    check(
        "inside cards",
        &declaration,
        &snapshot,
        &Expected {
            clears: Some(8),
            ..Expected::default()
        },
    );
    declaration.groups[0].spec = automatic(8, SpreadOver::Switch, None);
    let refused = Expected {
        blocked: vec![
            ReportReason::UntrustedNeighbour,
            ReportReason::NoFittingGroup,
        ],
        clears: Some(0),
        ..Expected::default()
    };
    check("across cards", &declaration, &snapshot, &refused);
    if let Some(acs) = &mut declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = Some(UntrustedNeighbours::Allow);
    }
    let plan = plan_of(&declaration, &[snapshot]);
    // Four ports inside each card, and the two of the host switch that lead to them.
    assert_eq!(
        count(&plan, |action| matches!(action, Action::ClearAcs { .. })),
        10
    );
    let named = plan.nodes[0]
        .steps
        .iter()
        .filter_map(|step| step.disruption.isolation.as_ref());
    assert_eq!(
        named
            .filter(|change| change.neighbours.contains(&stranger))
            .count(),
        2
    );
}

/// The buses of the SoCs that a plan forms groups of.
fn members(declaration: &Declaration, snapshot: &HardwareSnapshot) -> Vec<Vec<PciAddress>> {
    let plan = plan_of(declaration, std::slice::from_ref(snapshot));
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps
        .filter_map(|step| match &step.action {
            Action::AssignGroup { members, .. } => {
                Some(members.iter().map(|member| member.address).collect())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_set_is_formed_where_nobody_else_loses_isolation() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 2, 0x10b5);
    let first = builder.ultra(slots[0]);
    let second = builder.ultra(slots[1]);
    let mut snapshot = builder.build();
    let mut declaration = quickstart();
    declaration.groups[0].spec = automatic(4, SpreadOver::Card, Some(1));
    assert_eq!(
        members(&declaration, &snapshot),
        std::slice::from_ref(&first)
    );

    let mut beside = snapshot
        .functions
        .iter()
        .find(|f| f.address == first[0])
        .unwrap()
        .clone();
    beside.address.function = 1;
    beside.path = PciPath(format!("{}1", beside.path.0.trim_end_matches('0')));
    beside.driver = Fact::known("vfio-pci".into(), "test");
    beside.vendor = Word(0x10de);
    snapshot.functions.push(beside);
    assert_eq!(members(&declaration, &snapshot), [second]);

    // Whoever lets it happen gets the first one.
    if let Some(acs) = &mut declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = Some(UntrustedNeighbours::Allow);
    }
    assert_eq!(members(&declaration, &snapshot), [first]);
}

#[test]
fn a_set_over_cards_is_looked_for_below_inner_switches_too() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let outer = builder.switch(root, 2, 0x10b5);
    let shared = builder.switch(outer[0], 2, 0x10b5);
    builder.ultra(shared[0]);
    builder.device(shared[1], 0x10de, "vfio-pci");
    let own = builder.switch(outer[1], 2, 0x10b5);
    let mut socs = builder.ultra(own[0]);
    socs.extend(builder.ultra(own[1]));
    let snapshot = builder.build();
    let mut declaration = quickstart();
    declaration.groups[0].spec = automatic(8, SpreadOver::Switch, Some(1));
    declaration.models.clear();
    assert_eq!(members(&declaration, &snapshot), [socs]);
    let free = Expected {
        clears: Some(10),
        ..Expected::default()
    };
    check("below the inner switch", &declaration, &snapshot, &free);
}

/// A card with a SoC too few is named, whether other sets were formed or not; where nothing is wanted of it, nobody is told.
#[test]
fn a_card_that_lacks_a_soc_is_named() {
    let whole = crate::world::two_ultras("lab");
    let gone = whole.socs[0].address;
    let mut short = whole.clone();
    short.socs.retain(|soc| soc.address != gone);
    short.functions.retain(|function| function.address != gone);
    let named = |snapshot: &HardwareSnapshot, size, per, count| {
        let mut declaration = quickstart();
        declaration.models.clear();
        declaration.groups[0].spec = automatic(size, per, count);
        let plan = plan_of(&declaration, std::slice::from_ref(snapshot));
        let lines = plan.report.into_iter();
        let lines = lines.filter(|line| line.message.contains("shows 3 of its 4 SoCs"));
        let lines: Vec<_> = lines.collect();
        for line in &lines {
            assert_eq!(line.reason, ReportReason::NotEnoughSoCs, "{line:?}");
            assert_eq!(line.functions.len(), 3, "{line:?}");
        }
        lines.len()
    };
    for (size, per, count) in [
        (4, SpreadOver::Card, None),
        (4, SpreadOver::Card, Some(2)),
        (8, SpreadOver::Switch, Some(1)),
    ] {
        assert_eq!(
            named(&short, size, per, count),
            1,
            "{size} {per:?} {count:?}"
        );
        assert_eq!(
            named(&whole, size, per, count),
            0,
            "{size} {per:?} {count:?}"
        );
    }
    assert_eq!(named(&short, 4, SpreadOver::Card, Some(1)), 0);
}

/// Below the ports that a set needs, a SoC that is not of it is the machine's own only as long as its own driver has it.
#[test]
fn a_soc_that_is_given_away_is_a_stranger_whoever_has_it() {
    let mut declaration = quickstart();
    declaration.models.clear();
    for (driver, stranger) in [
        ("qaic", false),
        ("vfio-pci", true),
        ("pciback", true),
        ("pci-stub", true),
        ("uio_pci_generic", true),
        ("igb_uio", true),
        ("another", true),
    ] {
        let mut builder = Builder::new("lab");
        let root = builder.root();
        let socs = builder.ultra(root);
        let mut snapshot = builder.build();
        let of_it = |address: PciAddress| Member {
            address: Some(address),
            path: None,
            serial: None,
        };
        let group = &mut declaration.groups[0].spec;
        group.size = 2;
        group.automatic = None;
        group.members = Some(socs[..2].iter().map(|soc| of_it(*soc)).collect());
        for function in &mut snapshot.functions {
            if function.address == socs[2] {
                function.driver = Fact::known(driver.into(), "test");
            }
        }
        let plan = plan_of(&declaration, std::slice::from_ref(&snapshot));
        let blocked = plan
            .report
            .iter()
            .any(|line| line.reason == ReportReason::UntrustedNeighbour);
        assert_eq!(blocked, stranger, "{driver}: {:#?}", plan.report);
    }
}
