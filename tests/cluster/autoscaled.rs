//! A model under an autoscaler, which writes the scale subresource as the HorizontalPodAutoscaler does: nobody writes against it.
use std::fs;

use host::Answer;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    failing::rests,
    fleet::{Fleet, until},
    models::{ALL, DECLARED, MODEL, field, job},
    played::{End, deployment_serves, job_ends, named},
};

const SCALE: &str =
    "/apis/shardplane.dev/v1alpha1/namespaces/default/shardedmodels/tiny-guide/scale";

fn scale(plane: &ControlPlane) -> Value {
    let text = plane.kubectl(&["get", "--raw", SCALE]).expected();
    serde_json::from_str(&text).expect("a scale is JSON")
}

/// Updates the scale that was read, as an autoscaler does.
fn update(plane: &ControlPlane, read: &Value, replicas: i32) -> Answer {
    let mut wanted = read.clone();
    wanted["spec"]["replicas"] = json!(replicas);
    let path = plane.folder().join("scale.json");
    fs::write(&path, wanted.to_string()).expect("the scale is written");
    let path = path.display().to_string();
    plane.kubectl(&["replace", "--raw", SCALE, "-f", &path])
}

fn apply(plane: &ControlPlane) {
    let mut apply = vec!["apply", "--server-side"];
    apply.extend(DECLARED);
    plane.kubectl(&apply).expected();
}

pub fn an_autoscaler_is_not_fought(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    apply(plane);
    job_ends(plane, "default", &job(plane, "default", &[]), End::Well);
    until(
        "a deployment is made",
        || named(plane, "default", "deployments", MODEL),
        |deployments| deployments.len() == 1,
    );
    let replicas = |object: &str| field(plane, "default", object, ".spec.replicas");
    for wanted in [2, 7, 0, 3] {
        let read = scale(plane);
        until(
            "the scale is taken",
            || update(plane, &scale(plane), wanted).succeeded,
            |taken| *taken,
        );
        until(
            "the deployment follows",
            || replicas("deployment/tiny-guide"),
            |now| *now == wanted.to_string(),
        );
        let stale = update(plane, &read, 9);
        assert!(
            !stale.succeeded && stale.stderr.contains("the object has been modified"),
            "{stale:?}"
        );
        assert_eq!(replicas("smodel/tiny-guide"), wanted.to_string());
    }
    deployment_serves(plane, "default", "tiny-guide", 3);
    // Whoever applies the manifest again, in which there is no number, takes none away.
    apply(plane);
    until(
        "the status counts them",
        || scale(plane)["status"]["replicas"].clone(),
        |now| *now == json!(3),
    );
    rests(plane, ALL);
    assert_eq!(replicas("smodel/tiny-guide"), "3");
    let owners = plane
        .kubectl(&[
            "get",
            "smodel/tiny-guide",
            "--show-managed-fields",
            "-o",
            "json",
        ])
        .expected();
    let owners: Value = serde_json::from_str(&owners).expect("kubectl prints JSON");
    let entries = owners["metadata"]["managedFields"].as_array();
    let ours: Vec<&Value> = entries
        .expect("the server keeps them")
        .iter()
        .filter(|entry| {
            entry["manager"]
                .as_str()
                .is_some_and(|manager| manager.starts_with("shardplane-"))
        })
        .collect();
    assert!(!ours.is_empty(), "{owners}");
    assert!(
        ours.iter()
            .all(|entry| entry["fieldsV1"]["f:spec"].is_null()),
        "{ours:?}"
    );
}
