//! What the vendor's guides ask of a machine beyond what plans are made by: facts for `doctor` alone.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Fact, id::PciAddress};

/// What the vendor's guides ask of a machine. Nothing is planned by it; each fact is one that `doctor` judges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prerequisites {
    /// As whom the machine was read.
    pub reader: Reader,
    /// Distribution and its version, `ubuntu 22.04`.
    pub distribution: Fact<String>,
    /// Versions of Python 3 that are installed, `3.10` form, sorted by number.
    pub pythons: Fact<Vec<String>>,
    /// Size of the file system at `/` in GiB.
    pub disk_gib: Fact<u64>,
    /// Whether the processor says that it is a virtual one.
    pub virtual_machine: Fact<bool>,
    /// What the firmware calls the machine: maker and product.
    pub product: Fact<String>,
    /// Whether the firmware started the kernel under Secure Boot; `Absent` without EFI. Absent from recordings of versions that
    /// did not look, as is every field below that may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<Fact<bool>>,
    /// IOMMUs that the kernel uses.
    pub iommus: Fact<u32>,
    /// Kernel modules that are there, loaded or built in, of those that cards need or compete with, sorted.
    pub modules: Fact<Vec<String>>,
    /// The driver's own version; the mainline driver has none.
    pub driver_version: Fact<String>,
    /// Every parameter of the driver by the name that this driver uses, as the kernel writes it. Names that end in `_s`, `_ms`
    /// and `_us` say their unit; the older driver's have none and count milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_parameters: Option<BTreeMap<String, Fact<String>>>,
    /// Files of the vendor's SDK that steps need, below its folder, sorted.
    pub installed: Fact<Vec<String>>,
    /// Where the `switchtec` command is.
    pub switchtec: Fact<String>,
    /// Id of the group `qaic`.
    pub qaic_group: Fact<u32>,
    /// What the vendor's operator and device plugin leave on a node, by path, sorted.
    pub vendor_operator: Fact<Vec<String>>,
    /// What is asked of each SoC, ordered by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socs: Vec<SocPrerequisites>,
}

/// As whom a machine was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reader {
    /// Effective user id.
    pub uid: Fact<u32>,
    /// Whether it had `CAP_SYS_ADMIN`, without which configuration space ends after 64 bytes.
    pub sys_admin: Fact<bool>,
    /// Whether it was in the group `qaic`, which may open accel nodes.
    pub in_qaic_group: Fact<bool>,
}

/// What is asked of one SoC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SocPrerequisites {
    /// The SoC.
    pub address: PciAddress,
    /// Whether BAR 4 was given addresses: without room above 4 GiB it has a size and no place.
    pub bar4_assigned: Fact<bool>,
    /// Message signalled interrupts that the driver got.
    pub msi_vectors: Fact<u32>,
    /// Its device node, `/dev/accel/accel3`, or `/dev/qaic_aic100_0` of older drivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Fact<String>>,
    /// Its DMA bridge channels, where the kernel tells (from 6.19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Fact<Channels>>,
    /// Errors that it has counted since it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Fact<ErrorCounts>>,
    /// The most power that it may draw, in microwatts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_microwatts: Option<Fact<u64>>,
}

/// A SoC's DMA bridge channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channels {
    /// How many it has.
    pub count: u32,
    /// Those that are not idle, ordered by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<Channel>,
}

/// A DMA bridge channel that is not idle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channel {
    /// Its number.
    pub number: u32,
    /// Its state.
    pub state: ChannelState,
}

/// The state of a DMA bridge channel, in the words of the kernel's ABI.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ChannelState {
    /// Nobody has it.
    Idle,
    /// A program has it.
    Assigned,
    /// Its program is about to be shut down by the SoC's own recovery.
    BeforeShutdown,
    /// Its program was shut down.
    AfterShutdown,
    /// It is about to come up again.
    BeforePowerUp,
    /// It came up again.
    AfterPowerUp,
}

/// Errors that a SoC reported to its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorCounts {
    /// Corrected by itself.
    pub correctable: u64,
    /// Not corrected, and fatal: the driver resets the SoC by itself.
    pub uncorrectable: u64,
    /// Not corrected, and not fatal.
    pub nonfatal: u64,
}
