//! Canaries that do not converge: who waits for them, and what goes on all the same.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Fact,
    id::NodeName,
    kind::{HostPolicy, NodeSelector},
    plan::{Plan, ReportKind, ReportReason},
    snapshot::{HardwareSnapshot, SocStatus},
};
use proptest::prelude::*;
use reconcile::{Inputs, NodeInput, Scope, check};

use crate::{
    intent::declaration,
    properties::{config, settle},
    random::{build, world},
    rollout::{declared, nodes},
    simulate::plan_of,
    twist::{Twist, apply_twist, twist},
};

/// The goals that are blocked because a canary has not converged: node, object and sentence.
fn waiting(plan: &Plan) -> Vec<(String, String, String)> {
    let lines = plan.report.iter();
    lines
        .filter(|line| line.reason == ReportReason::CanaryFirst)
        .map(|line| {
            assert_eq!(line.kind, ReportKind::Blocked);
            let object = line.object.as_ref().map(ToString::to_string);
            let node = line.node.as_ref().map(ToString::to_string);
            (
                node.unwrap_or_default(),
                object.unwrap_or_default(),
                line.message.clone(),
            )
        })
        .collect()
}

/// Nodes with steps, in order.
fn runs(plan: &Plan) -> Vec<&str> {
    let nodes = plan.nodes.iter().filter(|node| !node.steps.is_empty());
    nodes.map(|node| node.node.0.as_str()).collect()
}

fn stick(node: &mut HardwareSnapshot) {
    node.socs[0].status = Fact::known(SocStatus::Initializing, "test");
}

#[test]
fn while_a_canary_cannot_converge_nothing_new_begins_elsewhere() {
    let declaration = declared(true, Some(5), Some(5));
    let mut machines = nodes();
    stick(&mut machines[2]);
    let plan = plan_of(&declaration, &machines);
    // The other canary, and what of this one can still be done, go on.
    assert_eq!(runs(&plan), ["n3", "n5"]);
    let waits = waiting(&plan);
    let nodes: BTreeSet<&str> = waits.iter().map(|(node, _, _)| node.as_str()).collect();
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), ["n1", "n2", "n4"]);
    let (_, object, message) = &waits[0];
    assert_eq!(object, "CardPolicy/cards");
    let said = "it waits for a canary of CardPolicy cards, and n3 has not converged: ";
    assert!(
        message.starts_with(said) && message.contains("Initializing"),
        "{message}"
    );
    assert!(!plan.complete);
    // No worker starts on a set that is not made.
    let others = plan.nodes.iter().filter(|node| !node.governance.canary);
    for node in others {
        assert_eq!((node.steps.len(), node.work.len()), (0, 0), "{}", node.node);
    }

    let mut without = declared(false, Some(5), Some(5));
    assert_eq!(runs(&plan_of(&without, &machines)).len(), 5);
    // Another policy's canary is no concern of nodes that it does not select.
    without.policies[0].spec.node_selector = Some(NodeSelector {
        match_labels: BTreeMap::from([("pool".to_owned(), "b".to_owned())]),
    });
    let mut both = declared(true, None, None);
    both.policies
        .extend(without.policies.into_iter().map(|mut policy| {
            policy.object.name = "pool-b".into();
            policy
        }));
    both.policies[0].spec.node_selector = Some(NodeSelector {
        match_labels: BTreeMap::from([("pool".to_owned(), "a".to_owned())]),
    });
    for (machine, pool) in machines.iter_mut().zip(["b", "b", "a", "a", "a"]) {
        machine.metadata.labels.insert("pool".into(), pool.into());
    }
    assert_eq!(runs(&plan_of(&both, &machines)), ["n1", "n2", "n3", "n5"]);
}

#[test]
fn what_was_reached_before_is_repaired_while_a_canary_is_stuck() {
    let mut declaration = declared(true, None, None);
    let mut machines = nodes();
    for _ in 0..2 {
        let plan = plan_of(&declaration, &machines);
        assert_eq!(
            crate::simulate::apply(&plan, &mut machines, false),
            Vec::<String>::new()
        );
    }
    assert_eq!(runs(&plan_of(&declaration, &machines)), Vec::<&str>::new());
    stick(&mut machines[2]);
    apply_twist(&mut machines[0], Twist::Reboot);
    let plan = plan_of(&declaration, &machines);
    assert_eq!((runs(&plan), waiting(&plan).len()), (vec!["n1"], 0));
    assert_eq!(
        check(
            &plan,
            &declaration,
            &machines
                .iter()
                .cloned()
                .map(NodeInput::Read)
                .collect::<Vec<_>>()
        ),
        []
    );
    // A new goal waits, and with it the node.
    declaration.policies[0].spec.host = Some(HostPolicy {
        max_map_count: Some(3_000_000),
        persistence: None,
    });
    let plan = plan_of(&declaration, &machines);
    let nodes: BTreeSet<String> = waiting(&plan)
        .into_iter()
        .map(|(node, _, _)| node)
        .collect();
    assert_eq!(nodes.len(), 3, "{nodes:?}");
}

#[test]
fn a_node_that_cannot_be_looked_at_may_be_the_canary() {
    let declaration = declared(true, None, None);
    let mut machines = nodes();
    machines.remove(4);
    machines.remove(2);
    let unreadable = |labels: Option<&[(&str, &str)]>| NodeInput::Unreadable {
        node: NodeName("n3".into()),
        labels: labels.map(|labels| {
            let own = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            own.collect()
        }),
        why: "its agent is silent".into(),
    };
    let canary: &[(&str, &str)] = &[("stage", "canary")];
    for (labels, count) in [(None, 0), (Some(canary), 0), (Some(&[][..]), 3)] {
        let mut inputs: Vec<NodeInput> = machines.iter().cloned().map(NodeInput::Read).collect();
        inputs.push(unreadable(labels));
        let plan = reconcile::plan(&Inputs {
            declaration: &declaration,
            nodes: &inputs,
            models: &BTreeMap::new(),
            scope: Scope::Cards,
            unbuilt: &BTreeMap::new(),
            sources: reconcile::Sources::Any,
            failed: &BTreeMap::new(),
        });
        assert_eq!(runs(&plan).len(), count, "{labels:?}");
        assert_eq!(check(&plan, &declaration, &inputs), [], "{labels:?}");
        if let Some((_, _, message)) = waiting(&plan).first() {
            assert!(
                message.ends_with("n3 could not be looked at: its agent is silent"),
                "{message}"
            );
        }
    }
}

#[test]
fn the_checker_holds_what_waits_for_a_canary() {
    let declaration = declared(true, None, None);
    let mut machines = nodes();
    let free = plan_of(&declaration, &machines);
    stick(&mut machines[2]);
    let inputs: Vec<NodeInput> = machines.iter().cloned().map(NodeInput::Read).collect();
    let mut mutated = plan_of(&declaration, &machines);
    let broken = |plan: &Plan| {
        let found = check(plan, &declaration, &inputs);
        let waits = |message: &str| message == "the canary n3 has not converged";
        found
            .iter()
            .any(|found| found.rule == "SP-C25" && waits(&found.message))
    };
    assert!(!broken(&mutated));
    mutated.nodes[0] = free.nodes[0].clone();
    assert!(broken(&mutated));
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn plans_with_a_canary_are_safe_and_converge(
        world in world(),
        first in declaration(),
        between in proptest::collection::vec((any::<bool>(), twist()), 0..4),
        second in declaration(),
    ) {
        let mut nodes = vec![build(&world, "node-a"), build(&world, "node-b")];
        let canary = NodeSelector {
            match_labels: BTreeMap::from([("stage".to_owned(), "canary".to_owned())]),
        };
        nodes[1].metadata.labels.clone_from(&canary.match_labels);
        let (mut first, mut second) = (first, second);
        for policy in first.policies.iter_mut().chain(&mut second.policies) {
            policy.spec.rollout.get_or_insert_default().canary = Some(canary.clone());
        }
        settle(&first, &mut nodes, false)?;
        for (on_canary, twist) in between {
            apply_twist(&mut nodes[usize::from(on_canary)], twist);
        }
        settle(&second, &mut nodes, false)?;
        // Whatever waits waits for something that the plan names.
        let plan = plan_of(&second, &nodes);
        let waits = waiting(&plan).iter().any(|(node, _, _)| node == "node-a");
        let stuck = plan.report.iter().any(|line| {
            line.kind == ReportKind::Blocked && line.node.as_ref().is_some_and(|node| node.0 == "node-b")
        });
        prop_assert!(!waits || stuck);
    }
}
