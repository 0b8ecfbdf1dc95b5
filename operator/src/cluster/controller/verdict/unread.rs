//! Objects of newer definitions than this program knows: each says so, and nothing new begins anywhere, for what they ask
//! may be just what must not happen.
use super::{Seen, Verdict};
use crate::cluster::{
    condition::{self, Standing},
    controller::{world::stands_there, writes::Write},
    names::REVERTS,
    read::REASON,
};

impl Seen<'_> {
    /// What is to be said of each that is not understood, where it does not say so yet.
    pub(super) fn unread(&self) -> Vec<Write> {
        let there = self.world.unread.iter();
        there
            .filter(|object| {
                // One that is deleted and kept says why it stays.
                let kept = object.metadata.finalizers.iter().flatten();
                stands_there(&object.metadata) || kept.clone().any(|name| name == REVERTS)
            })
            .filter_map(|object| {
                let generation = object.metadata.generation;
                let words = condition::standing(Standing::Stalled, REASON, object.sentence());
                let conditions =
                    condition::conditions(&object.conditions, words, generation, self.world.now);
                let is_said = object.observed == generation && object.conditions == conditions;
                (!is_said).then(|| Write::Unread {
                    object: object.clone(),
                    conditions,
                })
            })
            .collect()
    }

    /// Why nothing new begins for whatever else is declared.
    pub(super) fn waits_for_unread(&self) -> Option<Verdict> {
        let object = self.world.unread.first()?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        Some((
            Standing::Stalled,
            REASON.to_owned(),
            format!(
                "nothing new begins on any node: of {} {name}, {}",
                object.kind,
                object.sentence()
            ),
        ))
    }
}
