//! Objects of newer definitions: each says that it is not understood, and what serves goes on.
use std::sync::Arc;

use serde_json::json;

use super::{
    super::world::Place,
    declared::{named, tiny, tiny_build, with},
    hand::{Hand, at},
};

#[test]
fn a_model_that_is_not_understood_says_so_and_serves_on() {
    let mut hand = Hand::served();
    hand.model("other", &tiny());
    hand.newer("ShardedModel", "tiny");
    let turned = hand.turn();
    assert!(
        turned.contains(&"ShardedModel stalled NotUnderstood".to_owned()),
        "{turned:?}"
    );
    // Another is not hidden by it, and what it has is left.
    assert!(turned.contains(&"make ModelBuild other".to_owned()));
    assert!(
        !turned
            .iter()
            .any(|write| write.contains("delete") || write.ends_with(" tiny")),
        "{turned:?}"
    );
    let told = &hand.world.unread[0].conditions[0].message;
    for words in ["`future`", "upgrade the controller"] {
        assert!(told.contains(words), "{told}");
    }
    for _ in 0..2 {
        hand.turn();
    }
    assert_eq!(hand.turn(), [""; 0], "it is said once");
    assert!(hand.world.deployments.contains_key(&at("tiny")));
}

#[test]
fn what_a_model_that_is_not_understood_served_last_is_not_taken_away() {
    let mut hand = Hand::served();
    let old = hand.job("tiny").clone();
    hand.newer("ShardedModel", "tiny");
    hand.turn();
    // Its build has another program now, and the deployment that tells of the old one is gone.
    hand.world.deployments.clear();
    let mut build = tiny_build();
    build["precision"] = json!("Int8");
    hand.build("tiny", &build);
    hand.turn();
    let old = Place::of(old.as_ref());
    let new = hand.world.jobs.iter_mut().find(|(place, _)| **place != old);
    let (_, new) = new.expect("it is built anew");
    let complete = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
    Arc::make_mut(new).status = serde_json::from_value(complete).unwrap();
    assert_eq!(hand.turn(), ["build ready Built"]);
    assert_eq!(hand.turn(), [""; 0], "the old program is served");
}

#[test]
fn whatever_names_what_is_not_understood_waits_for_it() {
    // A build of its own: nothing is written over it.
    let mut hand = Hand::served();
    hand.newer("ModelBuild", "tiny");
    let turned = hand.turn();
    assert_eq!(
        turned,
        [
            "model stalled NotUnderstood",
            "ModelBuild stalled NotUnderstood"
        ]
    );
    assert!(hand.says("tiny").contains("of ModelBuild tiny, "));
    assert_eq!(hand.turn(), [""; 0]);

    // One that it names, and a group, of which the cards' part tells.
    let mut hand = Hand::new();
    hand.build("eight", &tiny_build());
    hand.model("tiny", &named("eight"));
    hand.newer("ModelBuild", "eight");
    assert_eq!(hand.turn()[0], "model stalled NotUnderstood");
    let mut hand = Hand::new();
    hand.group("quad", 4);
    hand.model("tiny", &with(|model| model["groupRef"] = json!("quad")));
    hand.newer("P2PGroup", "quad");
    assert_eq!(hand.turn(), ["model stalled NotUnderstood"]);
    assert!(hand.says("tiny").contains("of P2PGroup quad, "));
    assert_eq!(hand.turn(), [""; 0]);
}
