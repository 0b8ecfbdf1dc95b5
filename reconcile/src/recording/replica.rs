//! A recording against what a rack made of it shows: facts that are otherwise there, each once with its places.
use crd::{
    difference::{Change, ChangeSort},
    replica::{ReplicaSort, ShownOtherwise, ShownWhen},
    snapshot::HardwareSnapshot,
};
use serde_json::Value;

use super::{difference, subject::value};

/// What the rack shows otherwise: in its first look, and of what the recording does not know in one that was taken when
/// every SoC was reset and the server had booted again. What is known changes then as it would anywhere.
pub fn shown_otherwise(
    recorded: &HardwareSnapshot,
    at_once: &HardwareSnapshot,
    later: &HardwareSnapshot,
) -> Vec<ShownOtherwise> {
    let mut found: Vec<ShownOtherwise> = Vec::new();
    let first = difference(recorded, at_once);
    for change in &first {
        add(&mut found, change, ShownWhen::AtOnce);
    }
    let told = |change: &Change| {
        first
            .iter()
            .any(|known| known.before_pointer == change.before_pointer)
    };
    for change in difference(recorded, later) {
        if sort(&change) == ReplicaSort::Unknown && !told(&change) {
            add(&mut found, &change, ShownWhen::Later);
        }
    }
    found
}

fn add(found: &mut Vec<ShownOtherwise>, change: &Change, when: ShownWhen) {
    let pointer = change
        .before_pointer
        .as_ref()
        .or(change.after_pointer.as_ref());
    let pointer = pointer.cloned().unwrap_or_default();
    let (sort, field) = (sort(change), anywhere(&pointer));
    let known = found
        .iter()
        .position(|other| other.sort == sort && other.when == when && other.field == field);
    let at = known.unwrap_or_else(|| {
        found.push(ShownOtherwise {
            sort,
            when,
            field,
            pointers: Vec::new(),
            subjects: Vec::new(),
            recorded: Vec::new(),
            shown: Vec::new(),
        });
        found.len() - 1
    });
    let Some(fact) = found.get_mut(at) else {
        return;
    };
    fact.pointers.push(pointer);
    fact.subjects.push(change.subject.clone());
    for (list, said) in [
        (&mut fact.recorded, value(change.before.as_ref())),
        (&mut fact.shown, value(change.after.as_ref())),
    ] {
        if !list.contains(&said) {
            list.push(said);
        }
    }
}

/// A fact that has no value in the recording and has one on the rack is made up there.
fn sort(change: &Change) -> ReplicaSort {
    let has = |side: &Option<Value>, what: &str| {
        side.as_ref().is_some_and(|side| side.get(what).is_some())
    };
    match change.sort {
        ChangeSort::Source => ReplicaSort::Source,
        ChangeSort::Changed if has(&change.before, "unknown") && has(&change.after, "value") => {
            ReplicaSort::Unknown
        }
        ChangeSort::Added | ChangeSort::Removed | ChangeSort::Changed => ReplicaSort::Value,
    }
}

/// A pointer with its places in lists left open.
fn anywhere(pointer: &str) -> String {
    let open = |part: &str| {
        let place = !part.is_empty() && part.bytes().all(|letter| letter.is_ascii_digit());
        if place {
            "*".to_owned()
        } else {
            part.to_owned()
        }
    };
    let parts: Vec<String> = pointer.split('/').map(open).collect();
    parts.join("/")
}
