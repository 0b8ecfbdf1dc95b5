//! What a rack and a lab machine must agree on: snapshots and reports with everything else taken out.
//!
//! Taken out of a snapshot: the host (kernel, memory, processors, settings of a driver that Debian does not build, links as they
//! are and could be, NUMA), what `doctor` alone judges, what of the host's own bus could not be read,
//! functions outside the rack's tree, ids that only the vendor's driver gives (MHI ids and serials, accel minors), drivers
//! of anything but a port, time, boot ids and the places that facts come from. IOMMU groups are compared as a partition:
//! their numbers count the host's own devices. Taken out of what `apply` tells: waits for a SoC, except
//! where the file makes its firmware so slow that both sides see it boot. Everything else is compared as it stands.
use serde_json::{Map, Value, json};

/// A snapshot of the tree below these root ports, comparable.
pub(crate) fn snapshot(snapshot: &Value, roots: &[String]) -> Value {
    let ours = |function: &&Value| {
        let path = function["path"].as_str().unwrap_or_default();
        roots
            .iter()
            .any(|root| path == root || path.starts_with(&format!("{root}/")))
    };
    let functions: Vec<&Value> = list(&snapshot["functions"]).filter(ours).collect();
    let mut groups: Vec<Value> = Vec::new();
    let projected: Vec<Value> = functions
        .iter()
        .map(|function| {
            let group = &function["iommuGroup"];
            let group = match group.get("value") {
                Some(number) => {
                    if !groups.contains(number) {
                        groups.push(number.clone());
                    }
                    json!(groups.iter().position(|known| known == number))
                }
                None => group["unknown"].clone(),
            };
            let mut kept = Map::new();
            for key in [
                "address", "path", "parent", "vendor", "device", "class", "port",
            ] {
                kept.insert(key.to_owned(), function[key].clone());
            }
            kept.insert("acs".to_owned(), fact(&function["acs"]));
            kept.insert("group".to_owned(), group);
            if function["port"].is_string() || is_soc(function) {
                kept.insert("driver".to_owned(), fact(&function["driver"]));
            }
            if is_soc(function) {
                kept.insert("bars".to_owned(), fact(&function["bars"]));
            }
            Value::Object(kept)
        })
        .collect();
    let socs: Vec<Value> = list(&snapshot["socs"])
        .map(|soc| {
            let mut kept = Map::new();
            for (key, value) in soc.as_object().into_iter().flatten() {
                if !matches!(key.as_str(), "serial" | "mhi" | "accel") {
                    kept.insert(key.clone(), fact(value));
                }
            }
            Value::Object(kept)
        })
        .collect();
    let tools = &snapshot["tools"];
    json!({
        "name": snapshot["metadata"]["name"],
        "functions": projected,
        "socs": socs,
        "sysctl": fact(&snapshot["settings"]["sysctl"]["vm.max_map_count"]),
        "tools": {
            "platformSdk": fact(&tools["platformSdk"]),
            "appsSdk": fact(&tools["appsSdk"]),
            "compiler": fact(&tools["compiler"]),
            "qmonitorRunning": fact(&tools["qmonitorRunning"]),
        },
        "holders": without(&snapshot["holders"]),
        "ledger": without(&snapshot["ledger"]),
    })
}

/// A plan's steps, report and outcome, comparable.
pub(crate) fn plan(plan: &Value) -> Value {
    json!({
        "steps": list(&plan["nodes"]).map(|node| without(&node["steps"])).collect::<Vec<_>>(),
        "report": without(&plan["report"]),
        "summary": plan["summary"],
        "disruption": plan["disruption"],
        "exit": plan["exit"],
        "why": plan["run"]["why"],
    })
}

/// Whether waits for SoCs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// A SoC boots for longer than anything takes to look at it, on both sides.
    Compared,
    /// Emulation is slower than the firmware's double: what is looked at is Ready by then.
    LeftOut,
}

/// Steps as they are told: without digests and file names, and without waits that had nothing to wait for.
pub(crate) fn told(stderr: &str, waits: Waits) -> String {
    stderr
        .lines()
        .filter(|line| !line.contains("b3:"))
        .filter(|line| match waits {
            Waits::Compared => true,
            Waits::LeftOut => !line.trim_start().starts_with("soc.wait"),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A fact without its source; anything else as it is.
fn fact(value: &Value) -> Value {
    match value {
        Value::Object(fact) if fact.contains_key("source") => {
            let known = fact.get("value").or_else(|| fact.get("unknown"));
            known.cloned().unwrap_or(Value::Null)
        }
        other => other.clone(),
    }
}

/// Without what a boot, a driver or a file's place decides.
fn without(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(key, _)| {
                    !matches!(
                        key.as_str(),
                        "serial" | "bootId" | "file" | "source" | "digest" | "span"
                    )
                })
                // A group's number counts the host's devices; which functions share it does not.
                .filter(|(key, value)| key.as_str() != "group" || !value.is_number())
                .map(|(key, value)| {
                    // An identity is `SERIAL@PATH`.
                    let path = value.as_str().and_then(|text| text.split_once('@'));
                    let kept = match path {
                        // A boot's id, by which the ledger says who started the monitor: that it is there is compared.
                        _ if key == "qmonitorStarted" => json!(value.is_string()),
                        Some((_, path)) if key == "equals" => json!(path),
                        Some(_) | None => without(value),
                    };
                    (key.clone(), kept)
                })
                .collect(),
        ),
        Value::Array(values) => {
            let mut kept: Vec<Value> = values.iter().map(without).collect();
            // The kernel's groups come by number; without one, by what is in them.
            if values.iter().any(|value| value["group"].is_number()) {
                kept.sort_by_key(ToString::to_string);
            }
            Value::Array(kept)
        }
        other => other.clone(),
    }
}

/// Whether a function is an AI 100 or AI 080 SoC.
pub(crate) fn is_soc(function: &Value) -> bool {
    function["vendor"] == "0x17cb"
        && (function["device"] == "0xa100" || function["device"] == "0xa080")
}

/// The elements of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
