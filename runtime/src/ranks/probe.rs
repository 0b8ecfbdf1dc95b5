//! Whether a model gives numbers at all, asked once before anybody else can ask: of weights that are broken as a whole
//! every request would fail, and whoever started the server would be the last to know.

use super::{Feed, Logits, RankError, Ranks};

/// Tokens that are tried, one after another, until one has numbers: a single token's row may be broken alone, and
/// then only those who use it fail.
const TRIED: u32 = 4;

impl Ranks {
    /// Feeds single tokens, spread over the vocabulary, until one has numbers; mostly that is the first.
    ///
    /// Every slot is as before: the next sequence begins at its first position. Fails with [`RankError::NoNumbers`]
    /// where none has any.
    pub fn probe(&mut self) -> Result<(), RankError> {
        let vocab = self.shape.vocab;
        let mut tokens: Vec<u32> = (0..TRIED)
            .map(|at| (u64::from(vocab) * u64::from(2 * at + 1) / u64::from(2 * TRIED)) as u32)
            .collect();
        tokens.dedup();
        let mut logits = Vec::new();
        for token in &tokens {
            let feed = Feed {
                slot: 0,
                position: 0,
                tokens: std::slice::from_ref(token),
                logits: Logits::Last,
            };
            match self.step(&[feed], &mut logits) {
                Err(RankError::OutOfRange { .. }) => {}
                other => return other,
            }
        }
        Err(RankError::NoNumbers { tokens })
    }
}
