//! `POST /v1/completions`.

use serde_json::Value;

use super::error::text_error;
use super::fields::Fields;
use super::settings::{IGNORED, Settings, refuse, token};
use super::{ApiError, Prepared, Served};
use crate::serve::generation::Opening;
use crate::text::{Beyond, SpecialTokens};

/// What the API gives where the request names no length.
pub const DEFAULT_MOST: u32 = 16;

/// Reads a request. `entropy` seeds it where it gives no seed; `default_most` bounds it where it names no length.
pub fn prepare(
    body: &[u8],
    served: &Served,
    entropy: u64,
    default_most: Option<u32>,
) -> Result<Prepared, ApiError> {
    let mut fields = Fields::parse(body)?;
    served.check_name(&mut fields)?;
    let mut settings = Settings::take(&mut fields, served, entropy)?;
    let prompts = prompts(&mut fields, served, settings.choices)?;
    settings.logprobs = fields
        .integer("logprobs", 0, 5)?
        .map(|count| count as usize);
    refuse(
        &mut fields,
        "echo",
        |v| v == false,
        "the answer never repeats the prompt",
    )?;
    refuse(
        &mut fields,
        "suffix",
        |v| v == "",
        "the model only continues a text",
    )?;
    let choices = settings.choices;
    if let Some(best_of) = fields.integer("best_of", 1, i64::MAX)?
        && best_of != i64::from(choices)
    {
        return Err(ApiError::unsupported(
            "best_of",
            "every answer that is generated is returned; ask for n",
        ));
    }
    fields.finish(&IGNORED)?;
    served.prepare(&prompts, settings, Opening::Continuing, default_most)
}

/// A string, a list of strings, a list of token ids, or a list of those.
fn prompts(fields: &mut Fields, served: &Served, choices: u32) -> Result<Vec<Vec<u32>>, ApiError> {
    const NAME: &str = "prompt";
    const EXPECTED: &str =
        "a string, a list of strings, a list of token ids or a list of such lists";
    let context = served.limits.context;
    let vocabulary = &served.text.vocabulary;
    let encode = |text: &str| {
        vocabulary
            .budget(context)
            .spend(text)
            .map_err(|Beyond| ApiError::beyond(NAME, context))?;
        vocabulary
            .encode(text, SpecialTokens::Add)
            .map_err(|error| text_error(NAME, context, &error))
    };
    let tokens = |fields: &Fields, list: &[Value]| {
        list.iter()
            .map(|id| token(fields, NAME, id, served))
            .collect::<Result<Vec<u32>, ApiError>>()
    };
    let prompts = match fields.take(NAME) {
        None => return Err(fields.missing(NAME)),
        Some(Value::String(text)) => vec![encode(&text)?],
        Some(Value::Array(list)) => match list.first() {
            Some(Value::Number(_)) => vec![tokens(fields, &list)?],
            // Before any is taken apart: there may be a million.
            Some(_) | None => served
                .check_count(list.len(), choices)
                .map(|()| list.iter())?
                .map(|entry| match entry {
                    Value::String(text) => encode(text),
                    Value::Array(ids) => tokens(fields, ids),
                    other => Err(fields.wrong(NAME, EXPECTED, other)),
                })
                .collect::<Result<_, _>>()?,
        },
        Some(other) => return Err(fields.wrong(NAME, EXPECTED, &other)),
    };
    if prompts.is_empty() || prompts.iter().any(Vec::is_empty) {
        return Err(ApiError::bad(
            NAME,
            "prompt has no tokens; give the model something to continue",
        ));
    }
    Ok(prompts)
}
