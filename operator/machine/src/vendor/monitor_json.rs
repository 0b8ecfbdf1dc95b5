//! `qaic-monitor-json -i FILE`: the request for partitioning, and what can be heard in the answer.
//!
//! Format: the request is documented (on; that `false` turns it off is inferred). The answer is unknown: nobody has published
//! one, nor an exit code. So an answer never proves that a request was taken, and hardly ever that it was not.
use std::{convert::Infallible, str::FromStr};

use crd::id::Qid;
use serde_json::{Value, json};

use super::{
    complaint,
    complaint::is_nothing,
    log::{before_log, is_log, without_escapes},
};
use crate::probe::host::QMONITOR_PORT;

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
    let text = text.to_ascii_lowercase();
    ["failed to connect", "connection refused", "unavailable"]
        .iter()
        .any(|words| text.contains(words))
}

/// Whether a tool says that no connection came about to the monitor's server, and nothing that is no complaint, so that nobody
/// can have heard the request: a connection that is lost later is `unavailable` too, and another's refusal says nothing of this
/// one. Format: inferred, as above.
pub fn is_unconnected(text: &str) -> bool {
    let lines = own_words(text);
    let server = |line: &String| {
        let refused = line.contains("failed to connect") || line.contains("connection refused");
        let all = line.ends_with("failed to connect to all addresses");
        refused && (all || line.contains(&format!(":{QMONITOR_PORT}")))
    };
    lines.iter().any(server) && lines.iter().all(|line| complaint(line).is_some())
}

/// Whether a tool says that whoever calls it has no rights, and not a word more: it asked that before it did anything. That
/// something was not permitted may be about another thing than the request. Format: inferred.
pub fn is_unprivileged(text: &str) -> bool {
    const ROOT: [&str; 2] = ["must be root", "you must be root"];
    const BESIDE: [&str; 5] = [
        "qaic-monitor-json",
        "error",
        "fatal",
        "permission denied",
        "operation not permitted",
    ];
    let lines = own_words(text);
    let [line] = lines.as_slice() else {
        return false;
    };
    let parts = || {
        line.split(':')
            .map(|part| part.trim().trim_end_matches(['.', '!']))
    };
    let beside = |part: &str| {
        part.rsplit('/')
            .next()
            .is_some_and(|word| BESIDE.contains(&word))
    };
    parts().any(|part| ROOT.contains(&part))
        && parts().all(|part| ROOT.contains(&part) || beside(part))
}

/// A tool's own lines that say anything, in small letters.
fn own_words(text: &str) -> Vec<String> {
    let text = without_escapes(text).to_ascii_lowercase();
    let lines = text.lines().filter(|line| !is_log(line));
    let lines = lines.map(|line| before_log(line).trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
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
    fn nobody_heard_a_request_only_where_nothing_else_was_said() {
        for (text, unconnected, unprivileged) in [
            ("failed to connect to 127.0.0.1:62472\n", true, false),
            (
                "Error: UNAVAILABLE: failed to connect to all addresses; last error: ipv4:127.0.0.1:62472: Connection refused\n",
                true,
                false,
            ),
            ("failed to connect to all addresses\n", true, false),
            (
                "[15:58:55.536][info][x] sending\nfailed to connect to 127.0.0.1:62472\nError: request failed\n",
                true,
                false,
            ),
            // Of another server, or after something that went well.
            (
                "response sink 127.0.0.1:9999: Connection refused\n",
                false,
                false,
            ),
            ("connection refused\n", false, false),
            (
                "Request accepted by device 0\nfailed to connect to 127.0.0.1:62472\n",
                false,
                false,
            ),
            (
                "[15:58:55.536][error][x] failed to connect to 127.0.0.1:62472\n",
                false,
                false,
            ),
            ("Error: UNAVAILABLE: Socket closed\n", false, false),
            ("Error: must be root\n", false, true),
            ("\nPermission denied: must be root.\n", false, true),
            (
                "/opt/qti-aic/tools/qaic-monitor-json: you must be root\n",
                false,
                true,
            ),
            // Whatever else was not permitted may be another thing than the request.
            ("setpriority: Operation not permitted\n", false, false),
            ("Operation not permitted\n", false, false),
            ("qaic-monitor-json: Permission denied\n", false, false),
            ("nice: must be root\n", false, false),
            (
                "ld.so: warning: cannot open cache: Permission denied\n",
                false,
                false,
            ),
            ("Request accepted\nmust be root\n", false, false),
            ("[15:58:55.536][error][x] must be root\n", false, false),
            ("", false, false),
        ] {
            let seen = (is_unconnected(text), is_unprivileged(text));
            assert_eq!(seen, (unconnected, unprivileged), "{text}");
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
