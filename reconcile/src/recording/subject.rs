//! What a value of a snapshot is about, in words, and by which of its fields an entry of a list is known again.
use serde_json::Value;

/// What tells one entry of a list from another, wherever it stands; `None` for a list whose entries are known by place.
pub(super) fn key(list: &str, entry: &Value) -> Option<String> {
    let field = |name: &str| entry.get(name).map(Value::to_string);
    match list {
        // Bus numbers shift when a card is added; where a function is wired does not.
        "functions" | "identities" => field("path"),
        // Of what is asked of SoCs only the address is told.
        "socs" => field("path").or_else(|| field("address")),
        "programs" => field("key"),
        "workers" => field("id"),
        "entries" => field("target"),
        "groups" => field("group"),
        "bars" => field("index"),
        "holders" => Some(entry.to_string()),
        _ => None,
    }
}

/// What an entry of a list, or a top-level field, is about.
pub(super) fn subject(list: &str, entry: &Value) -> Option<String> {
    let text = |pointer: &str| {
        let value = entry.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or("?").to_owned()
    };
    Some(match list {
        "functions" => {
            let address = text("/address");
            match (entry.get("port"), is_soc(entry)) {
                (Some(_), _) => format!("port {address}"),
                (None, true) => format!("SoC {address}"),
                (None, false) => format!("device {address}"),
            }
        }
        "socs" => format!("SoC {}", text("/address")),
        "holders" => format!("SoC {}", text("/soc")),
        "programs" => format!("program {}", text("/key")),
        "workers" => format!("worker {}", text("/id")),
        "entries" => {
            let of = ["port", "soc", "name"];
            let what = of
                .iter()
                .find_map(|name| entry["target"].get(*name)?.as_str());
            format!("ledger of {} {}", text("/target/what"), what.unwrap_or("?"))
        }
        "identities" => format!("ledger of SoC {}", text("/address")),
        "groups" => format!("ledger of group {}", text("/group")),
        _ => return None,
    })
}

fn is_soc(function: &Value) -> bool {
    let word = |name: &str| function.get(name).and_then(Value::as_str);
    word("vendor") == Some("0x17cb") && matches!(word("device"), Some("0xa100" | "0xa080"))
}

/// A field's name in words: `coresFree` is `cores free`.
pub(super) fn words(field: &str) -> String {
    match field {
        "acs" => "ACS".to_owned(),
        "mdp" => "MDP".to_owned(),
        "qid" => "QID".to_owned(),
        "mhi" => "MHI id".to_owned(),
        "bars" => "BAR".to_owned(),
        "sku" => "SKU".to_owned(),
        "cpus" => "CPUs".to_owned(),
        "iommuGroup" => "IOMMU group".to_owned(),
        "dramMib" => "memory in MiB".to_owned(),
        _ => {
            let mut words = String::new();
            for letter in field.chars() {
                if letter.is_ascii_uppercase() {
                    words.push(' ');
                    words.push(letter.to_ascii_lowercase());
                } else {
                    words.push(letter);
                }
            }
            words
        }
    }
}

/// A value in words: a switch is on or off, a text stands without quotes.
pub(super) fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "absent".to_owned(),
        Some(Value::Bool(true)) => "on".to_owned(),
        Some(Value::Bool(false)) => "off".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) => match (map.get("value"), map.get("unknown")) {
            (Some(known), _) => self::value(Some(known)),
            (None, Some(Value::String(reason))) => format!("unknown ({reason})"),
            (None, _) if map.get("state") == Some(&Value::from("none")) => "none".to_owned(),
            (None, _) => map.get("control").map_or_else(
                || Value::Object(map.clone()).to_string(),
                |control| self::value(Some(control)),
            ),
        },
        Some(other @ (Value::Number(_) | Value::Array(_))) => other.to_string(),
    }
}
