//! Text in and out of a model: vocabulary, endings, chat template, and decoding as tokens arrive.

mod class;
mod decode;
mod decoding;
mod endings;
mod error;
mod files;
mod least;
mod options;
mod rebuild;
mod template;
mod tokens;
mod vocabulary;

use std::path::Path;

pub use class::TokenizerClass;
pub use decode::TextStream;
pub use endings::Endings;
pub use error::TextError;
pub use least::{Beyond, Budget};
pub use template::{ChatTemplate, Conversation, GenerationPrompt};
pub use vocabulary::{SpecialTokens, Vocabulary};

use crate::model::Architecture;
use crate::sample::SamplingDefaults;
use tokens::Files;

/// Everything that turns text into token ids and back for one model.
#[derive(Debug)]
pub struct ModelText {
    /// Encodes and decodes.
    pub vocabulary: Vocabulary,
    /// Token ids that end a generation.
    pub endings: Endings,
    /// Absent where the model came without one: such a model completes but does not chat.
    pub template: Option<ChatTemplate>,
    /// What the model's publisher recommends where a request says nothing.
    pub defaults: SamplingDefaults,
}

/// What the publisher recommends.
const GENERATION: &str = "generation_config.json";
const CONFIG: &str = "config.json";

impl ModelText {
    /// Reads `tokenizer.json` and its optional neighbours from a program or checkpoint folder.
    ///
    /// Files are read here and never again; a file that is absent is not an error, except
    /// `tokenizer.json`.
    /// `endings` are the token ids by which the model's own configuration ends a sequence.
    pub fn load(
        directory: &Path,
        family: Architecture,
        endings: &[u32],
    ) -> Result<Self, TextError> {
        let files = Files::read(directory)?;
        let (vocabulary, tokens) = Vocabulary::load(directory, family, &files)?;
        // Where a publisher has no file for it, what the model's own says of decoding counts.
        let mut name = GENERATION;
        let mut generation = files::object(directory, name)?;
        if generation.is_none() {
            name = CONFIG;
            generation = files::object(directory, name)?;
        }
        let generation = generation.unwrap_or_default();
        decoding::check(&generation, &directory.join(name))?;
        let names: template::SpecialNames = tokens.names().collect();
        let endings = Endings::collect(endings, names.eos(), &vocabulary);
        let template = template::find(directory, &files.tokenizer)?
            .map(|source| ChatTemplate::compile(source, names))
            .transpose()?;
        Ok(Self {
            vocabulary,
            endings,
            template,
            defaults: SamplingDefaults::from_generation_config(&generation),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
