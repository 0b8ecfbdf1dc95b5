//! Chat templates, rendered as the library that the hub's models are written for renders them.

mod bytes;
mod case;
mod cycler;
mod dump;
mod environment;
mod fields;
mod lines;
mod methods;
mod operators;
mod page;
mod percent;
mod python;
mod source;
mod spec;
mod strings;
mod translate;
mod url;
mod wrap;

use std::path::PathBuf;

use jiff::civil::DateTime;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::{Map, Value as Json, json};

use environment::REFUSAL;
pub(super) use source::{Found, SpecialNames, find};

use super::{Budget, TextError};
use page::Page;

/// A compiled chat template with the names of the model's special tokens.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    names: SpecialNames,
    /// Where it was found.
    path: PathBuf,
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

impl ChatTemplate {
    pub(super) fn compile(found: Found, names: SpecialNames) -> Result<Self, TextError> {
        let Found { text, path } = found;
        let syntax = |source| TextError::TemplateSyntax {
            path: path.clone(),
            source,
        };
        let text = operators::with_format_filters(&source::without_generation_marks(&text));
        let mut environment = environment::environment().map_err(syntax)?;
        environment.add_template_owned(NAME, text).map_err(syntax)?;
        Ok(Self {
            environment,
            names,
            path,
        })
    }

    /// The prompt text of a conversation. The template writes the framing tokens itself.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String, TextError> {
        self.render_within(conversation, None)
    }

    /// The same, stopped as soon as it is certain to be beyond a budget.
    pub fn render_within(
        &self,
        conversation: &Conversation<'_>,
        budget: Option<Budget<'_>>,
    ) -> Result<String, TextError> {
        let Conversation {
            messages,
            prompt,
            extra,
            now,
        } = conversation;
        let clock = *now;
        // Later ones win: what the library's own globals are called, a caller may call something else.
        let mut context = vec![
            (
                "strftime_now".to_owned(),
                Value::from_function(move |format: String, rest: Kwargs| {
                    strftime(clock, &format, &rest)
                }),
            ),
            // Always there and usually none: templates test for one or the other.
            ("tools".to_owned(), Value::from(())),
            ("documents".to_owned(), Value::from(())),
        ];
        let named = self
            .names
            .iter()
            .chain(extra.iter().map(|(name, value)| (name.as_str(), value)));
        context.extend(named.map(|(name, value)| (name.to_owned(), Value::from(Serde(value)))));
        let messages: Vec<Json> = messages.iter().map(source::plain_message).collect();
        context.extend([
            ("messages".to_owned(), Value::from(Serde(messages))),
            (
                "add_generation_prompt".to_owned(),
                Value::from(*prompt == GenerationPrompt::Open),
            ),
        ]);
        let mut page = Page::new(budget);
        let rendered = self.environment.get_template(NAME).and_then(|template| {
            template
                .render_captured_to(Value::from_pairs(context), &mut page)
                .map(drop)
        });
        match (page.finish(), rendered) {
            (None, _) => Err(TextError::Beyond),
            (Some(text), Ok(())) => Ok(text),
            (Some(_), Err(error)) => Err(self.failure(error)),
        }
    }

    /// Renders plain conversations, and says why the template cannot be used with any; a conversation that it
    /// refuses in its own words is none of its faults.
    pub fn check(&self, now: DateTime) -> Result<(), TextError> {
        let say = |role: &str, content: &str| json!({"role": role, "content": content});
        let question = vec![say("user", "Hello")];
        let exchange = vec![
            say("system", "Be brief."),
            say("user", "Hello"),
            say("assistant", "Hello."),
            say("user", "Bye"),
        ];
        for (messages, prompt) in [
            (&question, GenerationPrompt::Open),
            (&exchange, GenerationPrompt::Open),
        ] {
            let rendered = self.render(&Conversation {
                messages,
                prompt,
                extra: &Map::new(),
                now,
            });
            match rendered {
                Ok(_) | Err(TextError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A template that refuses says why in its own words; the rest is the engine's error.
    fn failure(&self, source: minijinja::Error) -> TextError {
        match source
            .detail()
            .and_then(|detail| detail.strip_prefix(REFUSAL))
        {
            Some(message) => TextError::Refused {
                message: message.to_owned(),
            },
            None => TextError::Render {
                path: self.path.clone(),
                source,
            },
        }
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

#[cfg(test)]
mod tests;
