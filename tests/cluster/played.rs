//! What the cluster's own controllers and kubelets would say of jobs, deployments and pods, where a test plays them.
use crate::{control_plane::ControlPlane, fleet::until};

/// How a pod or a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Well,
    /// With an error.
    Badly,
}

/// Names of the objects of a kind that have a label, in a namespace.
pub fn named(plane: &ControlPlane, namespace: &str, kind: &str, label: &str) -> Vec<String> {
    let names = "jsonpath={.items[*].metadata.name}";
    plane
        .kubectl(&["get", kind, "-n", namespace, "-l", label, "-o", names])
        .expected()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn patch_status(plane: &ControlPlane, namespace: &str, object: &str, status: &str) {
    let patch = format!("--patch={{\"status\":{status}}}");
    plane
        .kubectl(&[
            "patch",
            object,
            "-n",
            namespace,
            "--subresource=status",
            "--type=merge",
            &patch,
        ])
        .expected();
}

/// The job controller says that a job has ended.
pub fn job_ends(plane: &ControlPlane, namespace: &str, job: &str, end: End) {
    let at = |minute: u32| format!("2026-01-01T00:0{minute}:00Z");
    let told = |type_: &str| {
        format!(
            r#"{{"type":"{type_}","status":"True","reason":"Played","message":"as told","lastTransitionTime":"{}","lastProbeTime":"{}"}}"#,
            at(1),
            at(1)
        )
    };
    let status = match end {
        End::Well => format!(
            r#"{{"startTime":"{}","completionTime":"{}","succeeded":1,"conditions":[{},{}]}}"#,
            at(0),
            at(1),
            told("SuccessCriteriaMet"),
            told("Complete")
        ),
        End::Badly => format!(
            r#"{{"startTime":"{}","failed":1,"conditions":[{},{}]}}"#,
            at(0),
            told("FailureTarget"),
            told("Failed")
        ),
    };
    patch_status(plane, namespace, &format!("job/{job}"), &status);
}

/// The deployment controller says that every replica of the newest revision answers.
pub fn deployment_serves(plane: &ControlPlane, namespace: &str, name: &str, replicas: u32) {
    let object = format!("deployment/{name}");
    let path = "jsonpath={.metadata.generation}";
    let generation = plane
        .kubectl(&["get", &object, "-n", namespace, "-o", path])
        .expected();
    let status = format!(
        r#"{{"observedGeneration":{generation},"replicas":{replicas},"updatedReplicas":{replicas},"readyReplicas":{replicas},"availableReplicas":{replicas}}}"#
    );
    patch_status(plane, namespace, &object, &status);
}

/// A kubelet says that a pod has ended.
pub fn pod_ends(plane: &ControlPlane, namespace: &str, pod: &str, end: End) {
    let phase = match end {
        End::Well => "Succeeded",
        End::Badly => "Failed",
    };
    patch_status(
        plane,
        namespace,
        &format!("pod/{pod}"),
        &format!(r#"{{"phase":"{phase}"}}"#),
    );
}

/// Kubelets say of every pod with a label that it answers, once there are so many.
pub fn pods_answer(plane: &ControlPlane, namespace: &str, label: &str, count: usize) {
    let pods = until(
        "pods are made",
        || named(plane, namespace, "pods", label),
        |pods| pods.len() == count,
    );
    for pod in pods {
        let status = r#"{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}"#;
        patch_status(plane, namespace, &format!("pod/{pod}"), status);
    }
}
