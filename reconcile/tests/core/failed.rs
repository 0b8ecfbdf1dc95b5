//! What steps failed on is left alone, said to be, and keeps nothing else from being planned.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::NodeName,
    plan::{Plan, ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::{Action, Step},
};
use proptest::prelude::*;
use reconcile::{
    Concern, FailedStep, FailedSteps, NextTry, NodeInput, Word, check, failed::concerns,
};

use crate::{
    declare::quickstart,
    intent::declaration,
    properties::{config, settle},
    random::{build, world},
    rollout::{declared, nodes as five},
    simulate::{apply, plan_of, plan_without},
    twist::{apply_twist, twist},
    world::two_ultras,
};

fn step() -> FailedStep {
    FailedStep {
        why: "n/acs.clear/0000:00:00.0: it did not hold".into(),
        times: 2,
        next_try: NextTry::At("2026-01-01T00:00:00Z".into(), Word::EditOrBoot),
    }
}

/// Leaves alone what a step is about.
fn leave(failed: &mut FailedSteps, node: &HardwareSnapshot, of: &Step) -> bool {
    let concerns = concerns(of, node);
    if concerns.is_empty() {
        return false;
    }
    let there = failed.entry(node.metadata.name.clone()).or_default();
    there.extend(concerns.into_iter().map(|concern| (concern, step())));
    true
}

fn says(plan: &Plan) -> Vec<&str> {
    let lines = plan.report.iter();
    lines
        .filter(|line| line.reason == ReportReason::StepFailed)
        .inspect(|line| assert_eq!(line.kind, ReportKind::Blocked))
        .map(|line| line.hint.as_str())
        .collect()
}

fn inputs(nodes: &[HardwareSnapshot]) -> Vec<NodeInput> {
    nodes.iter().cloned().map(NodeInput::Read).collect()
}

#[test]
fn each_thing_that_failed_is_left_out_and_the_rest_stays() {
    let declaration = quickstart();
    let nodes = [two_ultras("n1")];
    let whole = plan_of(&declaration, &nodes);
    let all: BTreeSet<String> = ids(&whole);
    let setting = |step: &&Step| matches!(step.action, Action::SetSysctl { .. });
    let sysctl = whole.nodes[0].steps.iter().find(setting).expect("declared");
    let mut failed = FailedSteps::new();
    assert!(leave(&mut failed, &nodes[0], sysctl));
    let plan = plan_without(&declaration, &nodes, &failed);
    assert_eq!(says(&plan).len(), 1);
    assert!(
        says(&plan)[0].starts_with("it failed 2 times and is tried again at 2026-01-01T00:00:00Z"),
        "{:?}",
        says(&plan)
    );
    let mut rest = all.clone();
    rest.remove(&sysctl.id.0);
    assert_eq!(ids(&plan), rest);
    assert!(!plan.complete && plan.applyable);
    // Nothing of a node that is not there, and nothing empty, changes a byte.
    let elsewhere = FailedSteps::from([(
        NodeName("n2".into()),
        failed[&NodeName("n1".into())].clone(),
    )]);
    assert_eq!(plan_without(&declaration, &nodes, &elsewhere), whole);
}

fn ids(plan: &Plan) -> BTreeSet<String> {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps.map(|step| step.id.0.clone()).collect()
}

#[test]
fn of_socs_that_were_asked_together_those_that_fell_short_are_meant() {
    let declaration = quickstart();
    let mut nodes = [two_ultras("n1")];
    let plan = plan_of(&declaration, &nodes);
    let verifies = |step: &&Step| matches!(step.action, Action::VerifyMdp { .. });
    let verify = plan.nodes[0]
        .steps
        .iter()
        .find(verifies)
        .expect("off at first");
    let Action::VerifyMdp { socs, .. } = &verify.action else {
        panic!("found as one");
    };
    assert!(socs.len() > 1);
    assert_eq!(concerns(verify, &nodes[0]).len(), socs.len());
    let broken = socs[0].address;
    for soc in &mut nodes[0].socs {
        soc.mdp = crd::Fact::known(soc.address != broken, "test");
    }
    assert_eq!(
        concerns(verify, &nodes[0]),
        BTreeSet::from([Concern::Soc(broken)])
    );
}

#[test]
fn failed_nodes_end_a_rollout_as_long_as_they_are_left_alone() {
    for (threshold, runs) in [(1, 1), (2, 5)] {
        let declaration = declared(false, Some(threshold), Some(5));
        let nodes = five();
        let setting = Concern::Setting("vm.max_map_count".into());
        let failed =
            FailedSteps::from([(NodeName("n2".into()), BTreeMap::from([(setting, step())]))]);
        let plan = plan_without(&declaration, &nodes, &failed);
        assert_eq!(check(&plan, &declaration, &inputs(&nodes)), []);
        let busy = plan.nodes.iter().filter(|node| !node.steps.is_empty());
        assert_eq!(busy.count(), runs, "{threshold}");
        let waits = "it waits: the rollout stops while steps of n2 wait to be tried again";
        let waiting = plan.report.iter().any(|line| line.message == waits);
        assert_eq!(waiting, runs == 1);
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn what_failed_is_left_alone_and_all_else_converges(
        world in world(),
        first in declaration(),
        between in proptest::collection::vec(twist(), 0..3),
        second in declaration(),
        removed in any::<bool>(),
        picks in proptest::collection::vec(any::<usize>(), 1..4),
    ) {
        let mut nodes = vec![build(&world, "node-a")];
        settle(&first, &mut nodes, false)?;
        for twist in between {
            apply_twist(&mut nodes[0], twist);
        }
        let next = if removed { crd::declaration::Declaration::default() } else { second };
        let mut failed = FailedSteps::new();
        let mut left = 0;
        for pick in picks {
            let plan = plan_without(&next, &nodes, &failed);
            let steps = &plan.nodes[0].steps;
            if steps.is_empty() {
                break;
            }
            left += usize::from(leave(&mut failed, &nodes[0], &steps[pick % steps.len()]));
        }
        let plan = plan_without(&next, &nodes, &failed);
        prop_assert!(left == 0 || !says(&plan).is_empty());
        for round in 0..=3 {
            let plan = plan_without(&next, &nodes, &failed);
            let found = check(&plan, &next, &inputs(&nodes));
            prop_assert!(found.is_empty(), "{found:#?}");
            let alone = failed.values().flat_map(BTreeMap::keys).cloned();
            let alone: BTreeSet<Concern> = alone.collect();
            for step in &plan.nodes[0].steps {
                let touched = concerns(step, &nodes[0]);
                prop_assert!(touched.is_disjoint(&alone), "{} touches {touched:?}", step.id);
            }
            if !plan.applyable {
                break;
            }
            prop_assert!(round < 3, "still to do: {:?}", ids(&plan));
            let wrong = apply(&plan, &mut nodes, false);
            prop_assert!(wrong.is_empty(), "{wrong:?}");
        }
        // Taken in again, they are done like everything else.
        settle(&next, &mut nodes, false)?;
    }
}
