//! Why a document keeps its own layout: the first thing in it that cannot be moved without losing something.
use std::ops::Range;

use granit_parser::{Event, ScalarStyle, StructureStyle};

/// What cannot be moved, and where it stands; the whole document where it is the place of comments.
pub(super) fn reason(text: &str) -> (Range<usize>, &'static str) {
    let mut open: Vec<Open> = Vec::new();
    let mut before = 0..0;
    for event in super::events(text) {
        let Ok((event, span)) = event else { break };
        let range = span.byte_range().unwrap_or_default();
        let is_key = matches!(open.last(), Some(Open::Map { key: true }));
        let in_brackets = open.contains(&Open::Brackets);
        if let Some(what) = unmoved(&event, &text[range.clone()], is_key, open.is_empty()) {
            // A block's own place is its first entry; what names it stands beside the key above.
            return (if is_block(&event) { before } else { range }, what);
        }
        before = range;
        match event {
            Event::Scalar(..) | Event::Alias(_) => turn(&mut open),
            Event::MappingStart(style, ..) | Event::SequenceStart(style, ..) => {
                turn(&mut open);
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(match style {
                    _ if in_brackets => Open::Brackets,
                    StructureStyle::Flow => Open::Brackets,
                    StructureStyle::Block if is_map => Open::Map { key: true },
                    StructureStyle::Block => Open::List,
                });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    let bare = |line: &&str| line.trim().is_empty() || line.starts_with(['#', '%', '-']);
    let above: usize = (text.split_inclusive('\n').take_while(bare))
        .map(str::len)
        .sum();
    let line = text[above..].lines().next().unwrap_or_default();
    (
        above..above + line.len(),
        "a comment or a directive stands where no other layout has a place for it",
    )
}

/// What stands open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Map { key: bool },
    List,
    Brackets,
}

fn is_block(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::MappingStart(StructureStyle::Block, ..)
            | Event::SequenceStart(StructureStyle::Block, ..)
    )
}

/// After a key comes a value, and after a value a key.
fn turn(open: &mut [Open]) {
    if let Some(Open::Map { key }) = open.last_mut() {
        *key = !*key;
    }
}

fn unmoved(event: &Event<'_>, written: &str, is_key: bool, is_root: bool) -> Option<&'static str> {
    const ANCHOR: &str = "a value that `&name` names has to stand before `*name` repeats it";
    const KEY: &str = "a key is more than text on one line";
    match event {
        Event::Alias(_) => Some(ANCHOR),
        Event::Scalar(_, _, anchor, _)
        | Event::MappingStart(_, anchor, _)
        | Event::SequenceStart(_, anchor, _)
            if *anchor != 0 =>
        {
            Some(ANCHOR)
        }
        Event::Scalar(.., Some(_))
        | Event::MappingStart(.., Some(_))
        | Event::SequenceStart(.., Some(_)) => Some("a tag, `!name`, stands before a value"),
        Event::MappingStart(StructureStyle::Flow, ..) if is_root => {
            Some("it is written in brackets")
        }
        Event::MappingStart(..) | Event::SequenceStart(..) if is_key => Some(KEY),
        Event::Scalar(_, style, ..)
            if is_key
                && (matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
                    || written.is_empty()
                    || written.contains('\n')) =>
        {
            Some(KEY)
        }
        _ => None,
    }
}
