//! Claims that come late, or that nobody makes a volume for: it is said, and all goes on when they are there.
use crate::{
    control_plane::ControlPlane,
    fleet::{Fleet, make_node, until},
    models::{BUILD, DECLARED, MODEL, field},
    played::{End, named, pod_ends, pods_answer},
};

/// Kubernetes' own that make pods of jobs and deployments, and bind volumes to claims.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,job-controller,serviceaccount-controller,\
    persistentvolume-binder-controller,persistentvolumeclaim-protection-controller";
const CLAIMS: &str = "examples/quickstart/cluster/claims.yaml";

/// Waits until the model and its build stand still for a reason, and gives the model's sentence.
fn stalls(plane: &ControlPlane, reason: &str) -> String {
    let stalled = r#".status.conditions[?(@.type=="Stalled")]"#;
    // The build is there when the model says what stands against it.
    for object in ["smodel/tiny-guide", "mbuild/tiny-guide"] {
        let told = || {
            field(
                plane,
                "team",
                object,
                &format!("{stalled}.status}}{{{stalled}.reason"),
            )
        };
        until(reason, told, |told| *told == format!("True{reason}"));
    }
    field(
        plane,
        "team",
        "smodel/tiny-guide",
        &format!("{stalled}.message"),
    )
}

/// A kubelet's word of what there is, without a kubelet, and without the taint of one that has said nothing yet.
fn has_room(plane: &ControlPlane, node: &str) {
    let there = r#"{"cpu":"8","memory":"8Gi","pods":"20"}"#;
    let status = format!(r#"--patch={{"status":{{"capacity":{there},"allocatable":{there}}}}}"#);
    let patch = ["patch", "node", node, "--type=merge"];
    plane
        .kubectl(&[&patch[..], &["--subresource=status", &status]].concat())
        .expected();
    let untainted = r#"--patch={"spec":{"taints":null}}"#;
    plane
        .kubectl(&[&patch[..], &[untainted]].concat())
        .expected();
}

/// Kubernetes says whether a Node is ready.
fn is_ready(plane: &ControlPlane, node: &str, ready: &str) {
    let told = format!(
        r#"--patch={{"status":{{"conditions":[{{"type":"Ready","status":"{ready}","reason":"Played","message":"as told"}}]}}}}"#
    );
    let patch = ["patch", "node", node, "--subresource=status", &told];
    plane.kubectl(&patch).expected();
}

/// Whoever runs with the roles of a version that followed no claims hears of it, and it works once it has its own.
fn with_older_roles(plane: &ControlPlane, fleet: &mut Fleet) {
    let resources = "{range .rules[*]}{.resources[0]} {end}";
    let role = "clusterrole/shardplane-controller";
    let rules = plane.kubectl(&["get", role, "-o", &format!("jsonpath={resources}")]);
    let rules = rules.expected();
    let claims = "persistentvolumeclaims";
    let place = rules.split_whitespace().position(|first| first == claims);
    let place = place.expect("it may read claims");
    let patch = |change: &str| {
        plane
            .kubectl(&["patch", role, "--type=json", "-p", change])
            .expected();
    };
    fleet.kill_controller("first");
    patch(&format!(r#"[{{"op":"remove","path":"/rules/{place}"}}]"#));
    fleet.start_controller(plane, "first");
    until(
        "it is told",
        || plane.logs(),
        |logs| logs.contains("persistentvolumeclaims too"),
    );
    patch(&format!(
        r#"[{{"op":"add","path":"/rules/-","value":{{"apiGroups":[""],"resources":["{claims}"],"verbs":["list","watch"]}}}}]"#
    ));
}

pub fn a_claim_that_comes_late_is_waited_for(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &[]);
    with_older_roles(plane, &mut fleet);
    let _controllers = plane.start_controllers(CONTROLLERS);
    let _scheduler = plane.start_scheduler();
    for node in ["n1", "n2"] {
        make_node(plane, node);
        has_room(plane, node);
    }
    plane.kubectl(&["create", "namespace", "team"]).expected();
    let claims = DECLARED.iter().position(|word| *word == CLAIMS);
    let claims = claims.expect("the quickstart has claims");
    let mut apply = vec!["apply", "--server-side", "-n", "team"];
    apply.extend(DECLARED[..claims - 1].iter().chain(&DECLARED[claims + 1..]));
    plane.kubectl(&apply).expected();
    let told = stalls(plane, "ClaimMissing");
    assert!(
        told.contains("there is no claim models in namespace team"),
        "{told}"
    );
    let jobs = named(plane, "team", "jobs", BUILD);
    assert!(jobs.is_empty(), "{jobs:?}");

    // They have no class, and there is no default one.
    plane
        .kubectl(&["apply", "--server-side", "-n", "team", "-f", CLAIMS])
        .expected();
    let told = stalls(plane, "ClaimUnbound");
    assert!(
        told.contains("kubectl describe pvc -n team models"),
        "{told}"
    );

    for name in ["models", "programs"] {
        let volume = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
             capacity: {{storage: 1Gi}}\n  claimRef: {{namespace: team, name: {name}}}\n  hostPath: {{path: /nowhere}}\n"
        );
        let path = plane.folder().join(format!("{name}.yaml"));
        std::fs::write(&path, volume).expect("the volume is written");
        let path = path.display().to_string();
        plane.kubectl(&["apply", "-f", &path]).expected();
    }
    until(
        "it goes on",
        || {
            plane
                .kubectl(&["get", "smodel,mbuild", "-n", "team"])
                .expected()
        },
        |table| table.matches("False   Building").count() == 2,
    );
    // One node alone mounts it, so whoever builds and whoever serves are put on one, where there are two with room.
    let placed = |label: &str, count: usize| {
        let path = "jsonpath={range .items[?(@.status.phase!='Succeeded')]}{.spec.nodeName} {end}";
        let nodes = || {
            let select = ["get", "pods", "-n", "team", "-l", label, "-o", path];
            let told = plane.kubectl(&select).expected();
            let nodes: Vec<String> = told.split_whitespace().map(str::to_owned).collect();
            nodes
        };
        let mut nodes = until("pods have nodes", nodes, |nodes| nodes.len() == count);
        nodes.dedup();
        assert_eq!(nodes.len(), 1, "{label}");
        nodes.concat()
    };
    let builds = placed(BUILD, 1);
    for (ready, expected) in [("Unknown", "NodeNotReady"), ("True", "Building")] {
        is_ready(plane, &builds, ready);
        let reason = r#".status.conditions[?(@.type=="Ready")].reason"#;
        let told = || field(plane, "team", "mbuild/tiny-guide", reason);
        until("its node is told", told, |told| *told == expected);
    }
    let pods = named(plane, "team", "pods", BUILD);
    pod_ends(plane, "team", &pods[0], End::Well);
    plane
        .kubectl(&["scale", "smodel/tiny-guide", "-n", "team", "--replicas=3"])
        .expected();
    pods_answer(plane, "team", MODEL, 3);
    until(
        "the model serves",
        || plane.kubectl(&["get", "smodel", "-n", "team"]).expected(),
        |table| table.contains("True    AsDeclared"),
    );
    let serves = placed(MODEL, 3);
    let patch = r#"--patch={"spec":{"precision":"Int8"}}"#;
    plane
        .kubectl(&[
            "patch",
            "smodel/tiny-guide",
            "-n",
            "team",
            "--type=merge",
            patch,
        ])
        .expected();
    assert_eq!(
        placed(BUILD, 1),
        serves,
        "the next is built where the last is served"
    );
}
