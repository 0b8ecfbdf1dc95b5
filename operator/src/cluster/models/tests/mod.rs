//! Turns of the models' part over worlds made by hand: what each is to write, in a word a write.
mod against;
mod claims;
pub mod declared;
mod evicted;
mod hand;
mod lost;
mod measured;
mod newer;
mod objects;
mod pushed;
mod room;

use kube_client::ResourceExt;
use serde_json::json;

use crate::cluster::names::{PROGRAM, REQUESTED_AT};
use declared::{claim, named, tiny, tiny_build, with};
use hand::{Hand, at};

#[test]
fn a_model_is_built_served_scaled_and_left() {
    let mut hand = Hand::new();
    hand.model("tiny", &tiny());
    assert_eq!(hand.turn(), ["model Building", "make ModelBuild tiny"]);
    let made = hand.turn();
    let job = hand.job("tiny").name_any();
    assert!(job.starts_with("tiny-") && job.len() == "tiny-".len() + 10);
    assert_eq!(
        made,
        [
            "model Building",
            "build Building",
            &format!("make Job {job}")
        ]
    );
    assert_eq!(hand.turn(), ["model Building", "build Building"]);
    assert!(hand.says("tiny").contains("waits for its pod"));
    assert_eq!(hand.turn(), [""; 0], "nothing has changed");

    hand.job_ends("tiny", "Complete");
    assert_eq!(
        hand.turn(),
        [
            "model Starting",
            "make Deployment tiny",
            "make Service tiny",
            "make PodDisruptionBudget tiny",
            "build ready Built"
        ]
    );
    assert_eq!(hand.turn(), [""; 0]);
    hand.pods_are("tiny", 2, 1);
    assert_eq!(hand.turn(), ["model Starting"]);
    hand.pods_are("tiny", 2, 2);
    assert_eq!(hand.turn(), ["model ready AsDeclared"]);
    assert_eq!(hand.says("tiny"), "2 of 2 replicas serve");
    assert_eq!(hand.turn(), [""; 0]);

    // As an autoscaler does, through the scale subresource.
    hand.model("tiny", &with(|model| model["replicas"] = json!(3)));
    assert_eq!(hand.turn(), ["model Starting", "change Deployment tiny"]);
    assert_eq!(hand.deployment("tiny").spec.replicas, Some(3));
    hand.pods_are("tiny", 3, 3);
    assert_eq!(hand.turn(), ["model ready AsDeclared"]);
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn what_somebody_changed_on_our_objects_is_put_back() {
    let mut hand = Hand::served();
    let deployment = hand.world.deployments.get_mut(&at("tiny")).unwrap();
    std::sync::Arc::make_mut(deployment).spec.replicas = Some(7);
    hand.world.services.remove(&at("tiny"));
    assert_eq!(
        hand.turn(),
        [
            "model Starting",
            "change Deployment tiny",
            "make Service tiny"
        ]
    );
}

#[test]
fn a_revision_is_built_before_anything_that_serves_is_touched() {
    let mut hand = Hand::served();
    let before = hand.deployment("tiny").annotations()[PROGRAM].clone();
    let old = hand.job("tiny").name_any();
    hand.model(
        "tiny",
        &with(|model| {
            model["precision"] = json!("Int8");
            model["replicas"] = json!(1);
        }),
    );
    assert_eq!(
        hand.turn(),
        ["model Building", "change ModelBuild tiny", "scale to 1"]
    );
    let made = hand.turn();
    assert!(made.contains(&"build Building".to_owned()), "{made:?}");
    assert_eq!(hand.world.jobs.len(), 2, "the old program is served");
    hand.turn();
    assert!(
        hand.says("tiny")
            .contains("2 replicas serve the program before")
    );
    assert_eq!(hand.deployment("tiny").annotations()[PROGRAM], before);

    let new = hand
        .world
        .jobs
        .keys()
        .find(|place| place.name != old)
        .unwrap()
        .clone();
    let job = hand.world.jobs.get_mut(&new).unwrap();
    let complete = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
    std::sync::Arc::make_mut(job).status = serde_json::from_value(complete).unwrap();
    let turned = hand.turn();
    assert!(
        turned.contains(&"change Deployment tiny".to_owned()),
        "{turned:?}"
    );
    assert_ne!(hand.deployment("tiny").annotations()[PROGRAM], before);
    assert_eq!(hand.world.jobs.len(), 2, "old pods serve on");
    hand.pods_are("tiny", 1, 1);
    assert_eq!(hand.turn(), ["model ready AsDeclared"]);
    assert_eq!(hand.turn(), [format!("delete Job {old}")]);
    assert_eq!(hand.turn(), [""; 0]);
}

#[test]
fn a_build_that_failed_says_why_and_is_tried_again_when_somebody_asks_or_changes_it() {
    let failed = || {
        let mut hand = Hand::new();
        hand.build("tiny", &tiny_build());
        hand.turn();
        hand.job_ends("tiny", "Failed");
        assert_eq!(hand.turn(), ["build stalled BuildFailed"]);
        assert_eq!(hand.turn(), [""; 0], "nothing is tried again");
        hand
    };
    let mut hand = failed();
    let job = hand.job("tiny").name_any();
    let status = hand.world.builds[&at("tiny")].status.clone().unwrap();
    let message = &status.conditions[0].message;
    for words in ["as told", &format!("kubectl logs -n team job/{job}")] {
        assert!(message.contains(words), "{message}");
    }
    hand.annotate("tiny", REQUESTED_AT, "now");
    let again = ["build Building".to_owned(), format!("delete Job {job}")];
    assert_eq!(hand.turn(), again);
    assert_eq!(hand.turn().last(), Some(&format!("make Job {job}")));
    // A build at work is left alone, whoever asks.
    hand.job_ends("tiny", "");
    hand.turn();
    hand.annotate("tiny", REQUESTED_AT, "later");
    assert_eq!(hand.turn(), [""; 0]);

    // More memory is the same program from another pod.
    let mut hand = failed();
    let mut build = tiny_build();
    build["pod"] = json!({ "resources": { "limits": { "memory": "8Gi" } } });
    hand.build("tiny", &build);
    assert_eq!(hand.turn(), again);
    hand.turn();
    hand.job_ends("tiny", "Complete");
    hand.turn();
    // What was built stays built.
    build["pod"] = json!({});
    hand.build("tiny", &build);
    assert_eq!(hand.turn(), ["build ready Built"]);
    // Unless somebody says that it is not.
    hand.annotate("tiny", REQUESTED_AT, "lost");
    assert_eq!(hand.turn(), again);
    hand.turn();
    hand.job_ends("tiny", "Complete");
    assert_eq!(hand.turn(), ["build ready Built"]);
    assert_eq!(hand.turn(), [""; 0]);
    // On another volume it is not.
    let (place, elsewhere) = claim("elsewhere", &["ReadWriteMany"]);
    hand.world.claims.insert(place, elsewhere);
    build["store"]["pvc"]["claim"] = json!("elsewhere");
    hand.build("tiny", &build);
    assert_eq!(hand.turn(), again);
}

#[test]
fn a_build_of_its_own_goes_when_another_is_served() {
    let mut hand = Hand::served();
    let mut build = tiny_build();
    build["precision"] = json!("Int8");
    hand.build("eight", &build);
    hand.turn();
    hand.job_ends("eight", "Complete");
    hand.model("tiny", &named("eight"));
    let turned = hand.turn();
    assert!(
        turned.contains(&"change Deployment tiny".to_owned()),
        "{turned:?}"
    );
    hand.deployment_says(
        "tiny",
        &json!({ "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2 }),
    );
    let turned = hand.turn();
    assert!(
        !turned.iter().any(|write| write.starts_with("delete")),
        "old pods serve on: {turned:?}"
    );
    hand.pods_are("tiny", 2, 2);
    assert_eq!(
        hand.turn(),
        ["model ready AsDeclared", "delete ModelBuild tiny"]
    );
}

/// What serves goes on in as many replicas as are declared, whatever stands against what would replace it.
#[test]
fn a_model_that_cannot_go_on_is_scaled_all_the_same() {
    let mut hand = Hand::served();
    let cards = with(|model| {
        model["target"] = json!("AI100");
        model["precision"] = json!("Fp16");
        model["replicas"] = json!(3);
    });
    hand.model("tiny", &cards);
    let mut did = hand.turn();
    did.sort();
    assert_eq!(did, ["model stalled DriverMissing", "scale to 3"]);
    assert_eq!(hand.turn(), [""; 0]);

    // Nor does what serves go with the build that it is from.
    let mut hand = Hand::new();
    hand.build("eight", &tiny_build());
    hand.turn();
    hand.job_ends("eight", "Complete");
    hand.model("tiny", &named("eight"));
    hand.turn();
    hand.turn();
    hand.pods_are("tiny", 2, 2);
    assert_eq!(hand.turn(), ["model ready AsDeclared"]);
    hand.world.builds.clear();
    hand.world.jobs.clear();
    assert_eq!(hand.turn(), ["model stalled BuildMismatch"]);
    let said = hand.says("tiny");
    let ends = "; meanwhile 2 replicas serve the program before";
    assert!(
        said.contains("no ModelBuild eight") && said.ends_with(ends),
        "{said}"
    );
}
