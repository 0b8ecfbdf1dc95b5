//! Several nodes: which goes first, and where a rollout stops.
use std::collections::BTreeMap;

use crd::{
    declaration::Declaration,
    id::NodeName,
    kind::{NodeSelector, Rollout},
    plan::Plan,
    snapshot::HardwareSnapshot,
};
use reconcile::{
    NodeInput, check,
    rollout::{Next, Progress, next},
};

use crate::{declare::quickstart, simulate::plan_of, world::two_ultras};

/// Five nodes of which `n3` and `n5` are labelled as canaries.
pub fn nodes() -> Vec<HardwareSnapshot> {
    ["n1", "n2", "n3", "n4", "n5"]
        .map(|name| {
            let mut node = two_ultras(name);
            if ["n3", "n5"].contains(&name) {
                node.metadata.labels.insert("stage".into(), "canary".into());
            }
            node
        })
        .to_vec()
}

pub fn declared(canary: bool, threshold: Option<u32>, at_once: Option<u32>) -> Declaration {
    let mut declaration = quickstart();
    let stage = BTreeMap::from([("stage".to_owned(), "canary".to_owned())]);
    declaration.policies[0].spec.rollout = Some(Rollout {
        canary: canary.then_some(NodeSelector {
            match_labels: stage,
        }),
        failure_threshold: threshold,
        max_unavailable_nodes: at_once,
        ..Rollout::default()
    });
    declaration
}

fn rules(plan: &Plan, declaration: &Declaration) -> Vec<&'static str> {
    let inputs: Vec<NodeInput> = nodes().into_iter().map(NodeInput::Read).collect();
    let violations = check(plan, declaration, &inputs);
    violations.into_iter().map(|found| found.rule).collect()
}

/// What comes next, in short: the nodes that may begin, or why it stops.
fn after(plan: &Plan, begun: &[(&str, Progress)]) -> String {
    after_and_waiting(plan, begun, &[])
}

/// The same where some nodes wait for leave.
fn after_and_waiting(plan: &Plan, begun: &[(&str, Progress)], waits: &[&str]) -> String {
    let waits = waits.iter().map(|name| NodeName((*name).into())).collect();
    let begun = begun
        .iter()
        .map(|(name, progress)| (NodeName((*name).into()), *progress))
        .collect();
    match next(plan, &begun, &waits) {
        Next::Begin(nodes) => nodes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        Next::Stop { why } => why,
        Next::Done => "done".into(),
    }
}

#[test]
fn a_node_without_leave_holds_nobody_unless_it_is_a_canary() {
    use Progress::Converged;
    let plan = plan_of(&declared(true, None, None), &nodes());
    let canaries = [("n3", Converged), ("n5", Converged)];
    for (begun, waits, want) in [
        (&[][..], &["n1", "n2"][..], "n3"),
        (&[], &["n3"], "n5"),
        (&[("n5", Converged)], &["n3"], "done"),
        (&canaries, &["n1"], "n2"),
        (&canaries, &["n1", "n2", "n4"], "done"),
    ] {
        assert_eq!(
            after_and_waiting(&plan, begun, waits),
            want,
            "{begun:?} {waits:?}"
        );
    }
}

#[test]
fn canaries_go_first_and_a_node_with_nothing_to_do_is_not_in_the_order() {
    let declaration = declared(true, None, None);
    let mut machines = nodes();
    let plan = plan_of(&declaration, &machines);
    let order: Vec<String> = plan.order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["n3", "n5", "n1", "n2", "n4"]);
    assert_eq!(rules(&plan, &declaration), Vec::<&str>::new());
    let wrong = crate::simulate::apply(&plan, &mut machines[2..3], false);
    assert_eq!(wrong, Vec::<String>::new());
    let later = plan_of(&declaration, &machines);
    assert_eq!(later.order.first(), Some(&NodeName("n5".into())));
    assert_eq!(later.order.len(), 4);
}

#[test]
fn the_checker_holds_the_order_and_the_limits() {
    let declaration = declared(true, Some(2), Some(3));
    let plan = plan_of(&declaration, &nodes());
    let mutations: [fn(&mut Plan); 5] = [
        |plan| plan.order.swap(1, 2),
        |plan| drop(plan.order.pop()),
        |plan| plan.order.push(NodeName("n3".into())),
        |plan| plan.nodes[2].governance.canary = false,
        |plan| plan.nodes[0].governance.failure_threshold = 3,
    ];
    for (at, mutate) in mutations.iter().enumerate() {
        let mut mutated = plan.clone();
        mutate(&mut mutated);
        assert!(
            rules(&mutated, &declaration).contains(&"SP-C25"),
            "mutation {at}"
        );
    }
}

#[test]
fn what_may_begin_follows_from_what_was_begun() {
    use Progress::{Converged, Failed, Working};
    let one = plan_of(&declared(true, None, None), &nodes());
    let two = plan_of(&declared(false, Some(2), Some(3)), &nodes());
    let both = plan_of(&declared(true, Some(2), Some(3)), &nodes());
    let canaries = [("n3", Converged), ("n5", Converged)];
    for (plan, begun, expected) in [
        (&one, &[][..], "n3"),
        (&one, &[("n3", Working)], ""),
        (&one, &[("n3", Converged)], "n5"),
        (&one, &canaries, "n1"),
        (
            &one,
            &[("n3", Failed)],
            "n3 is a canary, so n5, n1, n2 and 1 more were not begun",
        ),
        (
            &one,
            &[("n3", Converged), ("n5", Converged), ("n1", Failed)],
            "the rollout stops at the first failed node, so n2 and n4 were not begun",
        ),
        (&two, &[], "n1 n2 n3"),
        (&two, &[("n1", Working), ("n2", Converged)], "n3 n4"),
        (&two, &[("n1", Failed)], "n2 n3 n4"),
        (
            &two,
            &[
                ("n1", Failed),
                ("n2", Failed),
                ("n3", Converged),
                ("n4", Working),
            ],
            "the rollout stops at 2 failed nodes, so n5 was not begun",
        ),
        (
            &two,
            &[
                ("n1", Failed),
                ("n2", Failed),
                ("n3", Failed),
                ("n4", Failed),
                ("n5", Failed),
            ],
            "done",
        ),
        // Others wait for both canaries, though three may be worked on at once.
        (&both, &[], "n3 n5"),
        (&both, &[("n3", Converged), ("n5", Working)], ""),
        // A canary's failure counts more than any threshold.
        (
            &both,
            &[("n3", Converged), ("n5", Failed)],
            "n5 is a canary, so n1, n2 and n4 were not begun",
        ),
    ] {
        assert_eq!(after(plan, begun), expected, "{begun:?}");
    }
}

#[test]
fn the_strictest_policy_counts_and_none_allows_one() {
    let mut declaration = declared(false, Some(5), Some(5));
    let mut other = declaration.policies[0].clone();
    other.object.name = "other".into();
    other.spec.rollout = None;
    declaration.policies.push(other);
    for declaration in [declaration, Declaration::default()] {
        for node in plan_of(&declaration, &nodes()).nodes {
            let governance = node.governance;
            let limits = (
                governance.failure_threshold,
                governance.max_unavailable_nodes,
            );
            assert_eq!((governance.canary, limits), (false, (1, 1)));
        }
    }
}

/// Batches are of one policy's nodes that are no canaries, and the last has whoever is left.
#[test]
fn batches_come_one_after_another() {
    use Progress::{Converged, Failed, Working};
    let plan = |canary, sizes: &[u32]| {
        let mut declaration = declared(canary, Some(2), Some(5));
        let rollout = declaration.policies[0].spec.rollout.as_mut().unwrap();
        rollout.batches = sizes.to_vec();
        plan_of(&declaration, &nodes())
    };
    let ones = plan(false, &[1, 2]);
    for (begun, expected) in [
        (&[][..], "n1"),
        (&[("n1", Working)][..], ""),
        (&[("n1", Converged)], "n2 n3"),
        (&[("n1", Failed)], "n2 n3"),
        (&[("n1", Converged), ("n2", Working)], "n3"),
        (&[("n1", Converged), ("n2", Converged)], "n3"),
        (&[("n1", Converged), ("n2", Converged), ("n3", Working)], ""),
        (
            &[("n1", Converged), ("n2", Converged), ("n3", Failed)],
            "n4 n5",
        ),
        (
            &[("n1", Failed), ("n2", Working), ("n3", Failed)],
            "the rollout stops at 2 failed nodes, so n4 and n5 were not begun",
        ),
    ] {
        assert_eq!(after(&ones, begun), expected, "{begun:?}");
    }
    let canaries = plan(true, &[2]);
    for (begun, expected) in [
        (&[][..], "n3 n5"),
        (&[("n3", Converged), ("n5", Converged)][..], "n1 n2"),
        (
            &[
                ("n3", Converged),
                ("n5", Converged),
                ("n1", Converged),
                ("n2", Converged),
            ],
            "n4",
        ),
    ] {
        assert_eq!(after(&canaries, begun), expected, "{begun:?}");
    }
}
