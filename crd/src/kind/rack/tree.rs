//! A rack server's PCIe tree: root ports, host switches, cards, SoCs and other devices.
//!
//! Only a root port has a whole address. Below it functions are named by slot, and bus numbers are given by enumeration
//! at boot, depth first, as firmware does it: a card added below shifts those that follow.
use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    id::{MhiSerial, PciAddress, Word},
    step::MdpSetting,
};

/// A root port and what is below it: at most one of a switch, a card and another device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootPort {
    /// Its address. Buses below it are numbered from its own bus plus one, after those of earlier root ports on that bus.
    pub address: PciAddress,
    /// ACS control word now; absent means the kernel's default at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs: Option<Word>,
    /// ACS capability word; `0x0000` for a port without ACS; absent means `0x005f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs_capability: Option<Word>,
    /// A switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<HostSwitch>,
    /// A card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A switch of the host machine: one upstream port and some downstream ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSwitch {
    /// Vendor id; absent means `0x10b5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Word>,
    /// Device id; absent means `0xc010`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Word>,
    /// Its downstream ports, 1 to 32.
    #[schemars(length(min = 1, max = 32))]
    pub ports: Vec<SwitchPort>,
}

/// A downstream port of a host switch and what is below it: at most one of a switch, a card and another device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchPort {
    /// Device and function on the switch's inner bus, `02.0`.
    pub slot: Slot,
    /// ACS control word now; absent means the kernel's default at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs: Option<Word>,
    /// ACS capability word; `0x0000` for a port without ACS; absent means `0x007f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs_capability: Option<Word>,
    /// A further switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<HostSwitch>,
    /// A card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A card. An Ultra brings a Switchtec switch and four SoCs, any other SKU is one SoC in the slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Card {
    /// What is sold under this name decides cores and memory of SoCs that do not say otherwise.
    pub sku: Sku,
    /// Whether the card is in its slot; absent means `Plugged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// The board's serial; two cards may well show the same one. Absent means one drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub board_serial: Option<String>,
    /// What differs from the SKU, SoC by SoC in slot order; shorter than the card means that the rest are ordinary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub socs: Vec<RackSoc>,
}

/// What is sold.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Sku {
    /// One SoC, 14 cores, 16 GiB.
    Standard,
    /// One SoC, 16 cores, 32 GiB.
    Pro,
    /// Four SoCs behind a switch, 16 cores and 32 GiB each.
    Ultra,
    /// One AI 080 SoC, 8 cores, 16 GiB.
    Standard080,
    /// Four AI 080 SoCs behind a switch, 8 cores and 16 GiB each.
    Ultra080,
}

impl Sku {
    /// SoCs on the card.
    pub fn soc_count(self) -> usize {
        match self {
            Self::Ultra | Self::Ultra080 => 4,
            Self::Standard | Self::Pro | Self::Standard080 => 1,
        }
    }
}

/// Whether something is in its slot.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Presence {
    /// In its slot.
    #[default]
    Plugged,
    /// Its slot is empty; `shardplane rack replug` puts it in.
    Unplugged,
}

/// What one SoC shows where it differs from its card's SKU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RackSoc {
    /// MHI serial; absent means one drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub serial: Option<MhiSerial>,
    /// Cores that work, 1 to 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub cores: Option<u32>,
    /// Device memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub dram_mib: Option<u32>,
    /// Size of BAR 4 in KiB, a power of two; absent means 2097152 (2 GiB). 64 is what a board without P2P shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 4, max = 67_108_864))]
    pub bar4_kib: Option<u64>,
    /// Multi-device partitioning; absent means off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdp: Option<MdpSetting>,
    /// State; absent means `Ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SocState>,
    /// Bound driver; absent means `qaic`, `none` for no driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub driver: Option<String>,
    /// PCI class; absent means `0x120000`. `0xff0000` is seen too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub class: Option<String>,
    /// ACS control word of the card's downstream port above this SoC (Ultra only); absent means the kernel's default at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs: Option<Word>,
    /// ACS capability word of that port; `0x0000` for a port without ACS; absent means `0x007f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acs_capability: Option<Word>,
}

/// A SoC's state in a rack file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SocState {
    /// Usable.
    #[default]
    Ready,
    /// Booting, and never done.
    Stuck,
    /// Broken.
    Error,
}

/// A device that is no card of ours: an NVMe drive, a modem, a network adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    /// Vendor id.
    pub vendor: Word,
    /// Device id.
    pub device: Word,
    /// PCI class of 24 bits, `0x010802` form.
    #[schemars(length(max = 8))]
    pub class: String,
    /// Bound driver; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub driver: Option<String>,
}

/// Device and function on a bus, `02.0`: hexadecimal, device 00 to 1f, function 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

/// A text that is not a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a slot such as 02.0")]
pub struct SlotError(String);

impl FromStr for Slot {
    type Err = SlotError;
    fn from_str(text: &str) -> Result<Self, SlotError> {
        // A slot is the tail of an address, so that the address's own rules hold.
        let address: PciAddress = format!("0000:00:{text}")
            .parse()
            .map_err(|_| SlotError(text.to_owned()))?;
        Ok(Self {
            device: address.device,
            function: address.function,
        })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:x}", self.device, self.function)
    }
}

impl Serialize for Slot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Slot {
    fn schema_name() -> Cow<'static, str> {
        "Slot".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 4, "pattern": r"^[01][0-9a-f]\.[0-7]$" })
    }
}
