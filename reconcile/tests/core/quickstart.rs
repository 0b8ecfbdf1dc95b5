//! The quickstart's path: two Ultra cards below one switch, one group a card, one model.
use crd::{declaration::Declaration, plan::Plan, snapshot::HardwareSnapshot};

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

fn verbs(plan: &Plan) -> Vec<String> {
    let name = |id: &str| id.split('/').nth(1).unwrap_or_default().to_owned();
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps.map(|step| name(&step.id.0)).collect()
}

fn words(snapshot: &HardwareSnapshot) -> Vec<Option<u16>> {
    let ports = snapshot.functions.iter().map(|f| f.address);
    ports
        .map(|port| crate::world::word(snapshot, port))
        .collect()
}

#[test]
fn it_is_planned_applied_and_undone() {
    let declaration = quickstart();
    let mut nodes = vec![two_ultras("lab")];
    let before = words(&nodes[0]);
    let plan = plan_of(&declaration, &nodes);
    assert!(plan.applyable && plan.complete, "{:?}", plan.report);
    let card = [
        "group.assign",
        "node.taint",
        "socs.drain",
        "acs.clear",
        "acs.clear",
        "acs.clear",
        "acs.clear",
    ];
    assert_eq!(verbs(&plan)[..7], card);
    assert_eq!(plan.summary.resets, 8);
    assert_eq!(plan.summary.change, 8 + 8 + 2);
    assert_eq!(
        (
            plan.summary.builds,
            plan.summary.deferred,
            plan.summary.blocked
        ),
        (1, 1, 0)
    );

    assert_eq!(apply(&plan, &mut nodes, true), Vec::<String>::new());
    let again = plan_of(&declaration, &nodes);
    assert!(!again.applyable, "{:#?}", again.nodes[0].steps);
    assert!(again.nodes[0].work.is_empty(), "{:#?}", again.nodes[0].work);

    let removal = plan_of(&Declaration::default(), &nodes);
    assert_eq!(apply(&removal, &mut nodes, true), Vec::<String>::new());
    assert_eq!(words(&nodes[0]), before);
    assert_eq!(
        nodes[0].settings.sysctl["vm.max_map_count"].get(),
        Some(&65530)
    );
    let trace = crd::snapshot::Ledger {
        qmonitor_started: nodes[0].boot_id.get().cloned(),
        ..crd::snapshot::Ledger::default()
    };
    assert_eq!(nodes[0].ledger, trace, "nothing but the monitor is left");
    let nothing = plan_of(&Declaration::default(), &nodes);
    assert!(!nothing.applyable, "{:#?}", nothing.nodes[0].steps);
}
