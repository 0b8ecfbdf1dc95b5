//! `qaic-util -q`: blocks of `key:value` in the layouts of every SDK generation, with log lines anywhere between.
use std::collections::BTreeMap;

use crd::{
    id::{MhiId, PciAddress, Qid},
    snapshot::SocStatus,
};

use super::is_log;

/// One SoC as the tool shows it. What the tool left out is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number for now.
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

/// Reads the tool's output. Text that is none of its own gives no device; nothing is ever an error.
pub fn parse_query(text: &str) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for line in text.lines().filter(|line| !is_log(line)) {
        if let Some(qid) = block_start(line) {
            devices.push(Device {
                qid,
                fields: BTreeMap::new(),
            });
        } else if let (Some(device), Some((key, value))) =
            (devices.last_mut(), line.split_once(':'))
        {
            device
                .fields
                .insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    devices
}

/// `QID 0` at the start of a line; some versions put a colon behind it.
fn block_start(line: &str) -> Option<Qid> {
    let number = line.strip_prefix("QID ")?.trim().trim_end_matches(':');
    number.parse().ok().map(Qid)
}

impl Device {
    fn field(&self, key: &str) -> Option<&str> {
        self.fields
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Its PCI address, by which it is joined with everything else.
    pub fn address(&self) -> Option<PciAddress> {
        self.field("PCI Address")?.to_ascii_lowercase().parse().ok()
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

    /// Memory in MiB; the unit is the line's own, `MB` or `KB`, both of them binary.
    pub fn dram_mib(&self) -> Option<u64> {
        let (number, unit) = self.field("Dram Total")?.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match unit.trim() {
            "KB" => Some(number / 1024),
            "MB" => Some(number),
            "GB" => number.checked_mul(1024),
            _ => None,
        }
    }

    /// Its capability words; absent where this SDK prints no such line, or the SoC is not ready.
    pub fn capabilities(&self) -> Option<Vec<Capability>> {
        let words = self.fields.get("Device Capabilities")?;
        Some(
            words
                .split_whitespace()
                .map(|word| Capability {
                    name: word.trim_end_matches(['+', '-']).to_owned(),
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
