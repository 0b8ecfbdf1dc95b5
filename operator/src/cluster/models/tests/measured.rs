//! What is told of models and builds to those who watch, as they come, stand still and go.
use serde_json::json;

use super::{
    super::measures::{Replicas, measures},
    declared::with,
    hand::{Hand, at},
};
use crate::cluster::controller::Lasting;

/// What waits, what is stuck, and of each model how many replicas are wanted and ready.
#[derive(Debug, PartialEq)]
struct Told(Vec<String>, Vec<String>, Vec<String>);

fn told(hand: &Hand) -> Told {
    let told = measures(&hand.world);
    let words = |of: &[Lasting]| {
        let word =
            |one: &Lasting| format!("{} {} {} {}", one.kind, one.name, one.reason, one.since);
        of.iter().map(word).collect()
    };
    let count = |(name, replicas): (&String, &Replicas)| {
        let Replicas {
            wanted,
            ready,
            restarts,
        } = replicas;
        let again = match restarts {
            0 => String::new(),
            _ => format!(", {restarts} starts again"),
        };
        format!("{name} {ready} of {wanted}{again}")
    };
    Told(
        words(&told.waiting),
        words(&told.stalled),
        told.replicas.iter().map(count).collect(),
    )
}

#[test]
fn whatever_stands_still_is_told_with_its_reason_and_goes_with_its_object() {
    let is = |of: &[&str]| -> Vec<String> { of.iter().map(|word| (*word).to_owned()).collect() };
    let mut hand = Hand::served();
    let all_well = Told(is(&[]), is(&[]), is(&["team/tiny 2 of 2"]));
    assert_eq!(told(&hand), all_well);

    // It works, and is not stuck.
    hand.world.now = machine::Timestamp(60_000);
    hand.pods_are("tiny", 2, 1);
    hand.turn();
    let starts = is(&["ShardedModel team/tiny Starting 60"]);
    let works = Told(starts, is(&[]), is(&["team/tiny 1 of 2"]));
    assert_eq!(told(&hand), works);

    // Another is stuck with its build, and then is not understood.
    hand.model("other", &with(|model| model["shards"] = json!(4)));
    hand.turn();
    hand.turn();
    hand.job_ends("other", "Failed");
    hand.turn();
    hand.turn();
    let Told(waiting, stalled, replicas) = told(&hand);
    let stuck = is(&[
        "ShardedModel team/other BuildFailed 60",
        "ModelBuild team/other BuildFailed 60",
    ]);
    assert_eq!(stalled, stuck);
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    assert_eq!(replicas, ["team/other 0 of 2", "team/tiny 1 of 2"]);
    hand.newer("ShardedModel", "other");
    hand.turn();
    let Told(_, stalled, replicas) = told(&hand);
    let unread = "ShardedModel team/other NotUnderstood 60".to_owned();
    assert!(stalled.contains(&unread), "{stalled:?}");
    let known = ["team/tiny 1 of 2"];
    assert_eq!(replicas, known, "how many the other wants is not");

    hand.world.unread.clear();
    hand.world.builds.clear();
    hand.world.models.remove(&at("tiny"));
    assert_eq!(told(&hand), Told(is(&[]), is(&[]), is(&[])));
}

#[test]
fn starts_again_are_counted_over_all_pods_of_a_model() {
    let mut hand = Hand::served();
    for (name, label, restarts) in [("a", "tiny", 2), ("b", "tiny", 3), ("c", "other", 5)] {
        let pod = json!({
            "metadata": { "name": name, "namespace": "team", "labels": { "shardplane.dev/model": label } },
            "status": { "containerStatuses": [
                { "name": "worker", "image": "", "imageID": "", "ready": true, "restartCount": restarts },
            ] },
        });
        let pod = serde_json::from_value(pod).unwrap();
        hand.world.pods.insert(at(name), std::sync::Arc::new(pod));
    }
    let Told(_, _, replicas) = told(&hand);
    assert_eq!(replicas, ["team/tiny 2 of 2, 5 starts again"]);
}
