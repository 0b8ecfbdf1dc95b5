//! Builds whose pod's node went: told by name, and built elsewhere where nobody can be in the way.
use std::{sync::Arc, time::Duration};

use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::{
    super::lost::Lost,
    declared::tiny_build,
    hand::{Hand, at},
};

fn readiness(hand: &mut Hand, ready: &str) {
    let node = json!({
        "metadata": { "name": "two" },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] },
    });
    let node = serde_json::from_value(node).unwrap();
    hand.world.nodes.insert("two".to_owned(), Arc::new(node));
}

/// A pod of the build's job on node two; one that leaves does so as Kubernetes has it leave.
fn pod(hand: &mut Hand, name: &str, phase: &str, leaves: bool) {
    let job = hand.job("tiny").clone();
    let mut pod = json!({
        "metadata": {
            "name": name, "namespace": "team", "uid": name,
            "labels": { "batch.kubernetes.io/job-name": job.name_any() },
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true }],
        },
        "spec": { "nodeName": "two", "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": phase },
    });
    if leaves {
        pod["metadata"]["deletionTimestamp"] = json!("2001-01-01T00:05:30Z");
    }
    let pod = serde_json::from_value(pod).unwrap();
    hand.world.pods.insert(at(name), Arc::new(pod));
}

struct Build {
    hand: Hand,
    lost: Lost,
}

impl Build {
    /// A build at work on a node that is ready.
    fn at_work(store: &Value) -> Self {
        let mut hand = Hand::new();
        let mut build = tiny_build();
        build["store"] = store.clone();
        hand.build("tiny", &build);
        hand.turn();
        hand.job_says("tiny", &json!({ "active": 1 }));
        readiness(&mut hand, "True");
        pod(&mut hand, "tiny-a", "Running", false);
        let lost = Lost::default();
        let mut this = Self { hand, lost };
        this.after(0);
        assert_eq!(this.after(600), [""; 0]);
        this
    }

    fn after(&mut self, seconds: u64) -> Vec<String> {
        let Self { hand, lost } = self;
        hand.world.now = hand.world.now.plus(Duration::from_secs(seconds));
        hand.world.lost = lost.look(&hand.world);
        hand.turn()
    }
}

#[test]
fn what_is_pushed_is_built_on_another_node() {
    let mut build =
        Build::at_work(&json!({ "oci": { "repository": "registry.example/programs" } }));
    readiness(&mut build.hand, "Unknown");
    assert_eq!(build.after(1), ["build NodeNotReady"]);
    let words = build.hand.says_of_build("tiny");
    let job = build.hand.job("tiny").name_any();
    let expected = format!(
        "pod tiny-a of Job {job} is on node two, which is not ready: it goes on when the node is back; where that takes minutes, the program is built on another"
    );
    assert_eq!(words, expected);
    pod(&mut build.hand, "tiny-a", "Running", true);
    assert_eq!(build.after(359), [""; 0]);
    let again = ["build Building".to_owned(), format!("delete Job {job}")];
    assert_eq!(build.after(1), again);
    assert!(
        build
            .hand
            .says_of_build("tiny")
            .ends_with("and is given up: the Job is made again for another")
    );
    assert_eq!(build.after(1).last(), Some(&format!("make Job {job}")));
    // What is left of the one before is not the new one's.
    build.hand.job_says("tiny", &json!({ "active": 1 }));
    build.after(1);
    assert_eq!(build.after(600), [""; 0]);
    assert!(
        build
            .hand
            .says_of_build("tiny")
            .contains("waits for its pod")
    );
}

/// Nobody knows whether a builder that is not heard of still writes there.
#[test]
fn what_is_written_to_a_claim_waits_for_a_person() {
    let claim = json!({ "pvc": { "claim": "programs" } });
    let mut build = Build::at_work(&claim);
    readiness(&mut build.hand, "False");
    assert_eq!(build.after(1), ["build NodeNotReady"]);
    assert!(
        build
            .hand
            .says_of_build("tiny")
            .ends_with("it goes on when the node is back")
    );
    pod(&mut build.hand, "tiny-a", "Running", true);
    assert_eq!(build.after(360), ["build stalled NodeNotReady"]);
    let words = build.hand.says_of_build("tiny");
    let job = build.hand.job("tiny").name_any();
    for expected in [
        "on node two, which is not ready, and has not been for minutes",
        &format!("kubectl delete job -n team {job}"),
    ] {
        assert!(words.contains(expected), "{words}");
    }
    // Whoever leads next has not seen it for long.
    build.lost = Lost::default();
    assert_eq!(build.after(1), [""; 0]);
    readiness(&mut build.hand, "True");
    assert_eq!(build.after(1), ["build Building"]);
}

/// A pod that tolerates everything is not taken away, and one that has ended is on no node any more.
#[test]
fn a_pod_that_stays_waits_for_a_person_and_one_that_ended_for_nobody() {
    let mut build =
        Build::at_work(&json!({ "oci": { "repository": "registry.example/programs" } }));
    readiness(&mut build.hand, "Unknown");
    build.after(0);
    assert_eq!(build.after(360), ["build stalled NodeNotReady"]);
    pod(&mut build.hand, "tiny-a", "Failed", false);
    assert_eq!(build.after(1), ["build Building"]);
}
