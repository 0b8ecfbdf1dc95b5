//! What a rack shows otherwise than the recording that it was made of, a line for each fact.
use crd::replica::{ReplicaNode, ReplicaSort, ShownOtherwise, ShownWhen};

/// Places that a line names; a document names all.
const NAMED: usize = 3;

/// One server's lines: what no fact says, then fact by fact.
pub fn lines(node: &ReplicaNode) -> Vec<String> {
    let notes = node.notes.iter().cloned();
    notes.chain(node.facts.iter().map(line)).collect()
}

fn line(fact: &ShownOtherwise) -> String {
    let ShownOtherwise {
        sort,
        when,
        field,
        pointers: _,
        subjects,
        recorded,
        shown,
    } = fact;
    let of = few(subjects);
    let (recorded, shown) = (few(recorded), few(shown));
    let when = match when {
        ShownWhen::AtOnce => "the rack shows",
        ShownWhen::Later => "after a reset and a boot the rack shows",
    };
    match sort {
        ReplicaSort::Unknown => {
            format!("{field} ({of}) is {recorded} in the recording; {when} {shown}")
        }
        ReplicaSort::Value => format!("{field} ({of}) was recorded as {recorded}; {when} {shown}"),
        ReplicaSort::Source => {
            format!(
                "{field} ({of}) says the same, read from {shown} there and from {recorded} in the recording"
            )
        }
    }
}

/// The first few of a list, and how many more there are.
fn few(list: &[String]) -> String {
    let named: Vec<&str> = list.iter().take(NAMED).map(String::as_str).collect();
    let named = named.join(", ");
    match list.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
