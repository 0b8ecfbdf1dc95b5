//! The ledger: what we changed on a node, for whom, and what was there before.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SettingsFile;
use crate::{
    id::{BootId, GroupId, MhiSerial, ObjectRef, PciAddress, PciPath, Word},
    kind::{ApprovalMode, DeletionRule, ResetScope},
};

/// Everything we changed on one node. Kept by the node, read by the planner, so that a removal can be planned in CI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// Registers and settings, ordered by target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<LedgerEntry>,
    /// Every SoC ever acted on, ordered by address: where address, path and serial disagree with the probe, nothing is touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<SocIdentity>,
    /// Every group's last members, ordered by id: automatic membership is sticky.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRecord>,
    /// The approval that the node's policies asked for when it was last worked on: it still governs the removal of what
    /// they left, once none of them is declared any more. Absent while nothing is left of us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalMode>,
    /// How far our last reset reached: what it brought about goes back the same way, once no policy says how. Absent while
    /// nothing is left of us, and where nothing was reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_scope: Option<ResetScope>,
    /// The boot on which we started qmonitor. Nothing stops it again: whoever removes the rest is told that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qmonitor_started: Option<BootId>,
    /// SoCs that left the bus while we reset SoCs of this machine, ordered by address: as long as one of them is away, and the
    /// machine has not booted, no other is reset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostSoc>,
}

/// A SoC that left the bus while we reset SoCs of its machine: itself, or one beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LostSoc {
    /// Which, as it was known before.
    pub soc: SocIdentity,
    /// The boot in which it went.
    pub boot_id: BootId,
}

/// One register or setting that we changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LedgerEntry {
    /// What was changed.
    pub target: LedgerTarget,
    /// The objects that need it, ordered; the last to go reverts it.
    pub owners: Vec<ObjectRef>,
    /// What happens when no owner is left.
    pub deletion: DeletionRule,
    /// What goes back: what stood there before our first write, or what a boot itself set since. A word (`0x001d`) for ACS, `true`/`false` for MDP, a number for a setting,
    /// `absent` or `text:` and the whole text for a settings file.
    pub pre_image: String,
    /// What we left there.
    pub written: String,
    /// The boot in which we last wrote it.
    pub boot_id: BootId,
}

/// What a ledger entry is about.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "what"
)]
pub enum LedgerTarget {
    /// A port's ACS control word.
    Acs {
        /// The port.
        port: PciAddress,
        /// Its path, which must still lead to the same address.
        path: PciPath,
    },
    /// A SoC's multi-device partitioning.
    Mdp {
        /// The SoC.
        soc: PciAddress,
    },
    /// A driver parameter, by name.
    Driver {
        /// Parameter name.
        name: String,
    },
    /// A kernel setting, by name.
    Sysctl {
        /// Setting name.
        name: String,
    },
    /// A settings file of ours, as a whole.
    File {
        /// Which.
        file: SettingsFile,
    },
}

/// One SoC by all three of its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SocIdentity {
    /// PCI address when it was recorded.
    pub address: PciAddress,
    /// Path from the root port.
    pub path: PciPath,
    /// MHI serial, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<MhiSerial>,
}

/// A group's last members and its last verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupRecord {
    /// Which group.
    pub group: GroupId,
    /// Its members in logical order (rank 0 first).
    pub members: Vec<SocIdentity>,
    /// What the last successful P2P verification saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// The state in which P2P was last proven. Another state needs another proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verification {
    /// The boot it ran in.
    pub boot_id: BootId,
    /// Members, in logical order.
    pub members: Vec<PciAddress>,
    /// ACS control word of each divergence port, ordered by port.
    pub acs: Vec<(PciAddress, Word)>,
    /// Whether every member had MDP on.
    pub mdp: bool,
}
