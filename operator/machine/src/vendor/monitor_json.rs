//! `qaic-monitor-json -i FILE`: the request for partitioning, and what can be heard in the answer.
//!
//! Format: the request is documented (on; that `false` turns it off is inferred). The answer is unknown: nobody has published
//! one, nor an exit code. So an answer never proves that a request was taken; one that complains proves that it was not.
use std::{convert::Infallible, str::FromStr};

use crd::id::Qid;
use serde_json::{Value, json};

use super::{complaint, complaint::is_nothing};

/// The request that turns multi-device partitioning of one SoC on or off.
pub fn partitioning_request(qid: Qid, enable: bool) -> String {
    json!({
        "request": [{
            "qid": qid,
            "dev_config": { "update_multi_device_partition_config_request": { "enable": enable } }
        }]
    })
    .to_string()
}

/// What can be heard in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorAnswer {
    /// Nothing in it speaks of a failure; it proves nothing.
    Unheard,
    /// It speaks of a failure, in these words.
    Complaint(String),
}

/// Whether a complaint is that the monitor's server does not answer yet. Format: inferred, from what gRPC clients say.
pub fn is_not_up(text: &str) -> bool {
    is_unconnected(text) || text.to_ascii_lowercase().contains("unavailable")
}

/// Whether a complaint is that no connection came about, so that nobody can have heard the request: one that is lost later says
/// `unavailable` too. Format: inferred, as above.
pub fn is_unconnected(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["failed to connect", "connection refused"]
        .iter()
        .any(|words| text.contains(words))
}

impl FromStr for MonitorAnswer {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let words = match serde_json::from_str::<Value>(text) {
            Ok(value) => in_json(&value),
            Err(_) => complaint(text),
        };
        Ok(match words {
            Some(words) => Self::Complaint(words.chars().take(200).collect()),
            None => Self::Unheard,
        })
    }
}

/// A complaint among the strings of a document, or under a key that names one.
fn in_json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => complaint(text),
        Value::Array(values) => values.iter().find_map(in_json),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let names = complaint(key).is_some();
            match value {
                Value::Bool(true) if names => Some(key.clone()),
                Value::Bool(false) if key.to_ascii_lowercase().contains("success") => {
                    Some(format!("{key}: false"))
                }
                Value::Number(number) if names && number.as_f64() != Some(0.0) => {
                    Some(format!("{key}: {number}"))
                }
                Value::String(text) if names && !is_fine(text) => Some(format!("{key}: {text}")),
                other => in_json(other),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether a key of failure says in a word that there was none: `"error": "SUCCESS"`.
fn is_fine(text: &str) -> bool {
    let word = text.trim().to_ascii_lowercase();
    ["ok", "success", "no error", ""].contains(&word.as_str()) || is_nothing(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_documented_one() {
        assert_eq!(
            partitioning_request(Qid(3), true),
            r#"{"request":[{"qid":3,"dev_config":{"update_multi_device_partition_config_request":{"enable":true}}}]}"#
        );
    }

    #[test]
    fn a_server_that_is_not_up_is_told_from_one_that_refuses() {
        for (text, not_up) in [
            ("failed to connect to 127.0.0.1:62472\n", true),
            ("Error: rpc error: code = Unavailable", true),
            ("{\"error\":\"device busy\"}", false),
            ("", false),
        ] {
            assert_eq!(is_not_up(text), not_up, "{text}");
        }
    }

    #[test]
    fn only_complaints_are_heard() {
        for (text, complains) in [
            ("", false),
            ("{\"response\":\"accepted\"}\n", false),
            ("{\"response\":[{\"qid\":0,\"error\":0}]}", false),
            ("{\"error\":null}", false),
            ("{\"error\":\"\"}", false),
            ("{\"error\":\"SUCCESS\"}", false),
            ("{\"error\":\"none\",\"error_code\":\"0\"}", false),
            ("{\"error\":\"NO_DEVICE\"}", true),
            ("{\"success\":true}", false),
            ("{\"success\":false}", true),
            ("{\"response\":[{\"qid\":0,\"status\":\"FAILED\"}]}", true),
            ("{\"response\":[{\"qid\":0,\"error\":-5}]}", true),
            ("{\"error\":\"device busy\"}", true),
            ("failed to connect to 127.0.0.1:62472\n", true),
            ("[15:58:55.536][error][x] failed once\ndone\n", false),
            ("{\"response\":", false),
        ] {
            let Ok(answer) = text.parse::<MonitorAnswer>();
            let heard = matches!(answer, MonitorAnswer::Complaint(_));
            assert_eq!(heard, complains, "{text}");
        }
    }
}
