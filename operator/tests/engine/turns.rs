//! A running model that changes: replicas in turn, a program that does not start, cards below replicas, and no room.
use std::{fs, sync::mpsc::sync_channel, time::Duration};

use crd::{
    id::{Digest, NodeName, ObjectRef, WorkerId},
    kind::{Connectivity, ModelSource, Precision, ProgramShapes, Target, TopologyShape},
    program::ProgramRequest,
    snapshot::WorkerState,
    step::WorkerRequest,
};
use nix::sys::signal::Signal;
use operator::{room::Room, state::StateDir, supervise::Supervisor, toolchain::WorkerBinary};
use serde_json::Value;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

/// A laboratory with two sets of SoCs, and a model with so many replicas and these lines of `rollout`.
fn lab(replicas: u32, rollout: &str) -> Lab {
    let lab = Lab::new();
    // Resets are watched, not waited for.
    lab.speed_up(200);
    edit(&lab, "group.yaml", "count: 1", "count: 2");
    let lines = format!("groupRef: pair\n  replicas: {replicas}\n{rollout}");
    edit(&lab, "model.yaml", "groupRef: pair\n", &lines);
    lab
}

fn edit(lab: &Lab, file: &str, from: &str, to: &str) {
    let path = lab.path("declared").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

fn up(lab: &Lab, replicas: usize) -> Up {
    let up = Up::start(lab, &["up", "-f", "declared", "--interval", "1"]);
    for _ in 0..replicas {
        up.hears("serves on");
    }
    up
}

fn pid(lab: &Lab, id: &str) -> Value {
    let workers = workers(lab);
    let worker = workers.iter().find(|worker| worker["id"] == id).unwrap();
    assert_eq!(worker["state"], "Ready", "{worker}");
    worker["pid"].clone()
}

#[test]
fn an_edit_replaces_the_second_replica_when_the_first_is_ready() {
    let lab = lab(2, "");
    let up = up(&lab, 2);
    edit(&lab, "model.yaml", "slots: 1", "slots: 2");
    up.hears("Rollout of ShardedModel/default/tiny: default/tiny-0, then default/tiny-1; at least 1 of 2 serves meanwhile.");
    up.hears(
        "Disruption: none (not disruptive); worker by what is deferred, which needs no approval.",
    );
    up.hears("replacing worker default/tiny-0");
    up.hears("worker default/tiny-0 serves on");
    up.hears("replacing worker default/tiny-1");
    up.hears("worker default/tiny-1 serves on");
}

#[test]
fn a_program_that_does_not_start_stops_the_rollout_and_another_edit_mends_it() {
    let lab = lab(2, "");
    let up = up(&lab, 2);
    let old = pid(&lab, "default/tiny-1");
    edit(&lab, "model.yaml", "slots: 1", "slots: 7");
    up.hears("replacing worker default/tiny-0");
    up.hears("the rollout of ShardedModel/default/tiny stops: worker default/tiny-0 is not ready (no room for 7 slots); default/tiny-1 goes on as it was");
    up.hears("blocked: ShardedModel/default/tiny (TooFewServing): default/tiny-1 goes on as it was started: 1 of 2 replicas serves, and 1 must (rollout.maxUnavailable: 1)");
    assert_eq!(pid(&lab, "default/tiny-1"), old);
    // Whoever looks on sees it stopped too, whether the new replica is being started again just now or not.
    let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
    assert!(
        plan.stdout.contains("Nothing can run now; 1 goal blocked"),
        "{}",
        plan.stdout
    );
    let troubles = |lab: &Lab| {
        let status = lab.run("state", &["status", "-o", "json"]).expect(0);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        status["troubles"].clone()
    };
    assert_eq!(
        troubles(&lab)[0]["why"],
        "the rollout of ShardedModel/default/tiny stops: worker default/tiny-0 is not ready (no room for 7 slots); default/tiny-1 goes on as it was"
    );
    edit(&lab, "model.yaml", "slots: 7", "slots: 2");
    up.hears("no longer blocked: ShardedModel/default/tiny");
    up.hears("worker default/tiny-0 serves on");
    up.hears("replacing worker default/tiny-1");
    up.hears("worker default/tiny-1 serves on");
    assert_eq!(troubles(&lab), Value::Array(Vec::new()));
}

#[test]
fn what_the_numbers_forbid_is_said_and_nobody_stops() {
    let lab = lab(2, "  rollout: {minAvailable: 2}\n");
    let up = up(&lab, 2);
    let old = ["default/tiny-0", "default/tiny-1"].map(|id| pid(&lab, id));
    edit(&lab, "model.yaml", "slots: 1", "slots: 2");
    up.hears("blocked: ShardedModel/default/tiny (TooFewServing): default/tiny-0, default/tiny-1 go on as they were started: 2 of 2 replicas serve, and 2 must (rollout.minAvailable: 2)");
    up.hears("help: declare room for a surplus replica");
    let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
    assert!(
        plan.stdout
            .contains("x ShardedModel/default/tiny: TooFewServing")
            && plan.stdout.contains("Nothing can run now; 1 goal blocked"),
        "{}",
        plan.stdout
    );
    assert_eq!(
        ["default/tiny-0", "default/tiny-1"].map(|id| pid(&lab, id)),
        old
    );
    edit(
        &lab,
        "model.yaml",
        "{minAvailable: 2}",
        "{minAvailable: 2, allowDowntime: true}",
    );
    up.hears("no longer blocked: ShardedModel/default/tiny");
    up.hears("replacing worker default/tiny-0");
    up.hears("worker default/tiny-0 serves on");
    up.hears("replacing worker default/tiny-1");
    up.hears("worker default/tiny-1 serves on");
}

#[test]
fn a_surplus_replica_serves_on_the_free_set_meanwhile() {
    let lab = lab(1, "  rollout: {minAvailable: 1}\n");
    let up = up(&lab, 1);
    edit(&lab, "model.yaml", "slots: 1", "slots: 2");
    for said in [
        "starting worker default/tiny-surplus",
        "worker default/tiny-surplus serves on",
        "replacing worker default/tiny-0",
        "worker default/tiny-0 serves on",
        "draining worker default/tiny-surplus",
    ] {
        up.hears(said);
    }
}

/// Partitioning of a SoC of each set is lost while `up` does not look.
fn lose_partitioning(lab: &Lab, up: &Up, meanwhile: impl FnOnce()) {
    let snapshot = lab.run("state", &["snapshot", "-o", "json"]).expect(0);
    let snapshot: Value = serde_json::from_str(&snapshot.stdout).unwrap();
    up.signal(Signal::SIGSTOP);
    for worker in snapshot["workers"].as_array().unwrap() {
        let mdp = format!("{}/mdp", worker["socs"][0].as_str().unwrap());
        lab.run("state", &["rack", "set", &mdp, "off"]).expect(0);
    }
    meanwhile();
    up.signal(Signal::SIGCONT);
}

#[test]
fn cards_of_a_model_that_cannot_be_built_any_more_leave_one_serving() {
    let lab = lab(2, "");
    let up = up(&lab, 2);
    let old = pid(&lab, "default/tiny-1");
    lose_partitioning(&lab, &up, || {
        edit(&lab, "model.yaml", "path: tiny", "path: gone");
    });
    // One plan for everything: cards go on without the build that fails.
    up.hears("x P2PGroup/pair on aic-01: TooFewServing");
    up.hears("node.untaint");
    assert_eq!(pid(&lab, "default/tiny-1"), old);
}

#[test]
fn cards_are_reset_under_one_replica_after_the_other() {
    let lab = lab(2, "");
    let up = up(&lab, 2);
    lose_partitioning(&lab, &up, || ());
    for said in [
        "soc.reset",
        "blocked: P2PGroup/pair on aic-01 (TooFewServing): its SoCs would have to be idle, and default/tiny-1 there would stop: 1 of 2 replicas serves, and 1 must (rollout.maxUnavailable: 1)",
        "worker default/tiny-0 serves on",
        "soc.reset",
        "no longer blocked: P2PGroup/pair",
        "worker default/tiny-1 serves on",
    ] {
        up.hears(said);
    }
}

#[test]
fn a_worker_that_is_never_ready_counts_no_more_and_is_told_once() {
    let lab = Lab::new();
    let state = StateDir::new(&lab.path("state"), "lab");
    state.make().unwrap();
    let room = Room {
        title: "nothing".into(),
        nodes: Vec::new(),
        state: state.clone(),
    };
    let binary = WorkerBinary::new(Some(lab.path("bin/shardplane-worker")));
    let mut supervisor = Supervisor::new(binary, state, sync_channel(8));
    let node = NodeName("aic-01".into());
    let mut starts = |slots, limit| {
        let request = request(slots);
        supervisor.start(&request, &node, limit, &room).unwrap();
        let overdue = [supervisor.overdue(), supervisor.overdue()].map(|ids| ids.len());
        let state = supervisor.report()[0].state;
        supervisor.stop(&request.id, 0, &room).unwrap();
        (overdue, state)
    };
    assert_eq!(starts(9, Duration::ZERO), ([1, 0], WorkerState::Failed));
    let later = Duration::from_mins(10);
    assert_eq!(starts(9, later), ([0, 0], WorkerState::Starting));
}

/// A request for a worker of the rack's server that holds nothing.
fn request(slots: u32) -> WorkerRequest {
    let object = ObjectRef {
        kind: "ShardedModel".into(),
        namespace: Some("default".into()),
        name: "tiny".into(),
    };
    WorkerRequest {
        id: WorkerId("default/tiny-0".into()),
        model: object.clone(),
        program: ProgramRequest {
            object,
            source: ModelSource::default(),
            declared_in: String::new(),
            target: Target::CPU,
            precision: Precision::Bf16,
            shapes: ProgramShapes {
                context_length: 64,
                batch: slots,
                prompt_length: None,
            },
            topology: TopologyShape {
                shards: 1,
                cores: None,
                connectivity: Connectivity::ThroughHost,
            },
            accelerator: None,
            model: None,
            key: Some("b3:00".into()),
        },
        group: None,
        socs: Vec::new(),
        context_length: 64,
        slots,
        queue: 0,
        request_seconds: None,
        port: None,
        options: Digest(String::new()),
    }
}
