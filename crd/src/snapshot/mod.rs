//! What the planner may know of one node, as one document.
//!
//! Data flows in from a probe, a recorded file or a node's status; nothing here reads a machine.
mod command_line;
mod gaps;
mod host;
mod ledger;
mod occupancy;
mod pci;
mod prerequisites;
pub(crate) mod recording;
mod settings_file;
mod soc;
mod wiring;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use command_line::parameters;
pub use gaps::{Above, Gap, gaps};
pub use host::{Host, Lockdown, PortOwner, Settings, Toolchain, Tools, WorkerToolchain};
pub use ledger::{
    GroupRecord, Ledger, LedgerEntry, LedgerTarget, LostSoc, SocIdentity, Verification,
};
pub use occupancy::{Holder, HolderKind, PodName, PresentProgram, PresentWorker, WorkerState};
pub use pci::{Acs, BAR4, Bar, Link, PciFunction, PortKind, hands_on};
pub use prerequisites::{
    Channel, ChannelState, Channels, ErrorCounts, Prerequisites, Reader, SocPrerequisites,
};
pub use recording::{Recording, Redaction};
pub use settings_file::{
    FileImage, FileImageError, KeptSettings, OverrulingSetting, SETTINGS_FILE_LIMIT, SettingsFile,
};
pub use soc::{SkuKind, Soc, SocStatus};
pub use wiring::told_by_place;

use crate::{
    Fact, Unknown,
    id::{BootId, NodeName},
};

/// The snapshot's `kind` on the wire.
pub const SNAPSHOT_KIND: &str = "HardwareSnapshot";

/// A recorded or live view of one node (file kind `HardwareSnapshot`).
///
/// Its digest covers everything but `readings` and `recording`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HardwareSnapshot {
    /// Always `shardplane.dev/v1alpha1`.
    pub api_version: String,
    /// Always `HardwareSnapshot`.
    pub kind: String,
    /// The node's name and labels.
    pub metadata: SnapshotMetadata,
    /// The boot that every volatile fact belongs to.
    pub boot_id: Fact<BootId>,
    /// Every PCI function that the machine shows, ordered by address.
    pub functions: Vec<PciFunction>,
    /// Every AI 100 SoC, ordered by address.
    pub socs: Vec<Soc>,
    /// Folders that could not be listed and devices that went while they were read, ordered by path: what would be there is
    /// not known to be absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// The machine around the cards.
    pub host: Host,
    /// Driver and kernel settings that a policy may declare.
    pub settings: Settings,
    /// Vendor tools and the runtime worker.
    pub tools: Tools,
    /// What the vendor's guides ask beyond that; absent from recordings of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerequisites: Option<Prerequisites>,
    /// Compiled programs present on the node, ordered by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<PresentProgram>,
    /// Our own workers, ordered by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<PresentWorker>,
    /// Everything that holds a SoC, ours and foreign, ordered by SoC and pid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Holder>,
    /// What we changed on this node, and what was there before.
    #[serde(default)]
    pub ledger: Ledger,
    /// Readings that change by themselves; outside the digest and of every decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings: Option<Readings>,
    /// How the file came about; absent from what a probe sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
}

/// Something that could not be read, and of which nothing else in the snapshot speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unread {
    /// The folder or file.
    pub path: String,
    /// Why.
    pub why: Unknown,
}

/// The node's name and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotMetadata {
    /// The node.
    pub name: NodeName,
    /// The node's labels, for selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What changes without anybody's doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Readings {
    /// When the probe ran, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    /// Memory that a new process could have, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_mib: Option<u64>,
    /// Temperature of each SoC by PCI address, in thousandths of a degree Celsius.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub temperature_millicelsius: BTreeMap<String, i64>,
    /// Power drawn by each SoC by PCI address, in microwatts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub power_microwatts: BTreeMap<String, i64>,
}
