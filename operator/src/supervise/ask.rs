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
        return Err(failed(format!("{status}: {}", said.trim())));
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
