//! A SoC's block as `qaic-util -q` shows it, and what its fields mean.
//!
//! Format: as for the block itself (see `query`): observed up to 1.10, after that documented in part and inferred.
use std::collections::BTreeMap;

use crd::{
    id::{MhiId, PciAddress, Qid},
    snapshot::SocStatus,
};

use super::capability;

/// One SoC as the tool shows it. What the tool left out is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number until the driver or the machine starts anew.
    pub qid: Qid,
    /// Every `key:value` of its block, the unknown ones too. A key that was printed with two values has none that is known.
    pub fields: BTreeMap<String, String>,
    /// Whether another SoC's number stands within its block: whose the fields are cannot be told then, nor whether this is its
    /// number. Its address alone is kept, so that it is known of whom nothing is.
    pub doubtful: bool,
}

/// The key of what everything is joined on.
pub(super) const ADDRESS: &str = "PCI Address";
/// The key of what it can do.
pub(super) const CAPABILITIES: &str = "Device Capabilities";
/// What stands in the place of two values of one key: a block's border was lost, or somebody else's line is in it.
pub(super) const TWO: &str = "more than one";

impl Device {
    /// A field's value, however the key is spaced or capitalised in this version; none where it is empty.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|value| !value.is_empty())
    }

    /// Whether anything stands there, whatever it means.
    pub fn says(&self, key: &str) -> bool {
        self.field(key).is_some()
    }

    /// As [`Device::field`], for names and words. None of them has a colon or a bracket: one that does has somebody else's line
    /// in it, and half a name is another name.
    fn word(&self, key: &str) -> Option<&str> {
        self.field(key).filter(|value| is_word(value))
    }

    /// Whether a key was printed with two values, or with one that may be another SoC's.
    pub fn is_ambiguous(&self, key: &str) -> bool {
        self.doubtful || self.raw(key) == Some(TWO)
    }

    /// As [`Device::field`], empty values too.
    fn text(&self, key: &str) -> Option<&str> {
        self.raw(key).filter(|value| *value != TWO)
    }

    pub(super) fn raw(&self, key: &str) -> Option<&str> {
        let mut alike = (self.fields.iter()).filter(|(known, _)| is_alike(known, key));
        let (_, value) = alike.next()?;
        // Two spellings of one key are one key.
        let two = alike.any(|(_, other)| !other.eq_ignore_ascii_case(value));
        Some(if two { TWO } else { value })
    }

    /// Its PCI address, by which it is joined with everything else.
    pub fn address(&self) -> Option<PciAddress> {
        let text = self.field(ADDRESS)?.to_ascii_lowercase();
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
        Some(match self.word("Status")? {
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

    /// Cores that work. A number that no SoC has is none.
    pub fn cores(&self) -> Option<u32> {
        let cores = self.field("Nsp Total")?.parse().ok()?;
        (1..=MOST_CORES).contains(&cores).then_some(cores)
    }

    /// Cores that no program has; more than there are is no number of them.
    pub fn cores_free(&self) -> Option<u32> {
        let free = self.field("Nsp Free")?.parse().ok()?;
        let most = match self.field("Nsp Total") {
            Some(_) => self.cores()?,
            None => MOST_CORES,
        };
        (free <= most).then_some(free)
    }

    /// Memory in MiB, some of it and less than 1 TiB; the unit is the line's own, bytes or any of `KB`, `MB`, `GB`, all of them binary. A number without a unit
    /// is none.
    pub fn dram_mib(&self) -> Option<u64> {
        let text = self.field("Dram Total")?;
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = text.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        // Three digits behind the point are as many as anybody prints.
        let part: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        let thousandths = whole.checked_mul(1000)?.checked_add(part)?;
        let bytes: u64 = match unit.trim().to_ascii_uppercase().as_str() {
            "B" | "BYTES" => 1,
            "KB" | "KIB" => 1 << 10,
            "MB" | "MIB" => 1 << 20,
            "GB" | "GIB" => 1 << 30,
            _ => return None,
        };
        let bytes = u128::from(thousandths) * u128::from(bytes);
        let mib = u64::try_from(bytes / 1000 / (1 << 20)).ok()?;
        (1..MOST_MIB).contains(&mib).then_some(mib)
    }

    /// Whether multi-device partitioning is on, as its capabilities say. Without them nothing is said: the vendor's own build alone
    /// prints such a line, the open one and older versions print none of a SoC that is partitioned.
    pub fn mdp(&self) -> Option<bool> {
        let line = self.text(CAPABILITIES).filter(|line| is_word(line))?;
        capability::partitioned(line)
    }

    /// Its SKU in the tool's words.
    pub fn sku(&self) -> Option<&str> {
        self.word("Sku Type")
    }

    /// Its board's serial.
    pub fn board_serial(&self) -> Option<&str> {
        self.word("Board serial")
    }

    /// Its firmware's version.
    pub fn firmware(&self) -> Option<&str> {
        self.word("FW Version")
    }
}

/// Four times the 16 cores of a SoC of today.
const MOST_CORES: u32 = 64;
/// Bytes of a name, a version or a line of capabilities: many times what any version prints.
const MOST_WORD: usize = 1024;
/// Of a SoC; those of today have 32 GiB at most.
const MOST_MIB: u64 = 1 << 20;

fn is_word(value: &str) -> bool {
    value.len() <= MOST_WORD && !value.contains([':', '[', ']'])
}

/// Whether two keys are one, however they are written.
pub(super) fn is_alike(key: &str, other: &str) -> bool {
    folded(key).eq(folded(other))
}

/// A key without what versions write differently: case, spaces, dashes and underscores.
pub(super) fn fold(key: &str) -> String {
    folded(key).map(char::from).collect()
}

fn folded(key: &str) -> impl Iterator<Item = u8> {
    let signs = key.bytes().filter(u8::is_ascii_alphanumeric);
    signs.map(|sign| sign.to_ascii_lowercase())
}
