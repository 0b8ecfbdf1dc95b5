//! Edits of a model that serves: what has no place any more stays where it runs, and what is the same runs on.
use crd::{
    declaration::Declaration,
    id::Digest,
    kind::{
        Connectivity, DeletionPolicy, DeletionRule, Member, ModelBuildSpec, ModelSource, Precision,
        ProgramShapes, Serving, Target,
    },
    kind::{SpreadOver, TopologyShape},
    plan::ReportReason,
    step::Action,
};

use crate::{
    declare::{automatic, model, object},
    properties::settle,
    turns::{batches, checked, declared, running},
    world::two_ultras,
};

/// Of whomever builds it, it is the same program.
fn whose_model_is_known(replicas: u32) -> Declaration {
    let mut declaration = declared(replicas, (None, None, None));
    let model = declaration.models[0].spec.model.as_mut().unwrap();
    model.digest = Some(Digest(format!("b3:{}", "a".repeat(64))));
    declaration
}

/// Of these replicas, what is planned and what is in the way after an edit.
fn after(
    replicas: u32,
    edit: impl Fn(&mut Declaration),
) -> (Vec<Vec<String>>, Vec<(ReportReason, String)>) {
    let mut declaration = whose_model_is_known(replicas);
    let mut nodes = running(&declaration);
    let before = nodes[0].workers.clone();
    edit(&mut declaration);
    let plan = checked(&declaration, &nodes);
    settle(&declaration, &mut nodes, true).expect("it settles");
    let stays = batches(&plan).is_empty();
    assert_eq!(stays, nodes[0].workers == before);
    let blocked = plan
        .report
        .iter()
        .filter(|line| line.object.as_ref() == Some(&declaration.models[0].object));
    (
        batches(&plan),
        blocked
            .map(|line| (line.reason, line.message.clone()))
            .collect(),
    )
}

#[test]
fn a_replica_without_another_place_stays_on_its_whole_group() {
    type Edit = fn(&mut Declaration);
    let edits: [Edit; 3] = [
        // Its group is to be another one, which cannot be.
        |declaration| {
            let member = |address: &str| Member {
                address: Some(address.parse().unwrap()),
                path: None,
                serial: None,
            };
            let group = &mut declaration.groups[0].spec;
            group.automatic = None;
            group.size = 2;
            group.members = Some(vec![member("0000:99:00.0"), member("0000:9a:00.0")]);
        },
        |declaration| declaration.models[0].spec.shards = 5,
        |declaration| {
            let spec = &mut declaration.models[0].spec;
            spec.shards = 5;
            spec.group_ref = None;
        },
    ];
    for edit in edits {
        let (planned, blocked) = after(2, edit);
        assert_eq!(planned, Vec::<Vec<String>>::new());
        let [(reason, message)] = blocked.as_slice() else {
            panic!("{blocked:?}");
        };
        assert_eq!(*reason, ReportReason::NoFittingGroup);
        assert!(
            message.ends_with("; 2 that run are left as they are"),
            "{message}"
        );
    }
}

#[test]
fn one_that_wants_a_group_and_finds_none_stays_without() {
    let mut declaration = declared(1, (None, None, None));
    declaration.models[0].spec = model(2, Connectivity::ThroughHost);
    let mut nodes = running(&declaration);
    declaration.models[0].spec.connectivity = Connectivity::P2P;
    declaration.groups[0].spec = automatic(32, SpreadOver::Card, None);
    let before = nodes[0].workers.clone();
    settle(&declaration, &mut nodes, true).expect("it settles");
    assert_eq!(nodes[0].workers, before);
}

#[test]
fn whoever_has_a_place_as_declared_comes_before_one_that_remains() {
    let mut declaration = declared(1, (None, None, None));
    let mut nodes = running(&declaration);
    // The first wants more than any group has; another has come that wants the group on which it runs.
    let mut other = object("ShardedModel", "zz", declaration.models[0].spec.clone());
    other
        .object
        .namespace
        .clone_from(&declaration.models[0].object.namespace);
    other.spec.replicas = 2;
    declaration.models.push(other);
    declaration.models[0].spec.shards = 5;
    settle(&declaration, &mut nodes, true).expect("it settles");
    let of = |name: &str| {
        nodes[0]
            .workers
            .iter()
            .filter(|worker| worker.id.0.contains(name))
            .count()
    };
    assert_eq!((of("tiny"), of("zz")), (0, 2));
}

#[test]
fn what_runs_the_same_program_with_the_same_options_is_not_replaced() {
    let inline = |declaration: &Declaration| declaration.models[0].spec.clone();
    let of_build = |declaration: &mut Declaration, name: &str| {
        let spec = inline(declaration);
        let build = ModelBuildSpec {
            source: spec.model.clone().unwrap_or_else(ModelSource::default),
            target: spec.target.unwrap_or(Target::CPU),
            precision: spec.precision.unwrap_or(Precision::F32),
            shapes: ProgramShapes {
                context_length: spec.serving.context_length,
                batch: spec.serving.slots,
                prompt_length: None,
            },
            topology: TopologyShape {
                shards: spec.shards,
                cores: None,
                connectivity: spec.connectivity,
            },
            accelerator: None,
            store: None,
            pod: None,
        };
        let mut build = object("ModelBuild", name, build);
        build
            .object
            .namespace
            .clone_from(&declaration.models[0].object.namespace);
        declaration.builds = vec![build];
        let spec = &mut declaration.models[0].spec;
        (spec.model, spec.target, spec.precision) = (None, None, None);
        spec.build_ref = Some(name.to_owned());
    };
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!(after(1, |declaration| of_build(declaration, "one")).0, none);
    let renamed = {
        let mut declaration = whose_model_is_known(1);
        of_build(&mut declaration, "one");
        let nodes = running(&declaration);
        declaration.builds[0].object.name = "two".into();
        declaration.models[0].spec.build_ref = Some("two".into());
        batches(&checked(&declaration, &nodes))
    };
    assert_eq!(renamed, none);
    let seconds = |seconds| {
        move |declaration: &mut Declaration| {
            declaration.models[0].spec.serving.request_seconds = Some(seconds);
        }
    };
    assert_eq!(after(1, seconds(Serving::REQUEST_SECONDS)).0, none);
    assert_eq!(
        after(1, seconds(Serving::REQUEST_SECONDS + 1)).0,
        [["replace 0"]]
    );
}

#[test]
fn one_that_card_work_stops_is_not_said_to_go_on() {
    let mut declaration = declared(2, (None, None, None));
    let revert = DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    };
    declaration.policies[0].spec.deletion_policy = Some(revert);
    let mut nodes = running(&declaration);
    let group = &mut declaration.groups[0].spec;
    group.automatic.as_mut().unwrap().count = Some(1);
    let plan = checked(&declaration, &nodes);
    let lost = plan
        .report
        .iter()
        .find(|line| line.reason == ReportReason::NoFittingGroup);
    let lost = lost.expect("one has no place");
    let stopped = (plan.nodes.iter().flat_map(|node| &node.steps))
        .any(|step| matches!(step.action, Action::Drain { .. }));
    assert!(stopped);
    assert!(
        !lost.message.contains("left as they are"),
        "{}",
        lost.message
    );
    settle(&declaration, &mut nodes, true).expect("it settles");
    assert_eq!(nodes[0].workers.len(), 1);
}

/// Two groups of one set each on two cards, and a model on each.
fn two(floor: Option<u32>) -> Declaration {
    let mut declaration = declared(1, (floor, None, None));
    let group = &mut declaration.groups[0];
    group.object.name = "g".into();
    group.spec = automatic(4, SpreadOver::Card, Some(1));
    let mut other = group.clone();
    other.object.name = "h".into();
    declaration.groups.push(other);
    let model = &mut declaration.models[0];
    model.spec.group_ref = Some("g".into());
    let mut other = model.clone();
    other.object.name = "zz".into();
    other.spec.rollout = None;
    other.spec.group_ref = Some("h".into());
    declaration.models.push(other);
    declaration
}

fn exchanged(mut declaration: Declaration) -> Declaration {
    declaration.models[0].spec.group_ref = Some("h".into());
    declaration.models[1].spec.group_ref = Some("g".into());
    declaration
}

#[test]
fn nobody_is_started_where_another_stays() {
    for (floor, moves) in [(None, true), (Some(1), false)] {
        let before = two(floor);
        let mut nodes = vec![two_ultras("lab")];
        settle(&before, &mut nodes, true).expect("it settles");
        let ran = nodes[0].workers.clone();
        assert_eq!(ran.len(), 2);
        let after = exchanged(before);
        let plan = checked(&after, &nodes);
        let waits = plan.report.iter().any(|line| {
            line.object.as_ref() == Some(&after.models[1].object)
                && line
                    .message
                    .starts_with("default/zz-0 waits for its SoCs: default/tiny-0 has them")
        });
        assert_eq!(waits, !moves, "{:#?}", plan.report);
        // Of the one with the floor, that is what is told.
        let mut first = plan.report.iter();
        let first = first.find(|line| line.object.as_ref() == Some(&after.models[0].object));
        let reason = first.map(|line| line.reason);
        assert_eq!(
            reason,
            floor.map(|_| ReportReason::TooFewServing),
            "{:#?}",
            plan.report
        );
        settle(&after, &mut nodes, true).expect("it settles");
        assert_eq!(nodes[0].workers.len(), 2);
        assert_eq!(nodes[0].workers == ran, !moves);
    }
}

#[test]
fn a_set_where_nobody_runs_comes_before_one_that_somebody_would_have_to_leave() {
    let mut declaration = declared(1, (None, None, None));
    declaration.groups[0].spec = automatic(4, SpreadOver::Card, None);
    let mut nodes = running(&declaration);
    let ran = nodes[0].workers.clone();
    // The first has no place any more, and another wants any set.
    let mut other = declaration.models[0].clone();
    other.object.name = "zz".into();
    declaration.models.push(other);
    declaration.models[0].spec.shards = 8;
    settle(&declaration, &mut nodes, true).expect("it settles");
    assert_eq!(nodes[0].workers.len(), 2);
    assert!(nodes[0].workers.contains(&ran[0]));
}

#[test]
fn a_set_of_another_size_is_formed_where_nobody_runs() {
    let mut declaration = declared(1, (None, None, None));
    declaration.groups[0].spec = automatic(2, SpreadOver::Card, Some(1));
    declaration.models[0].spec.shards = 2;
    let mut nodes = running(&declaration);
    let ran = nodes[0].workers.clone();
    // Both cards would do, and on one of them the model serves.
    declaration.groups[0].spec.size = 4;
    settle(&declaration, &mut nodes, true).expect("it settles");
    let [record] = nodes[0].ledger.groups.as_slice() else {
        panic!("{:#?}", nodes[0].ledger.groups);
    };
    let left = |soc: &crd::snapshot::SocIdentity| !ran[0].socs.contains(&soc.address);
    assert!(record.members.iter().all(left), "{record:#?}");
    let [worker] = nodes[0].workers.as_slice() else {
        panic!("{:#?}", nodes[0].workers);
    };
    assert_eq!(worker.group.as_ref(), Some(&record.group));
}
