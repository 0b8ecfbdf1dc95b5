//! `POST /v1/chat/completions`.

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::error::text_error;
use super::fields::{Fields, kind};
use super::settings::{IGNORED, Settings, refuse};
use super::{ApiError, Prepared, Served};
use crate::serve::generation::Opening;
use crate::text::{Conversation, GenerationPrompt, SpecialTokens};

/// Reads a request. `entropy` seeds it where it gives no seed; `default_most` bounds it where it names no length (the
/// context does, where there is none); `now` is for templates that say the date.
pub fn prepare(
    body: &[u8],
    served: &Served,
    entropy: u64,
    default_most: Option<u32>,
    now: DateTime,
) -> Result<Prepared, ApiError> {
    let mut fields = Fields::parse(body)?;
    served.check_name(&mut fields)?;
    let messages = messages(&mut fields)?;
    let mut settings = Settings::take(&mut fields, served, entropy)?;
    settings.logprobs = logprobs(&mut fields)?;
    let prompt = match fields.flag("add_generation_prompt")? {
        Some(false) => GenerationPrompt::Omit,
        Some(true) | None => GenerationPrompt::Open,
    };
    let extra = match fields.take("chat_template_kwargs") {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(fields.wrong("chat_template_kwargs", "an object", &other)),
    };
    refuse_what_is_not_there(&mut fields)?;
    fields.finish(&IGNORED)?;
    let template = served.text.template.as_ref().ok_or_else(|| {
        ApiError::unsupported(
            "messages",
            "this model has no chat template; use /v1/completions",
        )
    })?;
    let context = served.limits.context;
    let vocabulary = &served.text.vocabulary;
    let conversation = Conversation {
        messages: &messages,
        prompt,
        extra: &extra,
        now,
    };
    let tokens = template
        .render_within(&conversation, Some(vocabulary.budget(context)))
        .and_then(|rendered| vocabulary.encode(&rendered, SpecialTokens::Present))
        .map_err(|error| text_error("messages", context, &error))?;
    if tokens.is_empty() {
        return Err(ApiError::bad(
            "messages",
            "the chat template makes no tokens of these messages",
        ));
    }
    served.prepare(&[tokens], settings, Opening::Fresh, default_most)
}

fn logprobs(fields: &mut Fields) -> Result<Option<usize>, ApiError> {
    let wanted = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0, 20)?;
    match (wanted, top) {
        (true, top) => Ok(Some(top.unwrap_or(0) as usize)),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(ApiError::bad(
            "top_logprobs",
            "top_logprobs needs logprobs to be true",
        )),
    }
}

fn refuse_what_is_not_there(fields: &mut Fields) -> Result<(), ApiError> {
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let no_call = |value: &Value| value == "none" || value == "auto";
    let no_tools = "this server calls no tools";
    refuse(fields, "tools", empty, no_tools)?;
    refuse(fields, "functions", empty, no_tools)?;
    refuse(fields, "tool_choice", no_call, no_tools)?;
    refuse(fields, "function_call", no_call, no_tools)?;
    refuse(
        fields,
        "response_format",
        |value| value["type"] == "text",
        "answers are plain text",
    )?;
    refuse(
        fields,
        "modalities",
        |value| *value == serde_json::json!(["text"]),
        "answers are plain text",
    )?;
    refuse(fields, "audio", |_| false, "answers are plain text")?;
    refuse(fields, "prediction", |_| false, "nothing is predicted")?;
    refuse(
        fields,
        "web_search_options",
        |_| false,
        "nothing is searched",
    )?;
    refuse(
        fields,
        "verbosity",
        |value| value == "medium",
        "the prompt says how long an answer is to be",
    )?;
    refuse(
        fields,
        "reasoning_effort",
        |value| value == "none",
        "pass what the model's template takes in chat_template_kwargs",
    )
}

/// Messages as templates expect them: each with a role, and text as one string.
fn messages(fields: &mut Fields) -> Result<Vec<Value>, ApiError> {
    const NAME: &str = "messages";
    let list = match fields.take(NAME) {
        None => return Err(fields.missing(NAME)),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(fields.wrong(NAME, "a list of messages", &other)),
    };
    if list.is_empty() {
        return Err(ApiError::bad(
            NAME,
            "messages is empty; there is nothing to answer",
        ));
    }
    list.into_iter()
        .enumerate()
        .map(|(index, value)| message(index, value))
        .collect()
}

fn message(index: usize, value: Value) -> Result<Value, ApiError> {
    let at = |name: &str| format!("messages[{index}]{name}");
    let bad = |name: &str, expected: &str, found: &str| {
        ApiError::bad(
            &at(name),
            format!("{} must be {expected}, not {found}", at(name)),
        )
    };
    let mut message = match value {
        Value::Object(message) => message,
        other => return Err(bad("", "an object with role and content", kind(&other))),
    };
    match message.get("role") {
        Some(Value::String(role))
            if matches!(
                role.as_str(),
                "system" | "developer" | "user" | "assistant" | "tool"
            ) => {}
        Some(Value::String(role)) => {
            return Err(bad(
                ".role",
                "system, developer, user, assistant or tool",
                &format!("{role:?}"),
            ));
        }
        other => return Err(bad(".role", "a string", other.map_or("absent", kind))),
    }
    // Newer clients say developer where every published template knows only system.
    if message["role"] == "developer" {
        message.insert("role".to_owned(), Value::from("system"));
    }
    let calls = message
        .get("tool_calls")
        .is_some_and(|calls| !calls.is_null());
    let content = match message.get("content") {
        Some(Value::String(text)) => Value::from(text.as_str()),
        Some(Value::Array(parts)) => Value::from(joined(&at(".content"), parts)?),
        None | Some(Value::Null) if calls => Value::Null,
        other => {
            return Err(bad(
                ".content",
                "a string or a list of text parts",
                other.map_or("absent", kind),
            ));
        }
    };
    message.insert("content".to_owned(), content);
    Ok(Value::Object(message))
}

/// Text parts become one text, a line each.
fn joined(place: &str, parts: &[Value]) -> Result<String, ApiError> {
    let texts: Result<Vec<&str>, ApiError> = parts
        .iter()
        .enumerate()
        .map(
            |(index, part)| match (part["type"].as_str(), part["text"].as_str()) {
                (Some("text"), Some(text)) => Ok(text),
                (found, _) => {
                    let place = format!("{place}[{index}]");
                    let found = found.unwrap_or("a part without type");
                    Err(ApiError::bad(
                        &place,
                        format!(
                            "{place} must be a text part, not {found}: this model reads text alone"
                        ),
                    ))
                }
            },
        )
        .collect();
    Ok(texts?.join("\n"))
}
