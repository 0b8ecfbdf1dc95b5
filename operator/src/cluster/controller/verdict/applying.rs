//! What is said of an object while its nodes are worked on, or wait for their turn beside others.
use crd::id::{NodeName, ObjectRef};

use super::{
    Seen, Verdict,
    standing::{NAMED, listed},
};
use crate::cluster::{condition::Standing, controller::rollout::Stand};

impl Seen<'_> {
    /// Some of its nodes are at work, and the turn of the others comes.
    pub(super) fn applying(
        &self,
        object: &ObjectRef,
        nodes: &[&NodeName],
        (working, next): (&[&NodeName], &[&NodeName]),
    ) -> Verdict {
        let names = |what: &str, names: &[&NodeName]| {
            (!names.is_empty()).then(|| format!("{what}: {}", listed(names)))
        };
        // Its agent may go on all the same, so that nobody takes its place before its steps' deadlines are over.
        let away = (working.iter())
            .find_map(|name| Some(format!("{name} is waited for: {}", self.world.away(name)?)));
        let (done, all) = (self.converged(object, nodes), nodes.len());
        let said = [
            Some(format!("{done} of {all} nodes are as declared")),
            names("at work", working),
            names("next", next),
            away,
            working.is_empty().then(|| self.at_work_before()).flatten(),
            self.ending(nodes),
            self.paused(nodes),
        ];
        (
            Standing::Working,
            "Applying".to_owned(),
            said.into_iter().flatten().collect::<Vec<_>>().join("; "),
        )
    }

    /// Their turn has not come, and nobody is at work: a rollout is opened for them, or those before them wait for something.
    pub(super) fn queued(&self, nodes: &[&NodeName]) -> Verdict {
        let order = (self.course.current.iter()).flat_map(|current| &current.spec.order);
        let before = order.take_while(|name| !nodes.contains(name));
        let waits = before.filter_map(|name| {
            let what = match self.course.stands.get(name)? {
                Stand::Approval(_) => "approval",
                Stand::Window(_) => "its window",
                Stand::Paused(_) => "the end of a pause",
                Stand::Away(_) => "its Node",
                Stand::Converged
                | Stand::Working
                | Stand::Begins
                | Stand::Queued
                | Stand::Failed(_)
                | Stand::Stopped(_) => return None,
            };
            Some(format!("{name}, which waits for {what}"))
        });
        let waits: Vec<String> = waits.take(NAMED).collect();
        let (reason, message) = if waits.is_empty() || self.course.open.is_some() {
            let message = format!("a rollout is being opened for {}", listed(nodes));
            ("Planning", message)
        } else {
            let message = format!(
                "the turn of {} comes after {}",
                listed(nodes),
                waits.join("; ")
            );
            ("AwaitingTurn", message)
        };
        (Standing::Working, reason.to_owned(), message)
    }

    /// Whom nodes wait for whose turn comes, where none of an object's own is at work.
    fn at_work_before(&self) -> Option<String> {
        let working = (self.course.stands.iter())
            .filter(|(_, stand)| matches!(stand, Stand::Working | Stand::Begins));
        let names: Vec<String> = working
            .take(NAMED)
            .map(|(name, _)| match self.world.away(name) {
                Some(why) => format!("{name} ({why})"),
                None => name.to_string(),
            })
            .collect();
        (!names.is_empty()).then(|| format!("at work before: {}", names.join(", ")))
    }
}
