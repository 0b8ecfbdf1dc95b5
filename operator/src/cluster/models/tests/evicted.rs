//! Pods that their nodes end one after another: none is started again, and what serves between two ends is not well for that.
use std::{sync::Arc, time::Duration};

use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::{Value, json};

use super::{
    super::evicted::Evicted,
    declared::{tiny_build, with},
    hand::{Hand, at},
};

/// As a kubelet says it.
const WHY: &str = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ";

struct Cluster {
    hand: Hand,
    evicted: Evicted,
}

impl Cluster {
    /// The tiny model, built and served by one replica.
    fn served() -> Self {
        let mut hand = Hand::served();
        hand.model("tiny", &with(|model| model["replicas"] = json!(1)));
        hand.turn();
        hand.pods_are("tiny", 1, 1);
        assert_eq!(hand.turn(), ["model ready AsDeclared"]);
        Self {
            hand,
            evicted: Evicted::default(),
        }
    }

    fn after(&mut self, seconds: u64) -> Vec<String> {
        let Self { hand, evicted } = self;
        hand.world.now = hand.world.now.plus(Duration::from_secs(seconds));
        hand.world.evicted = evicted.look(&hand.world);
        hand.turn()
    }

    /// A pod with these labels, made now: ended by its node, or at work where there is no reason.
    fn pod(&mut self, name: &str, labels: &Value, reason: &str) {
        let now = self.hand.world.now.to_string();
        let mut pod = json!({
            "metadata": { "name": name, "namespace": "team", "uid": name, "labels": labels, "creationTimestamp": now },
            "status": { "phase": "Running", "conditions": [] },
        });
        if !reason.is_empty() {
            let told = json!([
                { "type": "Ready", "status": "False", "lastTransitionTime": now },
                { "type": "PodScheduled", "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z" },
            ]);
            pod["status"] =
                json!({ "phase": "Failed", "reason": reason, "message": WHY, "conditions": told });
        }
        let pod = serde_json::from_value(pod).unwrap();
        self.hand.world.pods.insert(at(name), Arc::new(pod));
    }

    fn evicts(&mut self, name: &str, revision: &str) {
        let labels = json!({ "shardplane.dev/model": "tiny", "pod-template-hash": revision });
        self.pod(name, &labels, "Evicted");
    }
}

#[test]
fn a_model_whose_pods_are_evicted_again_and_again_says_so_though_it_serves() {
    let mut cluster = Cluster::served();
    // Once or twice it is the node's matter; where it is waited for it is said.
    cluster.evicts("tiny-a", "1");
    cluster.evicts("tiny-b", "1");
    assert_eq!(cluster.after(1), [""; 0]);
    cluster.hand.pods_are("tiny", 1, 0);
    assert_eq!(cluster.after(1), ["model Starting"]);
    let ended = "a node ended a pod (Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Mi)";
    let words = cluster.hand.says("tiny");
    assert!(words.contains(ended), "{words}");
    cluster.hand.pods_are("tiny", 1, 1);
    assert_eq!(cluster.after(1), ["model ready AsDeclared"]);
    cluster.evicts("tiny-c", "1");
    assert_eq!(cluster.after(1), ["model stalled Evicted"]);
    let words = cluster.hand.says("tiny");
    let expected = "1 of 1 replicas serve, and nodes end its pods again and again (Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Mi): see to `spec.pod.resources`, a LimitRange of the namespace, or the node";
    assert_eq!(words, expected);
    assert_eq!(cluster.after(60), [""; 0]);
    // Whoever leads next knows by the pods' own word when that was.
    cluster.evicted = Evicted::default();
    assert_eq!(cluster.after(0), [""; 0]);
    assert_eq!(cluster.after(14 * 60), ["model ready AsDeclared"]);
    cluster.evicted = Evicted::default();
    assert_eq!(cluster.after(0), [""; 0]);
    // Of two replicas twice as many may end at once.
    for name in ["d", "e", "f", "g"] {
        cluster.evicts(name, "1");
    }
    cluster
        .hand
        .model("tiny", &with(|model| model["replicas"] = json!(2)));
    cluster.after(0);
    cluster.hand.pods_are("tiny", 2, 2);
    assert_eq!(cluster.after(1), ["model ready AsDeclared"]);
    cluster.evicts("h", "1");
    assert_eq!(cluster.after(1), ["model stalled Evicted"]);
}

#[test]
fn what_is_over_is_not_said() {
    // A revision with more room, and the node's ends of the one before.
    let mut cluster = Cluster::served();
    for name in ["a", "b", "c"] {
        cluster.evicts(name, "1");
    }
    assert_eq!(cluster.after(1), ["model stalled Evicted"]);
    let labels = json!({ "shardplane.dev/model": "tiny", "pod-template-hash": "2" });
    cluster.pod("d", &labels, "");
    assert_eq!(cluster.after(1), ["model ready AsDeclared"]);
    // Containers that ended by themselves, and pods of others.
    let mut cluster = Cluster::served();
    for name in ["a", "b", "c"] {
        cluster.evicts(name, "1");
        let pod = cluster.hand.world.pods.get_mut(&at(name)).unwrap();
        let status = Arc::make_mut(pod).status.as_mut().unwrap();
        status.reason = None;
    }
    for name in ["d", "e", "f"] {
        cluster.pod(name, &json!({ "shardplane.dev/model": "other" }), "Evicted");
    }
    assert_eq!(cluster.after(1), [""; 0]);
}

/// An eviction is no failure of a job, which makes one pod after the other for a day.
#[test]
fn a_build_whose_pods_are_evicted_again_and_again_says_so() {
    let mut hand = Hand::new();
    hand.world.now = Timestamp(0);
    hand.build("tiny", &tiny_build());
    hand.turn();
    hand.job_ends("tiny", "");
    hand.turn();
    let mut cluster = Cluster {
        hand,
        evicted: Evicted::default(),
    };
    let job = cluster.hand.job("tiny").clone();
    let labels = json!({ "batch.kubernetes.io/job-name": job.name_any() });
    for (name, expected) in [("a", ""), ("b", ""), ("c", "build stalled Evicted")] {
        cluster.pod(name, &labels, "Evicted");
        let pod = cluster.hand.world.pods.get_mut(&at(name)).unwrap();
        let owner = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true }]);
        Arc::make_mut(pod).metadata.owner_references = serde_json::from_value(owner).unwrap();
        assert_eq!(cluster.after(1).concat(), expected);
    }
    let words = cluster.hand.says_of_build("tiny");
    assert!(words.contains("end pods of Job tiny-"), "{words}");
    assert_eq!(cluster.after(15 * 60), ["build Building"]);
}
