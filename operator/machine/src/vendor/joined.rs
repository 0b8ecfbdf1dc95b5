//! One call of `qaic-util -q -j FILE`: what it printed and what it left in the file, joined into what can be believed.
//!
//! Format: observed and inferred for the text (see `query`), inferred for the file (see `query_json`). The text alone is known to
//! carry PCI addresses and partitioning, so that it is read whatever comes of the file; the file is believed where it agrees with
//! the exit code and with the text.
use std::collections::{BTreeMap, BTreeSet};

use crd::id::{PciAddress, Qid};

use super::{Device, QueryJson, QueryText, capability};

/// Keys that both forms have, and that say the same or nothing.
const SHARED: [&str; 3] = ["Status", "Nsp Total", "Nsp Free"];
/// Of this one both must say the same of partitioning; other words of it come and go.
const CAPABILITIES: &str = "Device Capabilities";

/// What became of the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonUse {
    /// It is part of the answer.
    Used,
    /// The tool left no file.
    NotOffered,
    /// The tool says that it failed; a file that is there all the same may be of another call, or half of one.
    ExitCode,
    /// It is none.
    Garbage,
    /// It shows other SoCs than the text.
    OtherDevices,
}

/// The joined answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Every SoC with an address of its own.
    pub devices: BTreeMap<PciAddress, Device>,
    /// Fields that come from the file, by SoC.
    pub from_json: BTreeSet<(PciAddress, String)>,
    /// Fields that the two forms say differently, by SoC; no device has them.
    pub contradicted: BTreeSet<(PciAddress, String)>,
    /// What became of the file.
    pub json: JsonUse,
}

/// Joins one call's exit code, output and file. The exit code proves nothing good: SoCs are known by their blocks alone.
pub fn join(status: Option<i32>, text: &str, json: Option<&str>) -> Joined {
    let Ok(QueryText {
        devices: printed, ..
    }) = text.parse::<QueryText>();
    let (filed, json) = match (json, status) {
        (None, _) => (Vec::new(), JsonUse::NotOffered),
        (Some(_), status) if status != Some(0) => (Vec::new(), JsonUse::ExitCode),
        (Some(json), _) => match json.parse::<QueryJson>() {
            Err(_) => (Vec::new(), JsonUse::Garbage),
            Ok(QueryJson(filed)) if agree(&printed, &filed) => (filed, JsonUse::Used),
            Ok(QueryJson(_)) => (Vec::new(), JsonUse::OtherDevices),
        },
    };
    let mut joined = Joined {
        devices: BTreeMap::new(),
        from_json: BTreeSet::new(),
        contradicted: BTreeSet::new(),
        json,
    };
    if printed.is_empty() {
        for device in &filed {
            if let Some(at) = device.address() {
                let keys = device.fields.keys().map(|key| (at, key.clone()));
                joined.from_json.extend(keys);
            }
        }
        joined.devices = by_address(filed);
        return joined;
    }
    let mut filed: BTreeMap<Qid, Device> = filed.into_iter().map(|d| (d.qid, d)).collect();
    for (at, mut device) in by_address(printed) {
        // Whose number it is cannot be told, and the file goes by numbers.
        let beside = filed.remove(&device.qid).filter(|_| !device.doubtful);
        for (key, value) in beside.into_iter().flat_map(|d| d.fields) {
            let place = (at, key.clone());
            match device.field(&key) {
                // What the text says twice is not known from anywhere else either.
                _ if device.is_ambiguous(&key) => {
                    joined.contradicted.insert(place);
                }
                Some(said) if key == CAPABILITIES && deny(said, &value) => {
                    device.fields.remove(&key);
                    joined.contradicted.insert(place);
                }
                // Words and numbers may be written otherwise in the file; where both can be read they must be the same.
                Some(said) if SHARED.contains(&key.as_str()) && differ(said, &value) => {
                    device.fields.remove(&key);
                    joined.contradicted.insert(place);
                }
                Some(said) if said == value => {
                    joined.from_json.insert(place);
                }
                Some(_) => {}
                None => {
                    device.fields.insert(key, value);
                    joined.from_json.insert(place);
                }
            }
        }
        joined.devices.insert(at, device);
    }
    joined
}

/// Whether the file shows the SoCs that the text shows, each at its place. A text without blocks says nothing against it.
fn agree(printed: &[Device], filed: &[Device]) -> bool {
    let qids = |devices: &[Device]| devices.iter().map(|d| d.qid).collect::<BTreeSet<_>>();
    let once = qids(filed).len() == filed.len();
    let moved = |filed: &Device| {
        let at = filed.address();
        let same = |device: &&Device| device.qid == filed.qid && device.address().is_some();
        at.is_some()
            && printed
                .iter()
                .any(|device| same(&device) && device.address() != at)
    };
    once && !filed.iter().any(moved) && (printed.is_empty() || qids(printed) == qids(filed))
}

/// Whether two values of one kind say different things. A number says nothing against a word: states have numbers too.
fn differ(said: &str, filed: &str) -> bool {
    match (said.parse::<u64>(), filed.parse::<u64>()) {
        (Ok(one), Ok(other)) => one != other,
        (Err(_), Err(_)) => !said.eq_ignore_ascii_case(filed),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// Whether two lines of capabilities tell of partitioning, and not the same.
fn deny(said: &str, filed: &str) -> bool {
    let both = capability::partitioned(said).zip(capability::partitioned(filed));
    both.is_some_and(|(said, filed)| said != filed)
}

/// Devices by their addresses; what two of them claim belongs to neither.
fn by_address(devices: Vec<Device>) -> BTreeMap<PciAddress, Device> {
    let mut claimed: BTreeMap<PciAddress, Vec<Device>> = BTreeMap::new();
    for device in devices {
        if let Some(at) = device.address() {
            claimed.entry(at).or_default().push(device);
        }
    }
    claimed
        .into_iter()
        .filter_map(|(at, mut claims)| {
            let last = claims.pop()?;
            claims
                .iter()
                .all(|other| other.qid == last.qid)
                .then_some((at, last))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Number of devices queried: 2\nQID 0\n\tStatus:Ready\n\tPCI Address:0000:81:00.0\n\tNsp Total:16\n\tNsp Free:16\n\tDevice Capabilities: HybridBoot+ MDP+\nQID 1\n\tStatus:Error\n\tPCI Address:0000:21:00.0\n";
    const JSON: &str = r#"{"device_info":[{"qid":0,"dev_status":"Ready","sku_type":5,"nsp_total":16,"nsp_free":16},{"qid":1,"dev_status":"Error"}]}"#;

    /// What is known of the first SoC: state, cores, SKU, partitioning.
    fn check(status: Option<i32>, text: &str, json: Option<&str>, expected: (JsonUse, &str)) {
        let joined = join(status, text, json);
        let at = "0000:81:00.0".parse().unwrap();
        let shown = joined.devices.get(&at).map_or_else(
            || "nothing".to_owned(),
            |device| {
                format!(
                    "{:?} {:?} {:?} {:?}",
                    device.status(),
                    device.cores(),
                    device.sku(),
                    device.mdp()
                )
            },
        );
        assert_eq!((joined.json, shown.as_str()), expected, "{text} {json:?}");
    }

    #[test]
    fn the_file_is_believed_where_nothing_speaks_against_it() {
        let plain = "Some(Ready) Some(16) None Some(true)";
        let full = "Some(Ready) Some(16) Some(\"PCIe Ultra\") Some(true)";
        check(Some(0), TEXT, Some(JSON), (JsonUse::Used, full));
        check(Some(0), TEXT, None, (JsonUse::NotOffered, plain));
        check(Some(255), TEXT, Some(JSON), (JsonUse::ExitCode, plain));
        check(None, TEXT, Some(JSON), (JsonUse::ExitCode, plain));
        for garbage in ["", "{", "\u{0}", "[]", &JSON[..JSON.len() - 3]] {
            check(Some(0), TEXT, Some(garbage), (JsonUse::Garbage, plain));
        }
        let less = r#"{"device_info":[{"qid":0,"sku_type":5}]}"#;
        check(Some(0), TEXT, Some(less), (JsonUse::OtherDevices, plain));
        let twice = r#"{"device_info":[{"qid":0},{"qid":1},{"qid":1}]}"#;
        check(Some(0), TEXT, Some(twice), (JsonUse::OtherDevices, plain));
        let none = r#"{"device_info":[]}"#;
        check(Some(0), TEXT, Some(none), (JsonUse::OtherDevices, plain));
        let at = |address: &str| {
            JSON.replace(
                "\"qid\":0",
                &format!("\"qid\":0,\"pci_address\":\"{address}\""),
            )
        };
        let elsewhere = at("0000:21:00.0");
        check(
            Some(0),
            TEXT,
            Some(&elsewhere),
            (JsonUse::OtherDevices, plain),
        );
        check(
            Some(0),
            TEXT,
            Some(&at("0000:81:00.0")),
            (JsonUse::Used, full),
        );
        // A state by number says nothing.
        let number = JSON.replace("\"Ready\"", "1");
        check(Some(0), TEXT, Some(&number), (JsonUse::Used, full));
    }

    #[test]
    fn what_the_two_forms_say_differently_is_unknown() {
        let other = JSON
            .replace("\"Ready\"", "\"Error\"")
            .replace("\"nsp_total\":16", "\"nsp_total\":14");
        let expected = (JsonUse::Used, "None None Some(\"PCIe Ultra\") Some(true)");
        check(Some(0), TEXT, Some(&other), expected);
        let joined = join(Some(0), TEXT, Some(&other));
        assert_eq!(joined.contradicted.len(), 2);
        let capable = |words: &str| {
            let both = format!("\"nsp_total\":16,\"device_capabilities\":\"{words}\"");
            JSON.replace("\"nsp_total\":16", &both)
        };
        let full = "Some(Ready) Some(16) Some(\"PCIe Ultra\") Some(true)";
        let expected = (JsonUse::Used, full);
        check(Some(0), TEXT, Some(&capable("MDP+ Other-")), expected);
        let expected = (
            JsonUse::Used,
            "Some(Ready) Some(16) Some(\"PCIe Ultra\") None",
        );
        check(Some(0), TEXT, Some(&capable("HybridBoot+ MDP-")), expected);
        check(Some(0), TEXT, Some(&capable("HybridBoot+")), expected);
        // What the text itself says in two ways is not known by the file.
        let torn = TEXT.replacen("Status:Ready", "Status:Ready\n\tStatus:Error", 1);
        let expected = (
            JsonUse::Used,
            "None Some(16) Some(\"PCIe Ultra\") Some(true)",
        );
        check(Some(0), &torn, Some(JSON), expected);
    }

    #[test]
    fn a_file_alone_needs_addresses() {
        check(Some(0), "", Some(JSON), (JsonUse::Used, "nothing"));
        let with = JSON.replace("\"qid\":0", "\"qid\":0,\"pci_address\":\"0000:81:00.0\"");
        let expected = (
            JsonUse::Used,
            "Some(Ready) Some(16) Some(\"PCIe Ultra\") None",
        );
        check(Some(0), "", Some(&with), expected);
    }

    #[test]
    fn an_address_that_two_claim_belongs_to_neither() {
        let both = TEXT.replace("0000:21:00.0", "0000:81:00.0");
        check(Some(0), &both, None, (JsonUse::NotOffered, "nothing"));
        // Printed twice, it is one.
        let twice = format!("{TEXT}{TEXT}");
        let expected = "Some(Ready) Some(16) None Some(true)";
        check(Some(0), &twice, None, (JsonUse::NotOffered, expected));
    }
}
