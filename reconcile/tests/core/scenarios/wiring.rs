//! Where cards and strangers hang, and what that means for groups.
use crd::{
    kind::{Connectivity, SpreadOver, UntrustedNeighbours},
    plan::ReportReason,
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
