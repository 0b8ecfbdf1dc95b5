//! Programs that lie in a registry: pushed by the pod that built them, known by what it said, pulled by those that serve.
use std::sync::Arc;

use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::{
    super::world::{Artifacts, Place},
    declared::{tiny_build, with},
    hand::{Hand, at},
};
use crate::cluster::names::{PROGRAM, REQUESTED_AT};

const REPOSITORY: &str = "registry.example/team/programs";
const PATH: &str = "/spec/template/spec";

fn store() -> Value {
    json!({ "oci": { "repository": REPOSITORY, "pushSecret": "push" } })
}

fn build() -> Value {
    let mut build = tiny_build();
    build["store"] = store();
    build
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

/// The pod of the build's job, in this phase, whose container that pushes left these words.
fn pod(hand: &mut Hand, phase: &str, said: &str) {
    let job = hand.job("tiny").clone();
    let running = json!({ "running": {} });
    let ended = json!({ "terminated": { "exitCode": 0, "message": said } });
    let status = |name: &str, state: &Value| {
        json!({
            "name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        })
    };
    let (first, last) = match said {
        "builds" => (&running, json!({ "waiting": {} })),
        "pushes" => (&ended, running.clone()),
        _ => (&ended, ended.clone()),
    };
    let pod = json!({
        "metadata": {
            "name": "tiny-pod", "namespace": "team",
            "labels": { "batch.kubernetes.io/job-name": job.name_any(), "shardplane.dev/build": "tiny" },
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(), "controller": true }],
        },
        "status": {
            "phase": phase,
            "initContainerStatuses": [status("build", first)],
            "containerStatuses": [status("push", &last)],
        },
    });
    let pod = serde_json::from_value(pod).unwrap();
    hand.world.pods.insert(at("tiny-pod"), Arc::new(pod));
}

fn artifact(hand: &Hand) -> Option<String> {
    let status = hand.world.builds[&at("tiny")].status.as_ref();
    status.and_then(|status| status.artifact.clone())
}

/// A model whose program was pushed, and whose deployment was made.
fn served(artifacts: Artifacts) -> Hand {
    let mut hand = Hand::new();
    hand.world.artifacts = artifacts;
    // Nothing but the model's source is on a claim.
    hand.world.claims.remove(&at("programs"));
    hand.model(
        "tiny",
        &with(|model| {
            model["store"] = store();
            model["pod"] = json!({
                "imagePullSecrets": [{ "name": "one" }, { "name": "two" }],
                "resources": { "limits": { "memory": "1Gi" } },
            });
        }),
    );
    hand.turn();
    hand.turn();
    hand.job_ends("tiny", "Complete");
    pod(&mut hand, "Succeeded", &digest("a"));
    hand.turn();
    hand.turn();
    hand
}

#[test]
fn a_job_builds_first_and_pushes_then() {
    let hand = served(Artifacts::Mounted);
    let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
    let pod = job.pointer(PATH).unwrap();
    let (build, push) = (&pod["initContainers"][0], &pod["containers"][0]);
    let key = job["metadata"]["annotations"][PROGRAM].as_str().unwrap();
    let tag = key.replace(':', "-");
    let folder = format!("/programs/{tag}");
    assert_eq!(build["command"], json!(["shardplane-worker"]));
    assert_eq!(build["args"][4], json!(folder));
    assert_eq!(push["command"], json!(["shardplane"]));
    assert_eq!(
        push["args"],
        json!([
            "artifact",
            "push",
            folder,
            format!("{REPOSITORY}:{tag}"),
            "--credentials",
            "/credentials",
            "--digest-to",
            "/dev/termination-log",
        ])
    );
    for container in [build, push] {
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], json!(false));
        assert_eq!(security["readOnlyRootFilesystem"], json!(true));
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
        // Containers that run one after another ask for no more together.
        assert_eq!(container["resources"]["limits"]["memory"], json!("1Gi"));
    }
    let mounts = json!([
        { "name": "programs", "mountPath": "/programs", "readOnly": true },
        { "name": "credentials", "mountPath": "/credentials", "readOnly": true },
        { "name": "tmp", "mountPath": "/tmp" },
    ]);
    assert_eq!(push["volumeMounts"], mounts);
    let volumes = pod["volumes"].as_array().unwrap();
    let names: Vec<_> = volumes.iter().map(|volume| &volume["name"]).collect();
    assert_eq!(names, ["model", "programs", "credentials", "tmp"]);
    assert_eq!(volumes[1], json!({ "name": "programs", "emptyDir": {} }));
    let secret = &volumes[2]["projected"]["sources"][0]["secret"];
    assert_eq!(
        (&secret["name"], &secret["items"][0]["key"]),
        (&json!("push"), &json!(".dockerconfigjson"))
    );
    // Each container's codes are its own.
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap();
    let of = |name: &str| {
        let mut rules = rules.iter();
        let rule = rules.find(|rule| rule["onExitCodes"]["containerName"] == name);
        rule.unwrap()["onExitCodes"]["values"].clone()
    };
    assert_eq!(of("build"), json!([64, 65, 66]));
    assert_eq!(of("push"), json!([64, 65, 66, 77]));
    assert_eq!(rules.last().unwrap()["action"], json!("Ignore"));
}

#[test]
fn who_serves_mounts_the_artifact_or_copies_it_first() {
    let reference = format!("{REPOSITORY}@{}", digest("a"));
    for artifacts in [Artifacts::Mounted, Artifacts::Copied] {
        let hand = served(artifacts);
        assert_eq!(artifact(&hand).as_ref(), Some(&reference));
        let deployment = serde_json::to_value(hand.deployment("tiny")).unwrap();
        let pod = deployment.pointer(PATH).unwrap();
        let worker = &pod["containers"][0];
        let folder = worker["args"][2].as_str().unwrap();
        let (mount, volume) = (&worker["volumeMounts"][0], &pod["volumes"][0]);
        assert_eq!(mount["readOnly"], json!(true));
        assert!(folder.starts_with("/programs/b3-"), "{folder}");
        assert_eq!(pod.get("affinity"), None, "it may be on any node");
        match artifacts {
            Artifacts::Mounted => {
                assert_eq!(mount["mountPath"], json!(folder));
                assert_eq!(
                    volume["image"],
                    json!({ "reference": reference, "pullPolicy": "IfNotPresent" })
                );
                assert_eq!(pod.get("initContainers"), None);
            }
            Artifacts::Copied => {
                assert_eq!(mount["mountPath"], json!("/programs"));
                assert_eq!(*volume, json!({ "name": "programs", "emptyDir": {} }));
                let pull = &pod["initContainers"][0];
                assert_eq!(pull["command"], json!(["shardplane"]));
                assert_eq!(
                    pull["args"],
                    json!([
                        "artifact",
                        "pull",
                        reference,
                        folder,
                        "--credentials",
                        "/credentials"
                    ])
                );
                let sources = pod["volumes"][1]["projected"]["sources"]
                    .as_array()
                    .unwrap();
                let named = sources.iter().map(|source| &source["secret"]["name"]);
                assert_eq!(named.collect::<Vec<_>>(), ["one", "two"]);
                assert_eq!(pull["resources"]["limits"]["memory"], json!("1Gi"));
            }
        }
    }
}

#[test]
fn plain_http_is_asked_for_and_no_secret_is_none() {
    let mut hand = Hand::new();
    let mut build = build();
    build["store"] =
        json!({ "oci": { "repository": "registry:5000/programs", "plainHttp": true } });
    hand.build("tiny", &build);
    hand.turn();
    let job = serde_json::to_value(hand.job("tiny").as_ref()).unwrap();
    let pod = job.pointer(PATH).unwrap();
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--plain-http")), "{arguments:?}");
    assert_eq!(
        pod["volumes"][2],
        json!({ "name": "credentials", "emptyDir": {} })
    );
}

#[test]
fn what_the_pod_said_makes_it_built_and_stays_when_pod_and_job_are_gone() {
    let mut hand = Hand::new();
    hand.build("tiny", &build());
    hand.turn();
    hand.job_says("tiny", &json!({ "active": 1, "ready": 0 }));
    hand.turn();
    assert!(hand.says_of_build("tiny").contains("waits for its pod"));
    pod(&mut hand, "Pending", "builds");
    hand.turn();
    assert!(hand.says_of_build("tiny").contains("builds the program"));
    pod(&mut hand, "Running", "pushes");
    hand.turn();
    let said = hand.says_of_build("tiny");
    assert!(
        said.contains(&format!("pushes the program to {REPOSITORY}")),
        "{said}"
    );
    // A job's end is seen before its pod's.
    hand.job_ends("tiny", "Complete");
    assert_eq!(hand.turn(), ["build Building"]);
    assert_eq!(hand.turn(), [""; 0]);
    assert_eq!(artifact(&hand), None);
    pod(&mut hand, "Succeeded", &format!("{}\n", digest("b")));
    assert_eq!(hand.turn(), ["build ready Built"]);
    let reference = format!("{REPOSITORY}@{}", digest("b"));
    assert_eq!(artifact(&hand).as_ref(), Some(&reference));
    assert!(hand.says_of_build("tiny").contains(&reference));
    // What somebody says is lost is built again, and nobody takes it for built meanwhile.
    hand.annotate("tiny", REQUESTED_AT, "now");
    assert_eq!(hand.turn(), ["build Building"]);
    assert_eq!(artifact(&hand), None);
    let job = hand.job("tiny").name_any();
    assert_eq!(hand.turn().last(), Some(&format!("delete Job {job}")));
    assert_eq!(hand.turn().last(), Some(&format!("make Job {job}")));
    hand.job_ends("tiny", "Complete");
    pod(&mut hand, "Succeeded", &digest("b"));
    assert_eq!(hand.turn(), ["build ready Built"]);
    assert_eq!(artifact(&hand).as_ref(), Some(&reference));
    hand.world.pods.clear();
    assert_eq!(hand.turn(), [""; 0]);
    hand.world.jobs.clear();
    assert_eq!(hand.turn(), [""; 0], "what lies in a registry stays there");

    // In another repository it is not, nor on a claim; and what lies on a claim lies in no registry.
    let mut elsewhere = build();
    elsewhere["store"]["oci"]["repository"] = json!("registry.example/other");
    hand.build("tiny", &elsewhere);
    assert_eq!(hand.turn().len(), 2);
    assert_eq!(hand.world.jobs.len(), 1);
    hand.build("tiny", &tiny_build());
    hand.turn();
    hand.turn();
    hand.job_ends("tiny", "Complete");
    assert_eq!(hand.turn(), ["build ready Built"]);
    assert_eq!(artifact(&hand), None);
}

#[test]
fn a_digest_that_is_not_known_is_built_again_or_said() {
    // The pod that knew it is gone, the ones that failed are not; another job's is not asked.
    for other in [None, Some("Failed"), Some("of another")] {
        let mut hand = Hand::new();
        hand.build("tiny", &build());
        hand.turn();
        hand.job_ends("tiny", "Complete");
        let job = hand.job("tiny").name_any();
        match other {
            None => {}
            Some("of another") => {
                pod(&mut hand, "Succeeded", &digest("c"));
                let pods = hand.world.pods.get_mut(&at("tiny-pod")).unwrap();
                let owners = Arc::make_mut(pods).owner_references_mut();
                owners[0].uid = "another".to_owned();
            }
            Some(phase) => pod(&mut hand, phase, &digest("c")),
        }
        let expected = ["build Building".to_owned(), format!("delete Job {job}")];
        let turned = hand.turn();
        assert_eq!(turned.last(), expected.last(), "{other:?}: {turned:?}");
        assert!(hand.says_of_build("tiny").contains("its pod went"));
        let turned = hand.turn();
        assert_eq!(turned.last(), Some(&format!("make Job {job}")));
    }
    for said in ["", "pushed it", "sha256:abc"] {
        let mut hand = Hand::new();
        hand.build("tiny", &build());
        hand.turn();
        hand.job_ends("tiny", "Complete");
        pod(&mut hand, "Succeeded", said);
        assert_eq!(hand.turn(), ["build stalled ArtifactUnknown"], "{said}");
        let words = hand.says_of_build("tiny");
        assert!(words.contains("kubectl logs -n team tiny-pod"), "{words}");
        assert_eq!(hand.turn(), [""; 0]);
        hand.annotate("tiny", REQUESTED_AT, "now");
        let job = Place::of(hand.job("tiny").as_ref()).name;
        assert_eq!(hand.turn().last(), Some(&format!("delete Job {job}")));
    }
    let mut hand = Hand::new();
    hand.build("tiny", &build());
    hand.turn();
    hand.job_ends("tiny", "Failed");
    assert_eq!(hand.turn(), ["build stalled BuildFailed"]);
    assert!(hand.says_of_build("tiny").contains("--all-containers"));
}
