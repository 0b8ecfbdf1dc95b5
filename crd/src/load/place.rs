//! Where every key and value of a document stands, from the parser's events.
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

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
}

/// Escapes one step of a JSON pointer.
pub(crate) fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// One open list or mapping.
struct Open {
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
        seen: HashMap<String, Range<usize>>,
    },
    /// A list or mapping that stands where a key should.
    OddKey,
}

struct Key {
    text: String,
    range: Range<usize>,
    shadowed: bool,
}

impl Places {
    /// Reads the events of one document that begins at byte `origin` of its source.
    pub(crate) fn read(text: &str, origin: usize) -> Result<Self, ScanError> {
        let mut places = Self::default();
        let mut open: Vec<Open> = Vec::new();
        let options = granit_parser::options! { emit_comments: false };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event?;
            let range = shifted(&span, origin);
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
                    let range = opening(style, range);
                    let (pointer, shadowed, odd) =
                        places.node(&mut open, range, Notation::Collection, None);
                    let kind = if odd {
                        OpenKind::OddKey
                    } else {
                        OpenKind::List { next: 0 }
                    };
                    open.push(Open {
                        pointer,
                        shadowed,
                        kind,
                    });
                }
                Event::MappingStart(style, ..) => {
                    let range = opening(style, range);
                    let (pointer, shadowed, odd) =
                        places.node(&mut open, range, Notation::Collection, None);
                    let kind = if odd {
                        OpenKind::OddKey
                    } else {
                        OpenKind::Map {
                            key: None,
                            seen: HashMap::new(),
                        }
                    };
                    open.push(Open {
                        pointer,
                        shadowed,
                        kind,
                    });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                }
                _ => {}
            }
        }
        Ok(places)
    }

    /// Takes one node: as a key where a mapping wants one, else as a value. Answers its pointer, whether it is shadowed, and
    /// whether it is an odd key.
    fn node(
        &mut self,
        open: &mut [Open],
        range: Range<usize>,
        notation: Notation,
        scalar: Option<&str>,
    ) -> (String, bool, bool) {
        let Some(parent) = open.last_mut() else {
            self.store(String::new(), None, range, notation, false);
            return (String::new(), false, false);
        };
        match &mut parent.kind {
            OpenKind::OddKey => (String::new(), true, true),
            OpenKind::List { next } => {
                let pointer = format!("{}/{next}", parent.pointer);
                *next += 1;
                let shadowed = parent.shadowed;
                self.store(pointer.clone(), None, range, notation, shadowed);
                (pointer, shadowed, false)
            }
            OpenKind::Map { key, seen } => match key.take() {
                Some(key) => {
                    let pointer = format!("{}/{}", parent.pointer, escape(&key.text));
                    let shadowed = parent.shadowed || key.shadowed;
                    self.store(pointer.clone(), Some(key.range), range, notation, shadowed);
                    (pointer, shadowed, false)
                }
                None => {
                    let mut shadowed = false;
                    let empty = matches!(scalar, Some("" | "~" | "null" | "Null" | "NULL"));
                    let odd = scalar.is_none();
                    let text = scalar.unwrap_or_default().to_owned();
                    if odd || (empty && notation == Notation::Plain) {
                        self.odd_keys.push(range.clone());
                        shadowed = true;
                    } else if text == "<<" && notation == Notation::Plain {
                        self.merges.push(range.clone());
                        shadowed = true;
                    } else if let Some(first) = seen.get(&text) {
                        if !parent.shadowed {
                            self.duplicates
                                .push((text.clone(), first.clone(), range.clone()));
                        }
                        shadowed = true;
                    } else {
                        seen.insert(text.clone(), range.clone());
                    }
                    *key = Some(Key {
                        text,
                        range,
                        shadowed,
                    });
                    (String::new(), true, odd)
                }
            },
        }
    }

    fn store(
        &mut self,
        pointer: String,
        key: Option<Range<usize>>,
        value: Range<usize>,
        notation: Notation,
        shadowed: bool,
    ) {
        if !shadowed {
            self.by_pointer.insert(
                pointer,
                Place {
                    key,
                    value,
                    notation,
                },
            );
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
