//! What kstatus makes of live objects, by its own Go library: Current only when Ready, InProgress while something goes on or
//! waits for leave, Failed when nothing moves without a person. And what `kubectl diff` and `explain` say of them.
use std::{fs, path::Path};

use host::{answer_to, command};
use serde_json::Value;
use tests::root;

use crate::{
    assets,
    control_plane::ControlPlane,
    failing::{OBJECTS, apply},
    fleet::{Fleet, policy_with, shardplane, until},
    played::{End, job_ends, named},
};

const KINDS: &str = "cpol,p2pg,smodel,mbuild,cplan,cnode";
const QUICKSTART: &str = "examples/quickstart/cluster";

/// An object as it stands, and as kstatus takes it.
#[derive(Debug)]
struct Judged {
    name: String,
    /// Current, `InProgress`, Failed.
    status: String,
    /// Its own Ready condition's reason.
    reason: String,
    /// Its conditions that are True, of the three that kstatus reads.
    holds: Vec<String>,
    /// Whether what it says is of what is declared now.
    fresh: bool,
}

/// Every object of ours; a failure where kstatus and the object's own conditions say different things.
#[track_caller]
fn judged(plane: &ControlPlane, program: &Path) -> Vec<Judged> {
    let list = plane.kubectl(&["get", KINDS, "-o", "json"]).expected();
    let lines = answer_to(&mut command(program), &list).expected();
    let list: Value = serde_json::from_str(&list).expect("kubectl prints JSON");
    let items = list["items"].as_array().expect("a list has items");
    let all: Vec<Judged> = items
        .iter()
        .zip(lines.lines())
        .map(|(object, line)| {
            let status = line.split('\t').nth(2).expect("kind, name, status");
            judged_one(object, status)
        })
        .collect();
    assert_eq!(all.len(), items.len(), "one line an object: {lines}");
    for one in &all {
        let holds: Vec<&str> = one.holds.iter().map(String::as_str).collect();
        let expected = match holds[..] {
            ["Stalled"] if one.fresh => "Failed",
            ["Ready"] if one.fresh => "Current",
            _ => "InProgress",
        };
        assert_eq!(one.status, expected, "{one:?}");
    }
    all
}

fn judged_one(object: &Value, status: &str) -> Judged {
    let said = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let said = said.map(Vec::as_slice).unwrap_or_default();
    let holds = said
        .iter()
        .filter(|said| said["status"] == "True")
        .filter_map(|said| said["type"].as_str())
        .filter(|type_| matches!(*type_, "Ready" | "Reconciling" | "Stalled"))
        .map(str::to_owned)
        .collect();
    let ready = said.iter().find(|said| said["type"] == "Ready");
    let reason = ready.and_then(|ready| ready["reason"].as_str());
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Judged {
        name: format!(
            "{}/{}",
            text("/kind").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default()
        ),
        status: status.to_owned(),
        reason: reason.unwrap_or_default().to_owned(),
        holds,
        fresh: object.pointer("/metadata/generation")
            == object.pointer("/status/observedGeneration"),
    }
}

/// Waits until each of these is judged so, for this reason.
#[track_caller]
fn stand(plane: &ControlPlane, program: &Path, status: &str, reason: &str, names: &[&str]) {
    until(
        reason,
        || judged(plane, program),
        |all| {
            names.iter().all(|name| {
                all.iter().any(|one| {
                    one.name.starts_with(name) && one.status == status && one.reason == reason
                })
            })
        },
    );
}

fn approve(plane: &ControlPlane) {
    let digest = plane
        .kubectl(&["get", OBJECTS[0], "-o", "jsonpath={.status.pending}"])
        .expected();
    let admin = plane.folder().join("kubeconfig").display().to_string();
    let given = shardplane(&["approve", &digest, "--kubeconfig", &admin]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
}

pub fn kstatus_judges_as_we_mean_it(plane: &mut ControlPlane) {
    let Some(program) = assets::client("kstatus") else {
        return;
    };
    let fleet = Fleet::start(plane, &["n1"]);
    let stand = |status: &str, reason: &str, names: &[&str]| {
        stand(plane, &program, status, reason, names);
    };
    let cards = ["CardPolicy/", "P2PGroup/"];
    let (models, all) = (
        ["ShardedModel/", "ModelBuild/"],
        ["CardPolicy/", "P2PGroup/", "ChangePlan/"],
    );

    // Just made, and nobody has looked at it.
    fleet.controller("first").signal("STOP").expect("it runs");
    apply(plane);
    let manual = policy_with(plane, "mode: Automatic", "mode: Manual");
    let manual = manual.display().to_string();
    plane
        .kubectl(&["apply", "--server-side", "-f", &manual])
        .expected();
    let new = judged(plane, &program);
    assert_eq!(new.len(), 3, "{new:?}");
    assert!(new.iter().all(|one| one.status == "InProgress"), "{new:?}");
    fleet.controller("first").signal("CONT").expect("it runs");

    stand("InProgress", "AwaitingApproval", &all);
    stand("InProgress", "Building", &models);
    approve(plane);
    stand("InProgress", "Applying", &cards);
    stand("Current", "AsDeclared", &cards);
    stand("Current", "Converged", &["ChangePlan/"]);
    stand("Current", "Reporting", &["CardNode/n1"]);

    // Declared anew, and what it says is of what was declared before.
    fleet.controller("first").signal("STOP").expect("it runs");
    plane
        .kubectl(&["apply", "--server-side", "-k", QUICKSTART])
        .expected();
    let behind = judged(plane, &program);
    let policy = behind.iter().find(|one| one.name.starts_with("CardPolicy"));
    let policy = policy.expect("it is there");
    assert!(
        !policy.fresh && policy.holds == ["Ready"] && policy.status == "InProgress",
        "{policy:?}"
    );
    fleet.controller("first").signal("CONT").expect("it runs");
    stand("Current", "AsDeclared", &cards);

    // What is there is what is declared: nobody filled anything in.
    let diff = plane.kubectl(&["diff", "--server-side", "-k", QUICKSTART]);
    assert!(diff.succeeded && diff.stdout.is_empty(), "{diff:?}");
    for field in [
        "cpol.spec.rollout.windows.start",
        "p2pg.spec.automatic.per",
        "smodel.spec.serving",
        "cplan.status.approval.digest",
        "cnode.status.counts",
    ] {
        let told = plane.kubectl(&["explain", field]).expected();
        let words = told.split_once("DESCRIPTION:");
        assert!(
            words.is_some_and(|(_, words)| !words.contains("<empty>")),
            "{told}"
        );
    }

    // Two policies for one card, and a build that fails.
    let text = fs::read_to_string(root().join(QUICKSTART).join("policy.yaml"));
    let other = text
        .expect("the quickstart has a policy")
        .replace("name: quickstart", "name: other");
    let path = plane.folder().join("other.yaml");
    fs::write(&path, other).expect("the policy is written");
    plane
        .kubectl(&["apply", "--server-side", "-f", &path.display().to_string()])
        .expected();
    let jobs = named(plane, "default", "jobs", "shardplane.dev/build=tiny-guide");
    job_ends(plane, "default", &jobs[0], End::Badly);
    stand("Failed", "BuildFailed", &models);
    stand(
        "Failed",
        "PolicyConflict",
        &["CardPolicy/quickstart", "CardPolicy/other"],
    );
    plane.kubectl(&["delete", "cpol/other"]).expected();
    stand("Current", "AsDeclared", &cards);

    // A step fails: a boot sets ACS again, and the registers take no writes.
    for port in fleet.acs(plane, "n1").keys() {
        let fault = format!("write-ignored:{port}");
        fleet.shardplane(plane, "n1", &["rack", "fault", &fault]);
    }
    fleet.shardplane(plane, "n1", &["rack", "reboot"]);
    stand("Failed", "StepFailed", &all);
}
