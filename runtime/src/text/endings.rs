//! Which tokens end a generation.

use std::collections::BTreeSet;

use super::Vocabulary;

/// Token ids after which a model has nothing more to say. May be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endings(BTreeSet<u32>);

impl Endings {
    /// The model's own endings and the tokenizer's end token.
    ///
    /// Chat fine-tunes often change the latter and leave the model's configuration as the base
    /// model had it.
    pub(super) fn collect(model: &[u32], eos: Option<&str>, vocabulary: &Vocabulary) -> Self {
        let mut ids: BTreeSet<u32> = model.iter().copied().collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocabulary::tests::byte_level;

    #[test]
    fn the_tokenizers_end_counts_beside_the_models() {
        let check = |model: &[u32], eos: Option<&str>, expected: &[u32]| {
            let found = Endings::collect(model, eos, &byte_level());
            assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        };
        check(&[], None, &[]);
        check(&[9, 3], None, &[3, 9]);
        check(&[5], Some("<|end|>"), &[5, 256]);
        check(&[5], Some("no such token"), &[5]);
    }
}
