//! Where every key and value of a document stands, from the parser's events.
use std::{collections::BTreeMap, ops::Range};

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::{
    limits::{MOST_DOCUMENTS, MOST_LISTED, MOST_NODES, MOST_PROBLEMS},
    opened::{Broken, Unread},
};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// A scalar without quotes, whose text decides its type.
    Plain,
    /// A scalar in quotes or as a block: always text.
    Text,
    /// A list or mapping.
    Collection,
    /// `*name`.
    Alias,
}

/// Where one value stands, in bytes of the whole source.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its key; absent for list items and the document.
    pub(crate) key: Option<Range<usize>>,
    /// The value.
    pub(crate) value: Range<usize>,
    /// How it is written.
    pub(crate) notation: Notation,
}

impl Place {
    /// What a person looks at: the value of a scalar, the key of a list or mapping.
    pub(crate) fn spot(&self) -> Range<usize> {
        match (self.notation, &self.key) {
            (Notation::Collection, Some(key)) => key.clone(),
            (Notation::Plain | Notation::Text | Notation::Alias | Notation::Collection, _) => {
                self.value.clone()
            }
        }
    }
}

/// Everything that the events of one document tell and its value does not.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Places by JSON pointer; of a key given twice, the first.
    pub(crate) by_pointer: BTreeMap<String, Place>,
    /// Keys given twice: text, first place, second place.
    pub(crate) duplicates: Vec<(String, Range<usize>, Range<usize>)>,
    /// Merge keys.
    pub(crate) merges: Vec<Range<usize>>,
    /// Keys that are no text.
    pub(crate) odd_keys: Vec<Range<usize>>,
    /// Further ones of these three kinds, beyond what is shown of one document.
    pub(crate) more: usize,
    /// Values and keys as written.
    pub(crate) nodes: usize,
    /// Most that may be written and repeated.
    pub(crate) most: usize,
}

/// The list whose entries are documents, where one is open: the document itself, or the `items` of a `List`.
fn listed(open: &[Open]) -> Option<&Open> {
    let is_list = |open: &&Open| matches!(open.kind, OpenKind::List { .. });
    let root = open.first().filter(is_list);
    let items = || open.get(1).filter(|open| open.pointer == "/items");
    root.or_else(|| items().filter(is_list))
}

/// Escapes one step of a JSON pointer.
pub(crate) fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// One open list or mapping.
struct Open {
    /// Its bracket, where it has one.
    bracket: Option<usize>,
    pointer: String,
    /// Not stored: inside a repeated key, a merge or a key that is no text.
    shadowed: bool,
    kind: OpenKind,
}

enum OpenKind {
    List {
        next: usize,
    },
    Map {
        key: Option<Key>,
        seen: BTreeMap<String, Range<usize>>,
    },
    /// A list or mapping that stands where a key should.
    OddKey,
}

/// What a node turned out to be.
enum Stands {
    AsKey,
    AsValue { pointer: String, shadowed: bool },
}

struct Key {
    text: String,
    range: Range<usize>,
    shadowed: bool,
}

impl Places {
    /// Reads the events of one document that begins at byte `origin` of its source.
    pub(crate) fn read(text: &str, origin: usize) -> Result<Self, Unread> {
        let mut places = Self {
            most: MOST_NODES,
            ..Self::default()
        };
        let mut open: Vec<Open> = Vec::new();
        let mut told = origin;
        let options = granit_parser::options! { emit_comments: false };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| {
                let brackets = brackets(&open, text, origin);
                Unread::Broken(Box::new(Broken {
                    error,
                    brackets,
                    told,
                }))
            })?;
            let range = shifted(&span, origin);
            told = range.end;
            if places.nodes > places.most {
                return Err(Unread::TooLarge {
                    at: range.start,
                    most: places.most,
                });
            }
            if let Some(Open {
                kind: OpenKind::List { next },
                ..
            }) = listed(&open)
                && *next > MOST_DOCUMENTS
            {
                return Err(Unread::TooManyDocuments { at: range.start });
            }
            match event {
                Event::Scalar(scalar, style, _, _) => {
                    let notation = match style {
                        ScalarStyle::Plain => Notation::Plain,
                        _ => Notation::Text,
                    };
                    places.node(&mut open, range, notation, Some(&scalar));
                }
                Event::Alias(_) => {
                    places.node(&mut open, range, Notation::Alias, None);
                }
                Event::SequenceStart(style, ..) => {
                    let list = OpenKind::List { next: 0 };
                    places.collection(&mut open, opening(style, range), style, list);
                    if listed(&open).is_some() {
                        places.most = MOST_LISTED;
                    }
                }
                Event::MappingStart(style, ..) => {
                    let map = OpenKind::Map {
                        key: None,
                        seen: BTreeMap::new(),
                    };
                    places.collection(&mut open, opening(style, range), style, map);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                }
                _ => {}
            }
        }
        Ok(places)
    }

    /// Takes the start of a list or mapping.
    fn collection(
        &mut self,
        open: &mut Vec<Open>,
        range: Range<usize>,
        style: StructureStyle,
        kind: OpenKind,
    ) {
        let bracket = (style == StructureStyle::Flow).then_some(range.start);
        let opened = match self.node(open, range, Notation::Collection, None) {
            Stands::AsKey => Open {
                bracket,
                pointer: String::new(),
                shadowed: true,
                kind: OpenKind::OddKey,
            },
            Stands::AsValue { pointer, shadowed } => Open {
                bracket,
                pointer,
                shadowed,
                kind,
            },
        };
        open.push(opened);
    }

    /// Takes one node: as a key where a mapping wants one, else as a value.
    fn node(
        &mut self,
        open: &mut [Open],
        range: Range<usize>,
        notation: Notation,
        scalar: Option<&str>,
    ) -> Stands {
        self.nodes += 1;
        let (pointer, key, shadowed) = match open.last_mut() {
            None => (String::new(), None, false),
            Some(parent) => match &mut parent.kind {
                OpenKind::OddKey => return Stands::AsKey,
                OpenKind::List { next } => {
                    let pointer = format!("{}/{next}", parent.pointer);
                    *next += 1;
                    (pointer, None, parent.shadowed)
                }
                OpenKind::Map { key, seen } => {
                    let Some(key) = key.take() else {
                        *key = Some(self.key(seen, parent.shadowed, range, notation, scalar));
                        return Stands::AsKey;
                    };
                    let pointer = format!("{}/{}", parent.pointer, escape(&key.text));
                    (pointer, Some(key.range), parent.shadowed || key.shadowed)
                }
            },
        };
        if !shadowed {
            let place = Place {
                key,
                value: range,
                notation,
            };
            self.by_pointer.insert(pointer.clone(), place);
        }
        Stands::AsValue { pointer, shadowed }
    }

    /// Takes one key, and remembers what is wrong with it.
    fn key(
        &mut self,
        seen: &mut BTreeMap<String, Range<usize>>,
        hidden: bool,
        range: Range<usize>,
        notation: Notation,
        scalar: Option<&str>,
    ) -> Key {
        let text = scalar.unwrap_or_default().to_owned();
        let plain = notation == Notation::Plain;
        let nothing = matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        let mut shadowed = true;
        let problems = self.odd_keys.len() + self.merges.len() + self.duplicates.len();
        let full = problems >= MOST_PROBLEMS;
        if scalar.is_none() || (plain && nothing) {
            self.more += usize::from(full);
            // The first is kept whatever was found before: it is why there is no value.
            if !full || self.odd_keys.is_empty() {
                self.odd_keys.push(range.clone());
            }
        } else if plain && text == "<<" {
            self.more += usize::from(full);
            if !full || self.merges.is_empty() {
                self.merges.push(range.clone());
            }
        } else if let Some(first) = seen.get(&text) {
            self.more += usize::from(full && !hidden);
            if !hidden && !full {
                self.duplicates
                    .push((text.clone(), first.clone(), range.clone()));
            }
        } else {
            seen.insert(text.clone(), range.clone());
            shadowed = false;
        }
        Key {
            text,
            range,
            shadowed,
        }
    }

    /// The place of a pointer, or of the nearest value around it.
    pub(crate) fn nearest(&self, pointer: &str) -> Option<&Place> {
        let mut at = pointer;
        loop {
            if let Some(place) = self.by_pointer.get(at) {
                return Some(place);
            }
            at = &at[..at.rfind('/')?];
        }
    }
}

/// Where the brackets stand that are open: a pair alone in a list, `[a: b]`, is a mapping without any.
fn brackets(open: &[Open], text: &str, origin: usize) -> Vec<usize> {
    let is_one = |at: &usize| matches!(text.as_bytes().get(at - origin), Some(b'[' | b'{'));
    let brackets = open.iter().filter_map(|open| open.bracket);
    brackets.filter(is_one).collect()
}

fn shifted(span: &Span, origin: usize) -> Range<usize> {
    let range = span.byte_range().unwrap_or_default();
    range.start + origin..range.end + origin
}

/// A block collection has no opening mark of its own; its place is where its first entry begins.
fn opening(style: StructureStyle, range: Range<usize>) -> Range<usize> {
    match style {
        StructureStyle::Flow => range.start..range.start + 1,
        StructureStyle::Block => range,
    }
}
