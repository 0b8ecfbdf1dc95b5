//! One AI 100 SoC as facts, joined on its PCI address.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Fact,
    id::{AccelMinor, MhiId, MhiSerial, PciAddress, PciPath, Qid},
};

/// One SoC: the four unrelated numberings, its state and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Soc {
    /// Its PCI function.
    pub address: PciAddress,
    /// Its path from the root port.
    pub path: PciPath,
    /// Its MHI serial.
    pub serial: Fact<MhiSerial>,
    /// What the vendor's tool calls it now.
    pub qid: Fact<Qid>,
    /// Its MHI number now.
    pub mhi: Fact<MhiId>,
    /// Its accel node now.
    pub accel: Fact<AccelMinor>,
    /// The vendor tool's word for its state.
    pub status: Fact<SocStatus>,
    /// Whether multi-device partitioning is on: the token `MDP+`.
    pub mdp: Fact<bool>,
    /// Cores (NSPs) that work: 8, 14 and 16 are known.
    pub cores: Fact<u32>,
    /// Cores not in use by a loaded program.
    pub cores_free: Fact<u32>,
    /// Device memory in MiB.
    pub dram_mib: Fact<u64>,
    /// The SKU as the vendor's tool words it.
    pub sku: Fact<SkuKind>,
    /// The board's serial; a cross-check only, cards are grouped by topology.
    pub board_serial: Fact<String>,
    /// Firmware version.
    pub firmware: Fact<String>,
}

/// A SoC's state; anything but `Ready` is not ready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum SocStatus {
    /// Usable.
    Ready,
    /// Booting. Never reset in this state.
    Initializing,
    /// The tool cannot use it: broken, forbidden, or not mapped.
    Error,
    /// A word this version does not know.
    Other(String),
}

/// SKU names of the vendor's enum; an open set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SkuKind(pub String);
