//! Which tokens end a generation, from wherever a checkpoint says so.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Vocabulary;

/// Token ids after which a model has nothing more to say. May be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endings(BTreeSet<u32>);

impl Endings {
    /// `generation_config.json` decides; `config.json` stands in for it where it names no ending.
    ///
    /// The tokenizer's own end token always counts too: chat fine-tunes often change it there
    /// and leave the model's configuration as the base model had it.
    pub(super) fn collect(
        generation: &Map<String, Value>,
        model: &Map<String, Value>,
        eos: Option<&str>,
        vocabulary: &Vocabulary,
    ) -> Self {
        let mut ids = ids(generation);
        if ids.is_empty() {
            ids = self::ids(model);
        }
        ids.extend(eos.and_then(|token| vocabulary.id(token)));
        Self(ids)
    }

    /// Whether this token ends a generation.
    pub fn contains(&self, token: u32) -> bool {
        self.0.contains(&token)
    }

    /// The ids in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for Endings {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

/// `eos_token_id` is a number or a list of numbers; anything else names no ending.
fn ids(config: &Map<String, Value>) -> BTreeSet<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match config.get("eos_token_id") {
        Some(Value::Array(list)) => list.iter().filter_map(id).collect(),
        Some(single) => id(single).into_iter().collect(),
        None => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocabulary::tests::byte_level;

    #[test]
    fn endings_come_from_the_first_file_that_names_any() {
        let check = |generation: &str, model: &str, eos: Option<&str>, expected: &[u32]| {
            let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
            let found = Endings::collect(&parse(generation), &parse(model), eos, &byte_level());
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        };
        check("{}", "{}", None, &[]);
        check("{}", r#"{"eos_token_id": 7}"#, None, &[7]);
        check(
            r#"{"eos_token_id": [9, 3]}"#,
            r#"{"eos_token_id": 7}"#,
            None,
            &[3, 9],
        );
        check(r#"{"eos_token_id": 5}"#, "{}", Some("<|end|>"), &[5, 256]);
        check(
            "{}",
            r#"{"eos_token_id": null}"#,
            Some("no such token"),
            &[],
        );
        check(
            r#"{"eos_token_id": -1}"#,
            r#"{"eos_token_id": 4294967296}"#,
            None,
            &[],
        );
    }
}
