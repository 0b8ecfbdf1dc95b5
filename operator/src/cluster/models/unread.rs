//! Models and builds of newer definitions than this program knows: each says so, and what it has goes on as it is. Whatever
//! names one waits for it.
use super::{
    Verdict, stalled,
    world::{Made, Place, World},
    writes::{Kind, Write},
};
use crate::cluster::{
    condition::{self, Standing},
    controller::stands_there,
    read::{REASON, Unread},
};

/// What is to be said of each that is not understood, where it does not say so yet. Groups are told by the cards' part.
pub fn told(world: &World) -> Vec<Write> {
    let there = world.unread.iter();
    there
        .filter(|object| stands_there(&object.metadata))
        .filter_map(|object| {
            let kind = match object.kind.as_str() {
                "ShardedModel" => Kind::Model,
                "ModelBuild" => Kind::Made(Made::Build),
                _ => return None,
            };
            let generation = object.metadata.generation;
            let words = condition::standing(Standing::Stalled, REASON, object.sentence());
            let conditions =
                condition::conditions(&object.conditions, words, generation, world.now);
            let is_said = object.observed == generation && object.conditions == conditions;
            (!is_said).then(|| Write::Unread {
                object: object.clone(),
                kind,
                conditions,
            })
        })
        .collect()
}

/// What stands against whoever names this build, or would make it.
pub fn build(world: &World, place: &Place) -> Option<Verdict> {
    let is_it =
        |object: &Unread| object.kind == "ModelBuild" && Place::named(&object.metadata) == *place;
    waits(world, is_it)
}

/// What stands against whoever names this group.
pub fn group(world: &World, name: &str) -> Option<Verdict> {
    let is_it = |object: &Unread| {
        object.kind == "P2PGroup" && object.metadata.name.as_deref() == Some(name)
    };
    waits(world, is_it)
}

fn waits(world: &World, is_it: impl Fn(&Unread) -> bool) -> Option<Verdict> {
    let object = world.unread.iter().find(|object| is_it(object))?;
    let name = object.metadata.name.as_deref().unwrap_or_default();
    Some(stalled(
        REASON,
        format!(
            "what serves goes on as it is: of {} {name}, {}",
            object.kind,
            object.sentence()
        ),
    ))
}
