//! Chat templates, rendered as the library that the hub's models are written for renders them.

mod dump;
mod methods;
mod source;

use jiff::civil::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::Map;

pub(super) use source::{SpecialNames, find};

use super::TextError;

/// A compiled chat template with the names of the model's special tokens.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    names: SpecialNames,
}

/// One rendering: what the template may know.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// The messages as JSON objects with `role` and `content`, in order.
    pub messages: &'a [serde_json::Value],
    /// Whether the prompt ends where the assistant is to speak.
    pub prompt: GenerationPrompt,
    /// What the caller passes to the template by name (`enable_thinking`, ...).
    pub extra: &'a Map<String, serde_json::Value>,
    /// The wall clock, for templates that mention the date.
    pub now: DateTime,
}

/// Whether the assistant's turn is opened at the end of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationPrompt {
    /// The assistant is to speak next.
    Open,
    /// The conversation stands as it is.
    Omit,
}

const NAME: &str = "chat_template";

/// What `raise_exception` puts before its message, so that it is told from a broken template.
const REFUSAL: &str = "refused by the template: ";

impl ChatTemplate {
    pub(super) fn compile(source: &str, names: SpecialNames) -> Result<Self, TextError> {
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .map_err(|source| TextError::TemplateSyntax { source })?,
        );
        environment.set_unknown_method_callback(methods::python);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_filter("tojson", dump::tojson);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("{REFUSAL}{message}"),
                ))
            },
        );
        environment
            .add_template_owned(NAME, source::without_generation_marks(source))
            .map_err(|source| TextError::TemplateSyntax { source })?;
        Ok(Self { environment, names })
    }

    /// The prompt text of a conversation. The template writes the framing tokens itself.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String, TextError> {
        let Conversation {
            messages,
            prompt,
            extra,
            now,
        } = conversation;
        let mut context: Vec<(String, Value)> = extra
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(Serde(value))))
            .collect();
        context.extend(
            self.names
                .iter()
                .map(|(name, value)| (name.to_owned(), Value::from(Serde(value)))),
        );
        let clock = *now;
        context.extend([
            ("messages".to_owned(), Value::from(Serde(messages))),
            (
                "add_generation_prompt".to_owned(),
                Value::from(*prompt == GenerationPrompt::Open),
            ),
            (
                "strftime_now".to_owned(),
                Value::from_function(move |format: String, rest: Kwargs| {
                    strftime(clock, &format, &rest)
                }),
            ),
        ]);
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from_pairs(context)))
            .map_err(failure)
    }
}

fn strftime(now: DateTime, format: &str, rest: &Kwargs) -> Result<String, Error> {
    rest.assert_all_used()?;
    jiff::fmt::strtime::format(format, now).map_err(|error| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now({format:?})"),
        )
        .with_source(error)
    })
}

/// A template that refuses says why in its own words; the rest is the engine's error.
fn failure(source: minijinja::Error) -> TextError {
    match source
        .detail()
        .and_then(|detail| detail.strip_prefix(REFUSAL))
    {
        Some(message) => TextError::Refused {
            message: message.to_owned(),
        },
        None => TextError::Render { source },
    }
}

#[cfg(test)]
mod tests;
