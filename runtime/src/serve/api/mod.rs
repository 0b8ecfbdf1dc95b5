//! The OpenAI API: JSON in, a typed request out; events in, JSON out.

pub mod chat;
pub mod completion;
pub mod error;
mod fields;
pub mod response;
mod settings;

pub use error::ApiError;
pub use settings::{Settings, StreamOptions};

use std::sync::Arc;

use super::batch::Limits;
use super::generation::{Opening, Wish};
use crate::text::ModelText;

/// What is served.
#[derive(Debug, Clone)]
pub struct Served {
    /// The name that requests give.
    pub name: String,
    /// Its tokenizer and template.
    pub text: Arc<ModelText>,
    /// Rows of logits: token ids are below this.
    pub vocab: u32,
    /// Slots, queue and context.
    pub limits: Limits,
}

/// A request whose every parameter was checked, ready to be handed in.
#[derive(Debug)]
pub struct Prepared {
    /// One for each choice of the answer, in order of index.
    pub wishes: Vec<Wish>,
    /// Whether and how it streams; absent when the answer comes whole.
    pub stream: Option<StreamOptions>,
    /// Tokens of the prompts, each counted once.
    pub prompt_tokens: usize,
    /// Whether choices carry their token ids.
    pub token_ids: bool,
}

impl Served {
    fn check_name(&self, fields: &mut fields::Fields) -> Result<(), ApiError> {
        let name = fields.required_text("model")?;
        if name == self.name {
            Ok(())
        } else {
            Err(ApiError::unknown_model(&name, &self.name))
        }
    }

    /// Prompts and settings together: `n` choices of each prompt, within the context.
    fn prepare(
        &self,
        prompts: &[Vec<u32>],
        settings: Settings,
        opening: Opening,
        default_most: Option<u32>,
    ) -> Result<Prepared, ApiError> {
        let Settings {
            choices,
            most,
            least,
            sampling,
            stops,
            stop_tokens,
            endings,
            logprobs,
            stream,
            token_ids,
        } = settings;
        self.check_count(prompts.len(), choices)?;
        let mut wishes = Vec::with_capacity(prompts.len() * choices as usize);
        for prompt in prompts {
            self.check_tokens(prompt, opening)?;
            let most = self.room(prompt.len(), most, default_most, opening)?;
            for choice in 0..choices {
                let mut sampling = sampling.clone();
                // Choices of one request differ, and each is what its own seed alone would give.
                sampling.seed = sampling.seed.wrapping_add(u64::from(choice));
                wishes.push(Wish {
                    prompt: prompt.clone(),
                    sampling,
                    most,
                    least: least.min(most),
                    stops: stops.clone(),
                    stop_tokens: stop_tokens.clone(),
                    endings,
                    opening,
                    logprobs,
                });
            }
        }
        Ok(Prepared {
            wishes,
            stream,
            prompt_tokens: prompts.iter().map(Vec::len).sum(),
            token_ids,
        })
    }

    /// Refuses more answers at once than the server holds.
    fn check_count(&self, prompts: usize, choices: u32) -> Result<(), ApiError> {
        let total = prompts * choices as usize;
        let room = self.limits.queue + self.limits.slots as usize;
        if total <= room {
            return Ok(());
        }
        Err(ApiError::bad(
            "n",
            format!(
                "the request asks for {total} answers at once, and the server holds at most {room}; ask for fewer"
            ),
        ))
    }

    /// A tokenizer may know tokens that the model was never resized for.
    fn check_tokens(&self, prompt: &[u32], opening: Opening) -> Result<(), ApiError> {
        match prompt.iter().find(|token| **token >= self.vocab) {
            None => Ok(()),
            Some(token) => {
                let text = self.text.vocabulary.token_text(*token);
                let what = format!(
                    "{text:?} is token {token} to the tokenizer, and the model has {} tokens; leave it out",
                    self.vocab
                );
                Err(ApiError::bad(param(opening), what))
            }
        }
    }

    /// How many tokens may follow a prompt of that length.
    fn room(
        &self,
        prompt: usize,
        most: Option<u32>,
        default: Option<u32>,
        opening: Opening,
    ) -> Result<u32, ApiError> {
        let context = self.limits.context;
        let left = u32::try_from(prompt)
            .ok()
            .and_then(|prompt| context.checked_sub(prompt))
            .unwrap_or(0);
        match most {
            Some(most) if most <= left => Ok(most),
            None if left > 0 => Ok(default.map_or(left, |default| default.min(left))),
            Some(_) | None => Err(ApiError::context(param(opening), prompt, most, context)),
        }
    }
}

/// The field that the prompt came in.
fn param(opening: Opening) -> &'static str {
    match opening {
        Opening::Fresh => "messages",
        Opening::Continuing => "prompt",
    }
}

#[cfg(test)]
mod tests;
