//! Claims that are not there, that no volume is bound to, and that not everybody may mount.
use std::sync::Arc;

use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::{Value, json};

use super::{
    super::claims::Unusable,
    declared::{claim, tiny, tiny_build},
    hand::{Hand, at},
};
use crate::cluster::names::BUILD_LABEL;

const POD_WAITS: &str = "tiny-x";

/// A turn of a controller that has looked since the beginning.
fn after(hand: &mut Hand, unusable: &mut Unusable, seconds: u64) -> Vec<String> {
    hand.world.now = Timestamp(seconds * 1000);
    hand.world.unusable = unusable.look(&hand.world);
    hand.turn()
}

fn there(hand: &mut Hand, name: &str, modes: &[&str]) {
    let (place, claim) = claim(name, modes);
    hand.world.claims.insert(place, claim);
}

/// A claim that waits for a volume, with this class.
fn waits(hand: &mut Hand, name: &str, class: &Value) {
    let claim = json!({
        "metadata": { "name": name, "namespace": "team", "uid": format!("of {name}") },
        "spec": { "accessModes": ["ReadWriteMany"], "storageClassName": class },
        "status": { "phase": "Pending" },
    });
    let claim = serde_json::from_value(claim).unwrap();
    hand.world.claims.insert(at(name), Arc::new(claim));
}

/// A pod of the tiny build, as a scheduler leaves it.
fn pod(hand: &mut Hand, scheduled: &str) {
    let pod = json!({
        "metadata": { "name": POD_WAITS, "namespace": "team", "labels": { BUILD_LABEL: "tiny" } },
        "status": { "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": scheduled }] },
    });
    let pod = serde_json::from_value(pod).unwrap();
    hand.world.pods.insert(at(POD_WAITS), Arc::new(pod));
}

#[test]
fn a_claim_that_is_missing_is_said_and_all_goes_on_when_it_comes() {
    for (missing, other) in [("models", "programs"), ("programs", "models")] {
        let mut hand = Hand::new();
        hand.world.claims.remove(&at(missing));
        hand.model("tiny", &tiny());
        let mut first = Unusable::default();
        after(&mut hand, &mut first, 0);
        // It may be the last of what somebody declares.
        assert_eq!(
            after(&mut hand, &mut first, 1),
            ["model Building", "build Building"]
        );
        after(&mut hand, &mut first, 2);
        assert_eq!(after(&mut hand, &mut first, 30), [""; 0]);
        assert_eq!(
            after(&mut hand, &mut first, 31),
            ["model stalled ClaimMissing", "build stalled ClaimMissing"]
        );
        for told in [hand.says("tiny"), hand.says_of_build("tiny")] {
            let named =
                format!("there is no claim {missing} in namespace team: make it, or name another");
            assert!(told.contains(&named) && !told.contains(other), "{told}");
        }
        assert!(hand.world.jobs.is_empty(), "no pod is made that only waits");
        // Another controller has not waited, and goes on saying it.
        let mut second = Unusable::default();
        assert_eq!(after(&mut hand, &mut second, 32), [""; 0]);

        there(&mut hand, missing, &["ReadWriteMany"]);
        let did = after(&mut hand, &mut second, 33);
        assert!(
            did.iter().any(|write| write.starts_with("make Job")),
            "{did:?}"
        );
        let goes_on = ["model Building", "build Building"];
        assert_eq!(after(&mut hand, &mut second, 34), goes_on);
    }
}

#[test]
fn a_claim_without_a_volume_is_said_where_nobody_makes_one() {
    for (class, still, stalls, words) in [
        (json!(null), 29, 30, "make a PersistentVolume that fits"),
        (json!(""), 29, 30, "has no StorageClass"),
        // Whoever makes them takes a while; and none is made before a pod says where.
        (
            json!("fast"),
            599,
            600,
            "its StorageClass fast has made none",
        ),
    ] {
        let mut hand = Hand::new();
        waits(&mut hand, "programs", &class);
        hand.build("tiny", &tiny_build());
        let mut unusable = Unusable::default();
        after(&mut hand, &mut unusable, 0);
        assert_eq!(hand.world.jobs.len(), 1, "a pod is what some wait for");
        let begin = 10_000;
        after(&mut hand, &mut unusable, begin - 1);
        pod(&mut hand, "False");
        assert_eq!(after(&mut hand, &mut unusable, begin), [""; 0], "{class}");
        assert_eq!(
            after(&mut hand, &mut unusable, begin + still),
            [""; 0],
            "{class}"
        );
        let stalled = ["build stalled ClaimUnbound"];
        assert_eq!(
            after(&mut hand, &mut unusable, begin + stalls),
            stalled,
            "{class}"
        );
        let told = hand.says_of_build("tiny");
        for words in [
            words,
            "claim programs in namespace team is bound to no volume",
            "kubectl describe pvc -n team programs",
        ] {
            assert!(told.contains(words), "{told}");
        }
        let mut other = Unusable::default();
        assert_eq!(
            after(&mut hand, &mut other, begin + 3),
            [""; 0],
            "it stays said"
        );
        there(&mut hand, "programs", &["ReadWriteMany"]);
        assert_eq!(
            after(&mut hand, &mut other, begin + 700),
            ["build Building"]
        );
    }
    // A pod that has its node waits for no volume.
    let mut hand = Hand::new();
    waits(&mut hand, "programs", &json!(""));
    hand.build("tiny", &tiny_build());
    let mut unusable = Unusable::default();
    after(&mut hand, &mut unusable, 0);
    pod(&mut hand, "True");
    after(&mut hand, &mut unusable, 1);
    assert_eq!(after(&mut hand, &mut unusable, 9000), [""; 0]);
}

#[test]
fn a_claim_is_mounted_as_its_access_modes_let_it() {
    let rows: [(&[&str], &str); 6] = [
        (&["ReadWriteMany"], "any"),
        (&["ReadWriteOnce", "ReadWriteMany"], "any"),
        (&["ReadWriteOnce"], "one"),
        (&["ReadWriteOnce", "ReadOnlyMany"], "one"),
        (&["ReadOnlyMany"], "ClaimReadOnly"),
        (&["ReadWriteOncePod"], "ClaimForOnePod"),
    ];
    for (modes, expected) in rows {
        let mut hand = Hand::new();
        there(&mut hand, "programs", modes);
        // Of the model, nothing but reading is asked.
        there(&mut hand, "models", &["ReadOnlyMany"]);
        hand.model("tiny", &tiny());
        for _ in 0..4 {
            hand.turn();
        }
        if expected.starts_with("Claim") {
            let status = hand.world.models[&at("tiny")].status.clone().unwrap();
            assert_eq!(status.conditions[2].reason, expected, "{modes:?}");
            assert_eq!(status.conditions[2].status, "True", "{modes:?}");
            assert!(
                hand.says("tiny")
                    .contains("claim programs in namespace team")
            );
            assert!(hand.world.jobs.is_empty(), "{modes:?}");
            continue;
        }
        hand.job_ends("tiny", "Complete");
        hand.turn();
        let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
        let deployment = serde_json::to_value(hand.deployment("tiny")).unwrap();
        for object in [&job, &deployment] {
            let template = &object["spec"]["template"];
            let label = &template["metadata"]["labels"]["shardplane.dev/store"];
            let rule =
                "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0";
            let together = json!({
                "labelSelector": { "matchLabels": { "shardplane.dev/store": "programs" } },
                "topologyKey": "kubernetes.io/hostname",
            });
            match expected {
                "one" => {
                    assert_eq!(*label, json!("programs"), "{modes:?}");
                    assert_eq!(template.pointer(rule), Some(&together), "{modes:?}");
                }
                _ => assert_eq!(
                    (label, template.pointer(rule)),
                    (&json!(null), None),
                    "{modes:?}"
                ),
            }
        }
        hand.pods_are("tiny", 2, 2);
        hand.turn();
        assert_eq!(hand.turn(), [""; 0], "{modes:?}");
    }
    // A build alone is one pod.
    let mut hand = Hand::new();
    there(&mut hand, "programs", &["ReadWriteOncePod"]);
    hand.build("tiny", &tiny_build());
    assert_eq!(hand.turn().len(), 2);
    assert_eq!(hand.world.jobs.len(), 1);
}

#[test]
fn a_claim_of_a_long_name_is_a_label_all_the_same() {
    let mut hand = Hand::new();
    let long = format!("{}.store", "a".repeat(200));
    there(&mut hand, &long, &["ReadWriteOnce"]);
    hand.build("tiny", &{
        let mut build = tiny_build();
        build["store"]["pvc"]["claim"] = json!(long);
        build
    });
    hand.turn();
    let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
    let label = &job["spec"]["template"]["metadata"]["labels"]["shardplane.dev/store"];
    assert_eq!(label.as_str().map(str::len), Some(63));
}

#[test]
fn what_was_built_on_a_claim_that_is_gone_is_built_anew_on_the_next() {
    let mut hand = Hand::served();
    hand.world.claims.remove(&at("programs"));
    let mut unusable = Unusable::default();
    assert_eq!(after(&mut hand, &mut unusable, 1), [""; 0]);
    assert_eq!(
        after(&mut hand, &mut unusable, 31),
        ["model stalled ClaimMissing", "build stalled ClaimMissing"]
    );
    assert!(hand.says("tiny").contains("meanwhile 2 replicas serve"));
    let (place, mut next) = claim("programs", &["ReadWriteMany"]);
    Arc::make_mut(&mut next).metadata.uid = Some("another".to_owned());
    hand.world.claims.insert(place, next);
    let job = hand.job("tiny").name_any();
    let did = after(&mut hand, &mut unusable, 32);
    assert!(did.contains(&format!("delete Job {job}")), "{did:?}");
    let did = after(&mut hand, &mut unusable, 33);
    assert!(did.contains(&format!("make Job {job}")), "{did:?}");
    // A model's source may go once its program is built.
    let mut hand = Hand::served();
    hand.world.claims.remove(&at("models"));
    let mut unusable = Unusable::default();
    after(&mut hand, &mut unusable, 1);
    assert_eq!(after(&mut hand, &mut unusable, 100), [""; 0]);
}
