//! Pods that hold SoCs: exactly those are evicted, by the Eviction API; what blocks is named; nothing is reset before.
use std::fs;

use serde_json::Value;

use crate::{
    control_plane::ControlPlane,
    converging::{all_converged, ready},
    fleet::{Fleet, until},
    kubelet::{Kubelet, RESOURCE},
    rights,
};

const QUICKSTART: &str = "examples/quickstart/cluster";
const OBJECTS: [&str; 2] = ["cardpolicy/quickstart", "p2pgroup/quad"];

/// Makes a running pod on n1, as its kubelet would say it runs.
pub fn run_pod(plane: &ControlPlane, name: &str, devices: usize) {
    let asked = match devices {
        0 => String::new(),
        count => format!("\n    resources: {{limits: {{{RESOURCE}: {count}}}}}"),
    };
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\nspec:\n  nodeName: n1\n  containers:\n  - name: c\n    image: none{asked}\n"
    );
    let path = plane.folder().join(format!("pod-{name}.yaml"));
    fs::write(&path, text).expect("the pod is written");
    plane
        .kubectl(&["create", "-f", &path.display().to_string()])
        .expected();
    let running =
        r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    plane
        .kubectl(&[
            "patch",
            "pod",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            running,
        ])
        .expected();
}

/// Ends a pod that was evicted, as its kubelet would: its devices are given back, and its object goes.
fn end_pod(plane: &ControlPlane, kubelet: &Kubelet, name: &str) {
    until(
        "the pod is evicted",
        || pod(plane, name, "{.metadata.deletionTimestamp}"),
        |since| !since.is_empty(),
    );
    kubelet.forgets(name);
    plane
        .kubectl(&["delete", "pod", name, "--force", "--grace-period=0"])
        .expected();
}

fn pod(plane: &ControlPlane, name: &str, path: &str) -> String {
    let output = format!("jsonpath={path}");
    plane.kubectl(&["get", "pod", name, "-o", &output]).stdout
}

/// What the policy and its rollout say of drains.
pub fn drain_blocked(plane: &ControlPlane, object: &str) -> String {
    let told = r#"{range .items[*].status.conditions[?(@.type=="DrainBlocked")]}{.status} {.reason}: {.message}{end}{.status.conditions[?(@.type=="DrainBlocked")].status} {.status.conditions[?(@.type=="DrainBlocked")].reason}: {.status.conditions[?(@.type=="DrainBlocked")].message}"#;
    let output = format!("jsonpath={told}");
    plane.kubectl(&["get", object, "-o", &output]).stdout
}

/// Addresses of a node's SoCs.
pub fn socs(fleet: &Fleet, plane: &ControlPlane) -> Vec<String> {
    let text = fleet.shardplane(plane, "n1", &["probe", "-o", "json"]);
    let probed: Value = serde_json::from_str(&text).expect("a probe prints JSON");
    let node = probed.pointer("/nodes/0").unwrap_or(&probed);
    let listed = node
        .get("socs")
        .or_else(|| node.pointer("/snapshot/socs"))
        .and_then(Value::as_array)
        .expect("a node has SoCs");
    listed
        .iter()
        .filter_map(|soc| Some(soc["address"].as_str()?.to_owned()))
        .collect()
}

/// Whether any reset was begun on n1.
pub fn was_reset(plane: &ControlPlane) -> bool {
    let journal = plane.folder().join("n1/three/n1/journal");
    let text = fs::read(&journal).unwrap_or_default();
    String::from_utf8_lossy(&text).contains(r#""verb":"soc.reset""#)
}

/// Taints and cordon of a Node.
fn placement(plane: &ControlPlane) -> String {
    plane
        .kubectl(&[
            "get",
            "node",
            "n1",
            "-o",
            "jsonpath={.spec.unschedulable} {.spec.taints}",
        ])
        .expected()
}

/// Waits until there is an account for pods to run as.
pub fn pods_may_be_made(plane: &ControlPlane) {
    until(
        "pods may be made",
        || {
            plane
                .kubectl(&["get", "serviceaccount", "default"])
                .succeeded
        },
        |there| *there,
    );
}

/// Pods whose eviction was granted, by the API server's audit.
pub fn evicted(plane: &ControlPlane) -> Vec<String> {
    let text = fs::read_to_string(plane.folder().join(rights::LOG)).expect("the audit is kept");
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| {
            event.pointer("/objectRef/subresource") == Some(&Value::from("eviction"))
                && event.pointer("/responseStatus/code") == Some(&Value::from(201))
        })
        .filter_map(|event| Some(event.pointer("/objectRef/name")?.as_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

pub fn holders_are_evicted_and_nobody_else(plane: &mut ControlPlane) {
    let _controllers = plane.start_controllers("disruption-controller,serviceaccount-controller");
    let kubelet = Kubelet::start(plane.folder(), "n1");
    let fleet = Fleet::start_with_kubelet(plane, "n1", kubelet.socket());
    let socs = socs(&fleet, plane);
    // The administrator's own, which stay.
    plane.kubectl(&["cordon", "n1"]).expected();
    plane
        .kubectl(&["taint", "node", "n1", "team=a:NoSchedule"])
        .expected();
    let before = placement(plane);
    pods_may_be_made(plane);
    for (name, devices) in [
        ("guarded", &[socs[0].as_str()][..]),
        ("plain", &[socs[1].as_str(), socs[2].as_str()]),
        ("bystander", &[]),
    ] {
        run_pod(plane, name, devices.len());
        if !devices.is_empty() {
            kubelet.admits(name, devices);
        }
    }
    plane
        .kubectl(&[
            "create",
            "pdb",
            "keep",
            "--selector=app=guarded",
            "--min-available=1",
        ])
        .expected();
    until(
        "the budget counts its pod",
        || {
            let path = "jsonpath={.status.currentHealthy}";
            plane.kubectl(&["get", "pdb", "keep", "-o", path]).stdout
        },
        |healthy| healthy == "1",
    );
    // A process of nobody's pod, on the fourth.
    let hold = ["rack", "hold", &socs[3], "--by=debugger", "--pid=4711"];
    fleet.shardplane(plane, "n1", &hold);
    // What a plan does not know of ends it, and another follows.
    let held = |path: &str| {
        let path = format!("jsonpath={{.status.counts.held}} {path}");
        plane.kubectl(&["get", "cnode", "n1", "-o", &path]).stdout
    };
    until("the agent sees them all", || held(""), |now| now == "4 ");

    plane
        .kubectl(&["apply", "--server-side", "-k", QUICKSTART])
        .expected();
    until(
        "whoever is unknown is named",
        || drain_blocked(plane, OBJECTS[0]),
        |told| told.starts_with("True HolderUnknown") && told.contains("pid 4711 (debugger)"),
    );
    assert_eq!(evicted(plane), [""; 0]);
    let release = ["rack", "hold", &socs[3], "--release"];
    fleet.shardplane(plane, "n1", &release);

    for object in ["cpol/quickstart", "p2pg/quad", "cplan"] {
        until(
            "who blocks is named",
            || drain_blocked(plane, object),
            |told| {
                told.contains("True PodDisruptionBudget")
                    && told.contains("n1: pod default/guarded (The disruption budget keep needs 1")
            },
        );
    }
    end_pod(plane, &kubelet, "plain");
    let holders = || held("{.status.holders[*].pod.name}");
    until("the agent sees who is left", holders, |now| {
        now == "1 guarded"
    });
    assert!(!was_reset(plane), "a SoC is held still");
    let placed = placement(plane);
    assert!(
        placed.contains("shardplane.dev/draining"),
        "{placed}\n{}",
        plane.kubectl(&["describe", "cplan,cnode"]).stdout
    );

    plane.kubectl(&["delete", "pdb", "keep"]).expected();
    end_pod(plane, &kubelet, "guarded");
    ready(plane, &OBJECTS);
    all_converged(plane);
    until("taints", || placement(plane), |now| *now == before);
    until(
        "nobody is in the way",
        || drain_blocked(plane, OBJECTS[0]),
        |told| told.starts_with("False"),
    );
    assert_eq!(evicted(plane), ["guarded", "plain"]);
    assert_eq!(pod(plane, "bystander", "{.metadata.deletionTimestamp}"), "");
    assert_eq!(pod(plane, "bystander", "{.status.phase}"), "Running");
    let used = rights::suffice(plane);
    let evicts = ["shardplane-controller", "pods/eviction", "create"].map(str::to_owned);
    assert!(used.contains(&evicts.into()), "{used:?}");
}
