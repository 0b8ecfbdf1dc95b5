//! Text out of tokens as they arrive: never half a character, and in sum what decoding all at once gives.

use super::vocabulary::Effect;
use super::{TextError, Vocabulary};

/// Decodes one sequence token by token.
///
/// Keeps a window of tokens: `context`, whose text is out already, and the ones after it. The
/// context is there because a token's text depends on its left neighbour (a leading space
/// is dropped at the start of a text only).
#[derive(Debug, Default)]
pub struct TextStream {
    window: Vec<u32>,
    /// How many of the window's tokens are context alone.
    context: usize,
    /// Bytes of the window's text that are out already.
    emitted: usize,
}

impl TextStream {
    /// Starts a text of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a prompt: its last tokens are context, their text is not repeated.
    ///
    /// A prompt that ends inside a run of bytes, or inside a character, gives that end no text that a next token would
    /// leave alone; so it is no context, and the answer's bytes are read by themselves.
    pub fn continuing(prompt: &[u32], vocabulary: &Vocabulary) -> Result<Self, TextError> {
        // A word, and room for a character spelled in bytes.
        const CONTEXT: usize = 16;
        let settled = |token: &u32| matches!(vocabulary.effect(*token), Effect::Closed);
        let end = prompt.iter().rposition(settled).map_or(0, |last| last + 1);
        let mut window = prompt[end.saturating_sub(CONTEXT)..end].to_vec();
        let mut text = vocabulary.decode(&window)?;
        while text.ends_with(char::REPLACEMENT_CHARACTER) {
            window.pop();
            text = vocabulary.decode(&window)?;
        }
        Ok(Self {
            context: window.len(),
            window,
            emitted: text.len(),
        })
    }

    /// Takes a token; returns the text that is certain now, often a word, sometimes nothing.
    pub fn push(&mut self, token: u32, vocabulary: &Vocabulary) -> Result<String, TextError> {
        match vocabulary.effect(token) {
            Effect::Silent => return Ok(String::new()),
            Effect::Open => {
                self.window.push(token);
                return Ok(String::new());
            }
            Effect::Closed => self.window.push(token),
        }
        let text = vocabulary.decode(&self.window)?;
        // An unfinished character decodes to U+FFFD; a real one waits for the next token too.
        let certain = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let fresh = certain.get(self.emitted..).unwrap_or_default().to_owned();
        if certain.len() == text.len() {
            self.forget(text.len(), vocabulary)?;
        } else {
            self.emitted += fresh.len();
        }
        Ok(fresh)
    }

    /// What was held back, at the end of the sequence.
    pub fn finish(self, vocabulary: &Vocabulary) -> Result<String, TextError> {
        let text = vocabulary.decode(&self.window)?;
        Ok(text.get(self.emitted..).unwrap_or_default().to_owned())
    }

    /// Drops the old context once everything after it is out and can stand as context itself.
    fn forget(&mut self, length: usize, vocabulary: &Vocabulary) -> Result<(), TextError> {
        self.emitted = self.emitted.max(length);
        let kept = vocabulary.decode(&self.window[self.context..])?;
        // Tokens without text cannot tell their successor that the text has begun.
        if !kept.is_empty() {
            self.window.drain(..self.context);
            self.context = self.window.len();
            self.emitted = kept.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocabulary::tests::{
        byte_fallback_file, byte_level_file, metaspace_file, vocabulary,
    };
    use proptest::prelude::*;

    fn pieces(ids: &[u32], vocabulary: &Vocabulary) -> Vec<String> {
        let mut stream = TextStream::new();
        let mut pieces: Vec<String> = ids
            .iter()
            .map(|id| stream.push(*id, vocabulary).unwrap())
            .collect();
        pieces.push(stream.finish(vocabulary).unwrap());
        pieces
    }

    #[test]
    fn characters_come_out_whole() {
        let check = |file: &serde_json::Value, ids: &[u32], expected: &[&str]| {
            assert_eq!(pieces(ids, &vocabulary(file)), expected);
        };
        let bytes = byte_level_file();
        // The snowman is E2 98 83.
        check(
            &bytes,
            &[0x61, 0xE2, 0x98, 0x83, 0x62],
            &["a", "", "", "☃", "b", ""],
        );
        // A text that ends inside a character says so at the end.
        check(&bytes, &[0x61, 0xE2], &["a", "", "\u{FFFD}"]);
        // Special tokens have no text; added ordinary tokens have.
        check(&bytes, &[257, 0x61, 258, 256], &["", "a", "<tool>", "", ""]);
        let runs = byte_fallback_file();
        check(
            &runs,
            &[1, 260, 261, 262],
            &["", "Hello", " world", "!", ""],
        );
        // Bytes wait for the end of their run, since one bad byte spoils all of it.
        check(
            &runs,
            &[260, 3 + 0xC3, 3 + 0xA9, 262],
            &["Hello", "", "", "é!", ""],
        );
        check(&runs, &[3 + 0xC3, 3 + 0xA9], &["", "", "é"]);
        check(
            &metaspace_file(),
            &[260, 261, 261],
            &["Hello", " world", " world", ""],
        );
    }

    #[test]
    fn a_continued_prompt_keeps_its_space_and_is_not_repeated() {
        for file in [byte_fallback_file(), metaspace_file()] {
            let vocabulary = vocabulary(&file);
            let mut stream = TextStream::continuing(&[1, 260], &vocabulary).unwrap();
            assert_eq!(stream.push(261, &vocabulary).unwrap(), " world");
        }
    }

    #[test]
    fn a_prompt_that_ends_in_bytes_takes_nothing_from_the_answer() {
        let runs = vocabulary(&byte_fallback_file());
        // A line feed ends the prompt; the byte after it is no character, and spoils no word.
        let mut stream = TextStream::continuing(&[1, 260, 3 + 0x0A], &runs).unwrap();
        let mut text = String::new();
        for token in [3 + 0xC3, 261, 262] {
            text.push_str(&stream.push(token, &runs).unwrap());
        }
        assert_eq!(text, "\u{FFFD} world!");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// But for a space that a text of its own does not begin with.
        #[test]
        fn an_answer_reads_alike_after_any_prompt(
            prompt in prop::collection::vec(0u32..266, 0..24),
            answer in prop::collection::vec(0u32..266, 0..24),
            kind in 0usize..3,
        ) {
            let file = [byte_level_file(), byte_fallback_file(), metaspace_file()][kind].clone();
            let vocabulary = vocabulary(&file);
            let mut stream = TextStream::continuing(&prompt, &vocabulary).unwrap();
            let mut text = String::new();
            for token in &answer {
                text.push_str(&stream.push(*token, &vocabulary).unwrap());
            }
            text.push_str(&stream.finish(&vocabulary).unwrap());
            let alone = vocabulary.decode(&answer).unwrap();
            prop_assert_eq!(text.trim_start_matches(' '), alone.trim_start_matches(' '));
        }

        #[test]
        fn the_stream_adds_up_to_the_whole(ids in prop::collection::vec(0u32..266, 0..40), kind in 0usize..3) {
            let file = [byte_level_file(), byte_fallback_file(), metaspace_file()][kind].clone();
            thread_local! {
                static BUILT: [std::cell::OnceCell<Vocabulary>; 3] = const { [const { std::cell::OnceCell::new() }; 3] };
            }
            BUILT.with(|built| {
                let vocabulary = built[kind].get_or_init(|| vocabulary(&file));
                prop_assert_eq!(pieces(&ids, vocabulary).concat(), vocabulary.decode(&ids).unwrap());
                Ok(())
            })?;
        }
    }
}
