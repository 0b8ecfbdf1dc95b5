//! `qaic-util -q -j FILE`: one object a SoC.
//!
//! Format: inferred. The flag is documented; the list and five of its keys (`qid`, `dev_status`, `sku_type`, `nsp_total`,
//! `nsp_free`) are those that a published vendor script reads; nobody has published a file. What else is in it is kept.
use std::{collections::BTreeMap, str::FromStr};

use crd::id::Qid;
use serde_json::{Map, Value};

use super::{Device, device::fold};

/// SKUs by number, in the words that the text form prints (the vendor's open runtime).
const SKUS: [&str; 10] = [
    "Invalid",
    "M.2",
    "PCIe",
    "PCIe Pro",
    "PCIe Lite",
    "PCIe Ultra",
    "Auto",
    "PCIe Ultra Plus",
    "PCIe 080",
    "PCIe Ultra 080",
];

/// Keys that a published vendor script reads.
const DOCUMENTED: [&str; 5] = ["qid", "dev_status", "sku_type", "nsp_total", "nsp_free"];

/// The devices of the tool's JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryJson(pub Vec<Device>);

/// Why a text is not the tool's JSON; the text form is to be read instead.
#[derive(Debug, thiserror::Error)]
pub enum QueryJsonError {
    /// It is no JSON at all.
    #[error("reading the query tool's JSON")]
    NotJson(#[source] serde_json::Error),
    /// It has no list `device_info`.
    #[error("the query tool's JSON has no list `device_info`")]
    NoDevices,
}

impl FromStr for QueryJson {
    type Err = QueryJsonError;

    fn from_str(text: &str) -> Result<Self, QueryJsonError> {
        // Some writers begin a file with a mark of its encoding.
        let text = text.trim_start_matches('\u{feff}');
        let whole: Value = serde_json::from_str(text).map_err(QueryJsonError::NotJson)?;
        let list = whole
            .get("device_info")
            .and_then(Value::as_array)
            .ok_or(QueryJsonError::NoDevices)?;
        Ok(Self(
            list.iter()
                .filter_map(Value::as_object)
                .filter_map(device)
                .collect(),
        ))
    }
}

/// A SoC without a number is none that could be joined with anything.
fn device(object: &Map<String, Value>) -> Option<Device> {
    // Where two keys mean one thing, the one that the vendor's own script reads counts.
    let (known, others): (Vec<_>, Vec<_>) = object
        .iter()
        .partition(|(key, _)| DOCUMENTED.contains(&key.as_str()));
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in known.into_iter().chain(others) {
        let key = plain(key);
        let value = if key == "Sku Type" {
            sku(value)
        } else {
            scalar(value)
        };
        if let Some(value) = value {
            fields.entry(key).or_insert(value);
        }
    }
    let qid = fields.get("QID")?.parse().ok().map(Qid)?;
    Some(Device {
        qid,
        fields,
        doubtful: false,
    })
}

/// The text form's name of a key, where the key is one of those known; the key itself otherwise.
fn plain(key: &str) -> String {
    match fold(key).as_str() {
        "qid" => "QID",
        "devstatus" | "status" => "Status",
        "skutype" => "Sku Type",
        "nsptotal" => "Nsp Total",
        "nspfree" => "Nsp Free",
        "mhiid" => "MHI ID",
        "pciaddress" => "PCI Address",
        "boardserial" => "Board serial",
        "devicecapabilities" => "Device Capabilities",
        "fwversion" => "FW Version",
        _ => return key.to_owned(),
    }
    .to_owned()
}

/// The number of a SKU, where its words are those of the text form.
pub(crate) fn sku_number(words: &str) -> Option<usize> {
    SKUS.iter()
        .position(|known| known.eq_ignore_ascii_case(words))
}

fn sku(value: &Value) -> Option<String> {
    let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
    match number.and_then(|number| SKUS.get(number)) {
        Some(&word) => Some(word.to_owned()),
        None => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written after the keys that vendor scripts read; no file of a real card was at hand.
    #[test]
    fn known_keys_are_read_and_others_kept() {
        let text = r#"{"version":2,"device_info":[
            {"qid":3,"dev_status":"Ready","sku_type":5,"nsp_total":16,"nsp_free":"14","lanes":[1],"rev":"B"},
            {"qid":"4","dev_status":2,"sku_type":"PCIe Ultra","PCI Address":"0000:C1:00.0"},
            {"dev_status":"Ready"}, 7, {"qid":-1}]}"#;
        let QueryJson(devices) = text.parse().unwrap();
        assert_eq!(devices.len(), 2);
        let first = &devices[0];
        assert_eq!(
            (first.cores(), first.cores_free(), first.sku()),
            (Some(16), Some(14), Some("PCIe Ultra"))
        );
        assert_eq!(first.fields["rev"], "B");
        assert_eq!(devices[1].address().unwrap().bus, 0xc1);
        assert_ne!(
            devices[1].status(),
            Some(crd::snapshot::SocStatus::Ready),
            "a number is no word for Ready"
        );
        for text in ["", "{", "[]", "{}", r#"{"device_info":{}}"#] {
            assert!(text.parse::<QueryJson>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,80}", key in "\\PC{0,12}") {
            let _ = text.parse::<QueryJson>();
            let wrapped = serde_json::json!({ "device_info": [{ "qid": 0, key: text }] }).to_string();
            prop_assert!(wrapped.parse::<QueryJson>().is_ok());
        }
    }
}
