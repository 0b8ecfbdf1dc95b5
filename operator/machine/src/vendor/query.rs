//! `qaic-util -q`: blocks of `key:value` in the layouts of every SDK generation, with log lines anywhere between.
//!
//! Format: observed up to 1.10 (published captures), and after that documented in part (field names, `MDP+`) and inferred from
//! the vendor's open runtime. Key order, indentation, line ends and units differ between versions, and none of them is relied on.
use std::{collections::BTreeMap, convert::Infallible, str::FromStr};

use crd::{
    id::{MhiId, PciAddress, Qid},
    snapshot::SocStatus,
};

use super::{
    is_log,
    log::{before_log, whole_lines},
};

/// One SoC as the tool shows it. What the tool left out is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number until the driver or the machine starts anew.
    pub qid: Qid,
    /// Every `key:value` of its block, the unknown ones too; the last of a key wins.
    pub fields: BTreeMap<String, String>,
}

/// A word of the capability line, `MDP+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The word without its sign.
    pub name: String,
    /// Whether it ends in `+`.
    pub on: bool,
}

/// The tool's whole output. Text that is none of its own gives no device; nothing is ever an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText {
    /// Every block, in the order printed.
    pub devices: Vec<Device>,
    /// How many the tool says that it shows.
    pub announced: Option<u32>,
}

impl FromStr for QueryText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut seen = Self::default();
        for line in whole_lines(text).filter(|line| !is_log(line)) {
            let line = before_log(line);
            match (block_start(line), seen.devices.last_mut()) {
                (Some(qid), last) if last.as_ref().is_none_or(|last| last.qid != qid) => {
                    seen.devices.push(Device {
                        qid,
                        fields: BTreeMap::new(),
                    });
                }
                (_, Some(device)) => {
                    if let Some((key, value)) = line.split_once(':') {
                        device
                            .fields
                            .insert(key.trim().to_owned(), value.trim().to_owned());
                    }
                }
                (_, None) => seen.announced = seen.announced.or(announced(line)),
            }
        }
        Ok(seen)
    }
}

/// `QID 0` on a line of its own; some versions put a colon behind it.
fn block_start(line: &str) -> Option<Qid> {
    let number = line.trim().strip_prefix("QID")?;
    let number = number.trim_matches([' ', '\t', ':']);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| number.parse().ok().map(Qid))?
}

/// `Number of devices: 8` (up to 1.7), `Number of devices queried: 1` (from 1.10).
fn announced(line: &str) -> Option<u32> {
    let (key, value) = line.split_once(':')?;
    key.trim()
        .starts_with("Number of devices")
        .then(|| value.trim().parse().ok())?
}

impl Device {
    /// A field's value, however the key is spaced or capitalised in this version; none where it is empty.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|value| !value.is_empty())
    }

    /// As [`Device::field`], empty values too.
    fn text(&self, key: &str) -> Option<&str> {
        let exact = self.fields.get(key);
        let alike = || {
            let folded = fold(key);
            let found = self.fields.iter().find(|(known, _)| fold(known) == folded);
            found.map(|(_, value)| value)
        };
        exact.or_else(alike).map(String::as_str)
    }

    /// Its PCI address, by which it is joined with everything else.
    pub fn address(&self) -> Option<PciAddress> {
        let text = self.field("PCI Address")?.to_ascii_lowercase();
        let whole = if text.matches(':').count() == 1 {
            // Without its domain it is in the first.
            format!("0000:{text}")
        } else {
            text
        };
        whole.parse().ok()
    }

    /// Its state. Words that nobody knows are kept, and are not `Ready`.
    pub fn status(&self) -> Option<SocStatus> {
        Some(match self.field("Status")? {
            "Ready" => SocStatus::Ready,
            "Initializing" => SocStatus::Initializing,
            "Error" => SocStatus::Error,
            other => SocStatus::Other(other.chars().take(64).collect()),
        })
    }

    /// Its MHI number.
    pub fn mhi(&self) -> Option<MhiId> {
        self.field("MHI ID")?.parse().ok().map(MhiId)
    }

    /// Cores that work.
    pub fn cores(&self) -> Option<u32> {
        self.field("Nsp Total")?.parse().ok()
    }

    /// Cores that no program has.
    pub fn cores_free(&self) -> Option<u32> {
        self.field("Nsp Free")?.parse().ok()
    }

    /// Memory in MiB; the unit is the line's own, `MB` or `KB`, both of them binary. A number without a unit is none.
    pub fn dram_mib(&self) -> Option<u64> {
        let text = self.field("Dram Total")?;
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().ok()?;
        match unit.trim().to_ascii_uppercase().as_str() {
            "KB" | "KIB" => Some(number / 1024),
            "MB" | "MIB" => Some(number),
            "GB" | "GIB" => number.checked_mul(1024),
            _ => None,
        }
    }

    /// Its capability words; absent where this SDK prints no such line, or the SoC is not ready.
    pub fn capabilities(&self) -> Option<Vec<Capability>> {
        let words = self.text("Device Capabilities")?;
        Some(
            words
                .split([' ', '\t', ',', ';'])
                .filter(|word| !word.is_empty())
                .map(|word| Capability {
                    name: word.strip_suffix(['+', '-']).unwrap_or(word).to_owned(),
                    on: word.ends_with('+'),
                })
                .collect(),
        )
    }

    /// Whether multi-device partitioning is on: the word `MDP+`, and nothing else, says so.
    pub fn mdp(&self) -> Option<bool> {
        let words = self.capabilities()?;
        Some(words.iter().any(|word| word.name == "MDP" && word.on))
    }

    /// Its SKU in the tool's words.
    pub fn sku(&self) -> Option<&str> {
        self.field("Sku Type")
    }

    /// Its board's serial.
    pub fn board_serial(&self) -> Option<&str> {
        self.field("Board serial")
    }

    /// Its firmware's version.
    pub fn firmware(&self) -> Option<&str> {
        self.field("FW Version")
    }
}

/// A key without what versions write differently: case, spaces, dashes and underscores.
pub(super) fn fold(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
