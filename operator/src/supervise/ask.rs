//! One question to a served model, its answer printed as it comes.
use std::{
    io::{BufRead, BufReader},
    time::Duration,
};

use serde_json::{Value, json};
use ureq::Agent;

use crate::{exit::Exit, failure::Failure};

/// A worker on this machine takes a connection at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The longest pause before the answer's first byte and between two of its pieces.
const PIECE_LIMIT: Duration = Duration::from_mins(10);

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The words.
    pub text: String,
    /// At most this many tokens of answer; absent leaves it to the worker.
    pub max_tokens: Option<u32>,
    /// Where the model's context is declared: the field, and its place where that is known.
    pub context: String,
}

/// Asks the model at `address`, shows the answer as it comes, and ends it with a line break.
pub fn ask(
    address: &str,
    model: &str,
    question: &Question,
    show: impl Fn(&str),
) -> Result<(), Failure> {
    let agent: Agent = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_recv_response(Some(PIECE_LIMIT))
        .build()
        .into();
    let mut body = json!({
        "model": model,
        "messages": [{ "role": "user", "content": question.text }],
        "stream": true,
    });
    if let Some(most) = question.max_tokens {
        body["max_tokens"] = json!(most);
    }
    let failed = |what: String| {
        Failure::said(
            Exit::Unavailable,
            format!("asking {model} at {address}: {what}"),
            "",
        )
    };
    let mut response = agent
        .post(format!("http://{address}/v1/chat/completions"))
        .header("content-type", "application/json")
        .send(body.to_string())
        .map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    if !status.is_success() {
        let said = response.body_mut().read_to_string().unwrap_or_default();
        return Err(refused(model, address, question, (status.as_u16(), &said)));
    }
    let mut ended = false;
    for line in BufReader::new(response.body_mut().as_reader()).lines() {
        let line = line.map_err(|error| failed(error.to_string()))?;
        match piece(&line) {
            Piece::Nothing => {}
            Piece::Text(text) => show(&text),
            Piece::Error(error) => return Err(failed(error)),
            Piece::End => {
                ended = true;
                break;
            }
        }
    }
    show("\n");
    if ended {
        Ok(())
    } else {
        Err(failed("the answer broke off".to_owned()))
    }
}

/// Why a worker gave no answer, in its own words where it has any. What it refuses of a request came from the command line,
/// but that it has too much to do.
fn refused(
    model: &str,
    address: &str,
    question: &Question,
    (status, said): (u16, &str),
) -> Failure {
    let parsed: Value = serde_json::from_str(said).unwrap_or_default();
    let of = |field: &str| parsed.pointer(field).and_then(Value::as_str);
    let why = of("/error/message").unwrap_or(said.trim());
    match (status, of("/error/code")) {
        (400, Some("context_length_exceeded")) => {
            let fewer = question
                .max_tokens
                .map_or("", |_| ", ask for fewer with --max-tokens");
            let hint = format!(
                "say less with --ask{fewer}, or declare a longer {}, where the model has one",
                question.context
            );
            Failure::said(
                Exit::Usage,
                format!("the question is too long for {model}: {why}"),
                hint,
            )
        }
        (400..=499, Some(_)) if !matches!(status, 408 | 429) => Failure::said(
            Exit::Usage,
            format!("{model} does not take the question: {why}"),
            "",
        ),
        _ => Failure::said(
            Exit::Unavailable,
            format!("asking {model} at {address}: it answered {status}: {why}"),
            "",
        ),
    }
}

/// What one line of the event stream brings.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Nothing,
    Text(String),
    Error(String),
    End,
}

fn piece(line: &str) -> Piece {
    let Some(data) = line.strip_prefix("data:").map(str::trim) else {
        return Piece::Nothing;
    };
    if data == "[DONE]" {
        return Piece::End;
    }
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return Piece::Error(format!("not understood: {data}"));
    };
    if let Some(error) = value.pointer("/error/message").and_then(Value::as_str) {
        return Piece::Error(error.to_owned());
    }
    match value
        .pointer("/choices/0/delta/content")
        .and_then(Value::as_str)
    {
        Some(text) if !text.is_empty() => Piece::Text(text.to_owned()),
        Some(_) | None => Piece::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_in_words_and_with_its_code() {
        let told = |max_tokens, status, body: &str| {
            let question = Question {
                text: "what?".to_owned(),
                max_tokens,
                context: "`spec.serving.contextLength` (m.yaml:9:5)".to_owned(),
            };
            let failure = refused("tiny", "127.0.0.1:9", &question, (status, body));
            (failure.exit(), failure.chain(), failure.hint())
        };
        let error = |code: &str, message: &str| {
            json!({"error": {"message": message, "type": "t", "param": null, "code": code}})
                .to_string()
        };
        let long = error(
            "context_length_exceeded",
            "the context is 64 tokens; shorten it",
        );
        let words = "the question is too long for tiny: the context is 64 tokens; shorten it";
        for (max_tokens, fewer) in [(None, ""), (Some(9), ", ask for fewer with --max-tokens")] {
            let hint = format!(
                "say less with --ask{fewer}, or declare a longer `spec.serving.contextLength` (m.yaml:9:5), where the model \
                 has one"
            );
            assert_eq!(
                told(max_tokens, 400, &long),
                (Exit::Usage, words.to_owned(), hint)
            );
        }
        for (status, body, exit, words) in [
            (
                413,
                error("request_too_large", "larger than 9 bytes"),
                Exit::Usage,
                "tiny does not take the question: larger than 9 bytes",
            ),
            (
                429,
                error("queue_full", "try again later"),
                Exit::Unavailable,
                "asking tiny at 127.0.0.1:9: it answered 429: try again later",
            ),
            (
                503,
                error("draining", "the server stops"),
                Exit::Unavailable,
                "asking tiny at 127.0.0.1:9: it answered 503: the server stops",
            ),
            // Somebody else's server has its own form.
            (
                404,
                "<html>\n".to_owned(),
                Exit::Unavailable,
                "asking tiny at 127.0.0.1:9: it answered 404: <html>",
            ),
        ] {
            let told = told(None, status, &body);
            assert_eq!(told, (exit, words.to_owned(), String::new()), "{body}");
        }
    }

    #[test]
    fn the_stream_is_read_piece_by_piece() {
        for (line, expected) in [
            ("", Piece::Nothing),
            (": comment", Piece::Nothing),
            (
                r#"data: {"choices":[{"delta":{"role":"assistant"}}]}"#,
                Piece::Nothing,
            ),
            (
                r#"data: {"choices":[{"delta":{"content":"It"}}]}"#,
                Piece::Text("It".to_owned()),
            ),
            (
                r#"data: {"error":{"message":"overloaded"}}"#,
                Piece::Error("overloaded".to_owned()),
            ),
            ("data: [DONE]", Piece::End),
            ("data: {", Piece::Error("not understood: {".to_owned())),
        ] {
            assert_eq!(piece(line), expected, "{line}");
        }
    }
}
