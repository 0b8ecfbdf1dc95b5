//! What stands against builds and models: what takes a person is said in one sentence, and nothing is made in vain.
use std::sync::Arc;

use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{podless::Podless, stores::what_is_told_of, world::Made},
    declared::{named, tiny, tiny_build, with},
    hand::{Hand, at},
};

/// What is said of a model or a build that nobody can build or serve.
#[test]
fn what_takes_a_person_is_said_and_makes_no_pod() {
    type Change = fn(&mut Value);
    let rows: [(&str, Change, &str); 7] = [
        (
            "DriverMissing",
            |model| {
                model["target"] = json!("AI100");
                model["precision"] = json!("Fp16");
            },
            "no pods are made",
        ),
        (
            "GroupMissing",
            |model| model["groupRef"] = json!("nobody"),
            "no P2PGroup nobody",
        ),
        (
            "GroupTooSmall",
            |model| {
                model["groupRef"] = json!("quad");
                model["shards"] = json!(5);
            },
            "have 4 SoCs",
        ),
        (
            "BuildMismatch",
            |model| *model = named("nobody"),
            "no ModelBuild nobody",
        ),
        (
            "StoreMissing",
            |model| {
                model.as_object_mut().unwrap().remove("store");
            },
            "`store: {pvc: {claim: NAME}}` or `store: {oci: {repository: REGISTRY/PATH}}`",
        ),
        (
            "ModelDigestMissing",
            |model| {
                model["model"].as_object_mut().unwrap().remove("digest");
            },
            "declare the model's digest",
        ),
        (
            "SourceUnreachable",
            |model| model["model"] = json!({ "path": "models/tiny" }),
            "by pvc or by oci",
        ),
    ];
    for (reason, change, words) in rows {
        let mut hand = Hand::new();
        hand.group("quad", 4);
        hand.model("tiny", &with(change));
        hand.turn();
        hand.turn();
        let said = hand.says("tiny");
        assert!(said.contains(words), "{reason}: {said}");
        assert_eq!(hand.turn(), [""; 0], "{reason}");
        let status = hand.world.models[&at("tiny")].status.clone().unwrap();
        let stalled = status
            .conditions
            .iter()
            .find(|told| told.type_ == "Stalled");
        let stalled = stalled.expect("it is said");
        assert_eq!(
            (stalled.status.as_str(), stalled.reason.as_str()),
            ("True", reason)
        );
        assert_eq!(
            status.selector.as_deref(),
            Some("shardplane.dev/model=tiny")
        );
        assert!(hand.world.jobs.is_empty() && hand.world.deployments.is_empty());
    }
    let mut hand = Hand::new();
    hand.world.image = None;
    hand.build("tiny", &tiny_build());
    assert_eq!(hand.turn(), ["build stalled ImageMissing"]);
    let mut vendor = tiny_build();
    vendor["target"] = json!("AI100");
    vendor["precision"] = json!("Fp16");
    hand.build("tiny", &vendor);
    assert_eq!(hand.turn(), ["build stalled CompilerMissing"]);
}

#[test]
fn a_deployment_that_does_not_come_up_says_why() {
    for (condition, status, expected, words) in [
        (
            "Progressing",
            "False",
            "model stalled NotStarting",
            "describe pods -n team -l shardplane.dev/model=tiny",
        ),
        (
            "ReplicaFailure",
            "True",
            "model stalled PodsRefused",
            "exceeded quota",
        ),
        (
            "Available",
            "False",
            "model Starting",
            "0 of 2 replicas serve",
        ),
    ] {
        let mut hand = Hand::served();
        let told = json!([{ "type": condition, "status": status, "message": "exceeded quota" }]);
        hand.deployment_says(
            "tiny",
            &json!({ "replicas": 2, "updatedReplicas": 2, "conditions": told }),
        );
        assert_eq!(hand.turn(), [expected]);
        assert!(hand.says("tiny").contains(words), "{}", hand.says("tiny"));
    }
}

/// A kubelet says why the one container of a pod with this label waits, and after a slash how it ended before.
fn pod_waits(hand: &mut Hand, name: &str, label: (&str, &str), reason: &str) {
    let (reason, ended) = reason.split_once('/').unwrap_or((reason, ""));
    let (ended, message) = ended.split_once(": ").unwrap_or((ended, ""));
    let (ended, code) = ended.split_once('#').unwrap_or((ended, "137"));
    let code: i32 = code.parse().unwrap();
    let ended = match ended {
        "" => json!({}),
        reason => {
            json!({ "terminated": { "exitCode": code, "reason": reason, "message": message } })
        }
    };
    let pod = json!({
        "metadata": { "name": name, "namespace": "team", "labels": { label.0: label.1 } },
        "spec": { "containers": [{ "name": "c", "image": "worker@sha256:aa" }] },
        "status": { "containerStatuses": [{
            "name": "c", "image": "sha256:bb", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": reason, "message": "in other words each time" } },
            "lastState": ended,
        }] },
    });
    let pod = serde_json::from_value(pod).unwrap();
    hand.world.pods.insert(at(name), Arc::new(pod));
}

#[test]
fn a_pod_that_cannot_start_says_why_and_what_has_passed_is_said_no_more() {
    for (said, reason) in [
        ("ErrImagePull", "ImageUnavailable"),
        ("ImagePullBackOff", "ImageUnavailable"),
        ("CreateContainerConfigError", "ContainerRefused"),
        ("CrashLoopBackOff", "Crashing"),
        ("CrashLoopBackOff/Error", "Crashing"),
        ("CrashLoopBackOff/OOMKilled", "OutOfMemory"),
        ("CrashLoopBackOff/Error#66", "ProgramMissing"),
        // As runc says it of a limit in which no process starts; the kernel's word does not get through then.
        (
            "CrashLoopBackOff/StartError: runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?): unknown",
            "OutOfMemory",
        ),
        (
            "CrashLoopBackOff/StartError: exec: no such file",
            "Crashing",
        ),
    ] {
        let mut hand = Hand::served();
        hand.pods_are("tiny", 2, 1);
        assert_eq!(hand.turn(), ["model Starting"]);
        pod_waits(
            &mut hand,
            "tiny-1",
            ("shardplane.dev/model", "tiny"),
            "ContainerCreating",
        );
        assert_eq!(hand.turn(), [""; 0], "{said}");
        pod_waits(&mut hand, "tiny-1", ("shardplane.dev/model", "tiny"), said);
        assert_eq!(hand.turn(), [format!("model stalled {reason}")]);
        let words = hand.says("tiny");
        assert!(
            words.starts_with("1 of 2 replicas serve: worker@sha256:aa ")
                && words.contains("kubectl describe pod -n team tiny-1"),
            "{words}"
        );
        hand.world.pods.clear();
        hand.pods_are("tiny", 2, 2);
        assert_eq!(hand.turn(), ["model ready AsDeclared"]);
    }
    // One image for two words of the same failure: nothing is written anew.
    let mut hand = Hand::new();
    hand.build("tiny", &tiny_build());
    hand.turn();
    let job = hand.job("tiny").name_any();
    let label = ("batch.kubernetes.io/job-name", job.as_str());
    pod_waits(&mut hand, "tiny-x", label, "ErrImagePull");
    assert_eq!(hand.turn(), ["build stalled ImageUnavailable"]);
    pod_waits(&mut hand, "tiny-x", label, "ImagePullBackOff");
    assert_eq!(hand.turn(), [""; 0]);
    hand.job_ends("tiny", "");
    hand.world.pods.clear();
    assert_eq!(hand.turn(), ["build Building"]);
}

/// A kubelet pulls what is mounted as it pulls images, and says the same word of both: whose name it says beside that is told.
#[test]
fn what_cannot_be_pulled_is_named_and_not_what_stands_beside_it() {
    let worker = "127.0.0.1:5000/shardplane@sha256:65";
    let model = "127.0.0.1:5000/shardplane-model@sha256:01";
    let copier = "127.0.0.1:5000/copier@sha256:77";
    // As a 1.37 kubelet over containerd 2 says it.
    let backs_off = |reference: &str| {
        format!(
            "Back-off pulling image \"{reference}\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"{reference}\": not found"
        )
    };
    for (container, said, named, unnamed) in [
        (
            "build",
            backs_off(model),
            format!("{model}, which volume model is to be, "),
            vec![copier],
        ),
        (
            "build",
            backs_off(worker),
            format!("{worker} cannot be pulled"),
            vec![copier, model],
        ),
        (
            "copy",
            backs_off(copier),
            format!("{copier} cannot be pulled"),
            vec![worker, model],
        ),
        // Nobody is blamed in particular.
        (
            "build",
            "unauthorized".to_owned(),
            format!("{worker} or {model}, which volume model is to be, "),
            vec![copier],
        ),
    ] {
        let mut hand = Hand::new();
        hand.build("tiny", &tiny_build());
        hand.turn();
        let job = hand.job("tiny").name_any();
        let waits = |name: &str| {
            let waiting = json!({ "reason": "ImagePullBackOff", "message": said });
            let waits = if name == container {
                waiting
            } else {
                json!({ "reason": "PodInitializing" })
            };
            json!([{ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": waits } }])
        };
        let pod = json!({
            "metadata": { "name": "tiny-x", "namespace": "team", "labels": { "batch.kubernetes.io/job-name": job } },
            "spec": {
                "initContainers": [{ "name": "copy", "image": copier }],
                "containers": [{ "name": "build", "image": worker, "volumeMounts": [{ "name": "model", "mountPath": "/model" }] }],
                "volumes": [
                    { "name": "model", "image": { "reference": model } },
                    { "name": "other", "image": { "reference": "127.0.0.1:5000/other" } },
                ],
            },
            "status": { "initContainerStatuses": waits("copy"), "containerStatuses": waits("build") },
        });
        let mut pod = serde_json::from_value(pod).unwrap();
        what_is_told_of(&mut pod);
        hand.world.pods.insert(at("tiny-x"), Arc::new(pod));
        assert_eq!(hand.turn(), ["build stalled ImageUnavailable"]);
        let words = hand.says_of_build("tiny");
        assert!(words.starts_with(&named), "{words}");
        for other in unnamed {
            assert!(!words.contains(other), "{words}");
        }
    }
}

#[test]
fn what_the_server_refuses_is_told_and_left_alone_for_a_while() {
    let mut hand = Hand::new();
    hand.model("tiny", &tiny());
    hand.turn();
    hand.turn();
    hand.job_ends("tiny", "Complete");
    hand.refuse(Made::Deployment, "tiny");
    let turned = hand.turn();
    assert_eq!(turned[0], "model stalled Refused");
    assert!(
        !turned.iter().any(|write| write.contains("Deployment")),
        "{turned:?}"
    );
    assert!(
        hand.says("tiny")
            .contains("Deployment tiny: the quota is used up")
    );
    assert_eq!(hand.turn(), [""; 0]);
    // Tried again, it is said until it was taken.
    for refusal in hand.world.refused.values_mut() {
        refusal.again = true;
    }
    assert_eq!(hand.turn(), ["make Deployment tiny"]);
    hand.world.refused.clear();
    assert_eq!(hand.turn(), ["model Starting"]);
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    let mut hand = Hand::new();
    hand.build("tiny", &tiny_build());
    hand.turn();
    hand.job_ends("tiny", "Complete");
    hand.turn();
    hand.model("tiny", &tiny());
    assert_eq!(hand.turn(), ["model stalled NameTaken"]);
    assert!(
        hand.says("tiny")
            .contains("ModelBuild tiny is there and is not this model's")
    );
    assert_eq!(hand.turn(), [""; 0]);
    assert!(hand.world.deployments.is_empty());

    // Named, it is what the model serves.
    hand.model("tiny", &named("tiny"));
    assert!(hand.turn().contains(&"make Deployment tiny".to_owned()));
}

/// A quota or a limit keeps a job's pod from being made: no pod says so, and no condition.
#[test]
fn a_build_whose_pod_is_not_made_says_so_after_a_while() {
    let mut hand = Hand::new();
    hand.build("tiny", &tiny_build());
    hand.turn();
    let mut podless = Podless::default();
    let mut after = |hand: &mut Hand, seconds: u64, status: &serde_json::Value| {
        hand.job_says("tiny", status);
        hand.world.now = Timestamp(seconds * 1000);
        hand.world.podless = podless.look(&hand.world);
        hand.turn()
    };
    let (unseen, started) = (
        json!({}),
        json!({ "startTime": "2001-01-01T00:00:00Z", "active": 0 }),
    );
    // Where nobody looks after jobs there is nothing to be said of their pods.
    after(&mut hand, 0, &unseen);
    assert_eq!(after(&mut hand, 60, &unseen), [""; 0]);
    assert_eq!(after(&mut hand, 61, &started), [""; 0]);
    assert_eq!(after(&mut hand, 90, &started), [""; 0]);
    assert_eq!(
        after(&mut hand, 91, &started),
        ["build stalled PodsRefused"]
    );
    assert!(
        hand.says_of_build("tiny")
            .contains("kubectl describe job -n team tiny-")
    );
    // Another controller has not waited, and goes on saying it.
    let mut other = Podless::default();
    hand.world.podless = other.look(&hand.world);
    assert_eq!(hand.turn(), [""; 0]);
    let made = json!({ "startTime": "2001-01-01T00:00:00Z", "active": 1 });
    assert_eq!(after(&mut hand, 92, &made), ["build Building"]);
}
