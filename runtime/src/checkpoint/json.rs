//! JSON whose objects say everything once: a key that comes twice is seen, where the usual reader keeps the last.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::CheckpointError;

/// A JSON value as it was written: its objects have every key as often as it comes.
pub(super) enum Written {
    Plain(Value),
    List(Vec<Written>),
    Object(Vec<(String, Written)>),
}

/// What becomes of a key that comes again in one object.
#[derive(Clone, Copy)]
pub(super) enum Repeats {
    /// It is refused.
    Refused,
    /// It may say the same again.
    Same,
}

impl Written {
    /// The value, or the first key that comes again and may not.
    pub(super) fn value(self, repeats: Repeats) -> Result<Value, String> {
        match self {
            Self::Plain(value) => Ok(value),
            Self::List(values) => values
                .into_iter()
                .map(|value| value.value(repeats))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Self::Object(entries) => map(entries, repeats).map(Value::Object),
        }
    }
}

fn map(entries: Vec<(String, Written)>, repeats: Repeats) -> Result<Map<String, Value>, String> {
    let mut map = Map::new();
    for (key, value) in entries {
        let value = value.value(repeats)?;
        match (map.get(&key), repeats) {
            (None, _) => drop(map.insert(key, value)),
            (Some(earlier), Repeats::Same) if *earlier == value => {}
            (Some(_), Repeats::Same | Repeats::Refused) => return Err(key),
        }
    }
    Ok(map)
}

/// The object that a file holds, where no key has two values.
pub(super) fn object(path: &Path, text: &[u8]) -> Result<Map<String, Value>, CheckpointError> {
    map(entries(path, text)?, Repeats::Same).map_err(|key| CheckpointError::Repeated {
        path: path.to_path_buf(),
        key,
    })
}

/// The keys and values of the object that a file holds.
pub(super) fn entries(path: &Path, text: &[u8]) -> Result<Vec<(String, Written)>, CheckpointError> {
    serde_json::from_slice(text)
        .map(|Entries(entries)| entries)
        .map_err(|source| CheckpointError::json(path, source))
}

struct Entries(Vec<(String, Written)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Entries;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entries, A::Error> {
                collect(map).map(Entries)
            }
        }
        from.deserialize_map(Whole)
    }
}

fn collect<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(String, Written)>, A::Error> {
    let mut entries = Vec::new();
    while let Some(entry) = map.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Written;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
        Ok(Written::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
        Ok(Written::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
        // JSON has no number that is not finite, so nothing is lost.
        let number = Number::from_f64(value).map_or(Value::Null, Value::Number);
        Ok(Written::Plain(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Written, E> {
        Ok(Written::Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Written::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
        collect(map).map(Written::Object)
    }
}
