//! Differences between two recordings as text, grouped by what they are about.
use std::{fmt::Write as _, path::Path};

use crd::difference::{Change, ChangeSort, Recorded, SnapshotDifference};

use super::{plan::Detail, words::counted};
use crate::console::{Paint, Tone};

/// The difference between the recordings of two files.
pub fn text(found: &SnapshotDifference, files: [&Path; 2], detail: Detail, paint: Paint) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "--- {}\n+++ {}",
        files[0].display(),
        files[1].display()
    );
    let mut total = 0;
    for node in &found.nodes {
        let named = |side: &Option<Recorded>| {
            let side = side.as_ref();
            side.map_or_else(|| "not there".to_owned(), |side| side.node.to_string())
        };
        let (before, after) = (named(&node.before), named(&node.after));
        let alone = node.before.is_none() || node.after.is_none();
        total += node.changes.len() + usize::from(alone);
        if !node.changes.is_empty() || alone {
            let title = if before == after {
                format!("Node {before}")
            } else {
                format!("Node {before} -> {after}")
            };
            let _ = writeln!(out, "\n{}", paint.tone(Tone::Strong, title));
        }
        // A fact that is read from elsewhere says the same; it is counted, and shown to those who ask for everything.
        let (shown, elsewhere): (Vec<&Change>, Vec<&Change>) = (node.changes.iter())
            .partition(|change| change.sort != ChangeSort::Source || detail == Detail::Wide);
        let mut subject = "";
        for change in &shown {
            if change.subject != subject {
                subject = &change.subject;
                let _ = writeln!(out, "  {subject}");
            }
            let _ = writeln!(out, "{}", line(change, detail, paint));
        }
        if !elsewhere.is_empty() {
            let _ = writeln!(
                out,
                "  {} read from somewhere else (-o wide lists them)",
                counted(elsewhere.len(), "fact")
            );
        }
    }
    let _ = writeln!(out, "\n{}.", counted(total, "difference"));
    out
}

fn line(change: &Change, detail: Detail, paint: Paint) -> String {
    let (mark, tone) = match change.sort {
        ChangeSort::Added => ("+", Tone::Create),
        ChangeSort::Removed => ("-", Tone::Delete),
        ChangeSort::Changed => ("~", Tone::Update),
        ChangeSort::Source => (" ", Tone::Dim),
    };
    let field = if change.field.is_empty() {
        String::new()
    } else {
        format!("{:<24}  ", change.field)
    };
    let text = format!("    {}  {field}{}", paint.tone(tone, mark), change.words);
    match (
        detail,
        change
            .after_pointer
            .as_ref()
            .or(change.before_pointer.as_ref()),
    ) {
        (Detail::Wide, Some(pointer)) => {
            format!("{text:<72}  {}", paint.tone(Tone::Dim, pointer))
        }
        (Detail::Wide | Detail::Normal, _) => text,
    }
}
