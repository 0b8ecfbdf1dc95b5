//! The objects that are made for builds and models, field by field.
use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::{
    declared::{tiny_build, with},
    hand::{Hand, at},
};
use crate::{
    cluster::names::{PROGRAM, REQUESTED_AT},
    state::models::ModelDigests,
};

/// Every container of ours is one that Pod Security `restricted` takes, and mounts what it needs.
#[test]
fn pods_are_restricted_and_have_what_they_need() {
    let mut hand = Hand::served();
    hand.model(
        "tiny",
        &with(|model| {
            model["pod"] = json!({
                "resources": { "requests": { "cpu": "2", "memory": "1Gi" } },
            });
            model["serving"]["port"] = json!(8000);
            model["rollout"] = json!({ "minAvailable": 2 });
        }),
    );
    hand.turn();
    hand.turn();
    let job: &Job = hand.job("tiny");
    let job = serde_json::to_value(job).unwrap();
    let deployment = serde_json::to_value(hand.deployment("tiny")).unwrap();
    for object in [&job, &deployment] {
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], json!(false));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], json!(true));
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            json!("RuntimeDefault")
        );
        let container = &pod["containers"][0];
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], json!(false));
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(container["image"], json!("worker@sha256:aa"));
    }
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["resources"]["requests"],
        json!({ "cpu": "2", "memory": "1Gi" })
    );
    assert_eq!(
        container["lifecycle"]["preStop"]["sleep"]["seconds"],
        json!(5)
    );
    assert_eq!(
        container["readinessProbe"]["httpGet"]["path"],
        json!("/readyz")
    );
    assert_eq!(
        container["livenessProbe"]["httpGet"]["path"],
        json!("/healthz")
    );
    assert_eq!(
        deployment["spec"]["strategy"]["rollingUpdate"],
        json!({ "maxUnavailable": 0, "maxSurge": 1 })
    );

    let command = job["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let key = &job["metadata"]["annotations"][PROGRAM];
    let folder = format!("/programs/{}", key.as_str().unwrap().replace(':', "-"));
    let expected = json!([
        "build",
        "--checkpoint",
        "/model/tiny",
        "--out",
        folder,
        "--shards",
        "2",
        "--precision",
        "bf16",
        "--key",
        key,
        "--slots",
        "4",
        "--context",
        "256",
        "--model-digest",
        format!("b3:{}", "0".repeat(64)),
    ]);
    assert_eq!(command, expected);
    let mounts = &job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
    assert_eq!(
        mounts[0],
        json!({ "name": "model", "mountPath": "/model", "readOnly": true })
    );
    assert_eq!(
        mounts[1],
        json!({ "name": "programs", "mountPath": "/programs" })
    );
    let mounts = &container["volumeMounts"];
    assert_eq!(
        mounts[0],
        json!({ "name": "programs", "mountPath": "/programs", "readOnly": true })
    );

    let front = serde_json::to_value(hand.front("tiny")).unwrap();
    assert_eq!(front["spec"]["ports"][0]["port"], json!(8000));
    let budget = serde_json::to_value(hand.budget("tiny")).unwrap();
    assert_eq!(budget["spec"]["maxUnavailable"], json!(1));
    assert_eq!(
        budget["spec"]["unhealthyPodEvictionPolicy"],
        json!("AlwaysAllow")
    );
    for object in [&deployment, &front, &budget] {
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["controller"]),
            (&json!("ShardedModel"), &json!(true))
        );
    }
}

#[test]
fn a_pod_goes_where_it_may_and_pulls_with_what_it_is_given() {
    let mut hand = Hand::new();
    let asked = json!({
        "tolerations": [{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }],
        "imagePullSecrets": [{ "name": "registry" }],
        "serviceAccountName": "models",
    });
    hand.model("tiny", &with(|model| model["pod"] = asked.clone()));
    hand.turn();
    hand.turn();
    let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
    hand.job_ends("tiny", "Complete");
    hand.turn();
    let deployment = serde_json::to_value(hand.deployment("tiny")).unwrap();
    for object in [&job, &deployment] {
        let pod = &object["spec"]["template"]["spec"];
        for (key, value) in asked.as_object().unwrap() {
            assert_eq!(pod[key], *value, "{key}");
        }
    }
}

#[test]
fn an_artifact_is_mounted_as_it_is() {
    let mut hand = Hand::new();
    let mut build = tiny_build();
    let reference = format!("registry.example/tiny@sha256:{}", "a".repeat(64));
    build["source"] = json!({ "oci": { "reference": reference } });
    hand.build("tiny", &build);
    hand.turn();
    let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["image"]["reference"], json!(reference));
    assert_eq!(pod["containers"][0]["args"][2], json!("/model"));
}

/// Where it does not, no cluster's program is that of the model that is shown.
#[test]
fn the_quickstart_names_the_model_that_lies_beside_it() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let sources = ["group.yaml", "model.yaml"].map(|file| {
        let path = examples.join("quickstart/cluster").join(file);
        crd::load::SourceText::new(file, std::fs::read_to_string(path).unwrap())
    });
    let loaded = crd::load::load(&sources);
    let source = loaded.declaration.models[0].spec.model.clone();
    let model = examples.join("models/tiny-guide");
    let digest = ModelDigests::default().compute(&model, || false).unwrap();
    assert_eq!(source.and_then(|source| source.digest), Some(digest));
}

/// A server without image volumes stores the Job without the model, and says nothing of it: the build does.
#[test]
fn a_server_that_drops_an_artifact_is_said_to() {
    let reference = format!("registry.example/models/tiny@sha256:{}", "0".repeat(64));
    let mut build = tiny_build();
    build["source"] = json!({ "oci": { "reference": reference } });
    let mut hand = Hand::new();
    hand.build("tiny", &build);
    hand.turn();
    assert_eq!(hand.turn(), ["build Building"], "a server that has them");
    let (place, job) = {
        let job = hand.job("tiny");
        let mut stored = serde_json::to_value(job.as_ref()).unwrap();
        stored["spec"]["template"]["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .retain(|volume| volume["name"] != json!("model"));
        let stored: Job = serde_json::from_value(stored).unwrap();
        (at(stored.metadata.name.as_deref().unwrap()), stored)
    };
    hand.world.jobs.insert(place, std::sync::Arc::new(job));
    assert_eq!(hand.turn(), ["build stalled ImageVolumesMissing"]);
    assert!(hand.says_of_build("tiny").contains("name it by `pvc`"));
    // Its pod finds no model and fails: that says less.
    hand.job_ends("tiny", "Failed");
    assert_eq!(hand.turn(), [""; 0]);
    hand.annotate("tiny", REQUESTED_AT, "now");
    let turn = hand.turn();
    assert!(turn[1].starts_with("delete Job"), "{turn:?}");
}
