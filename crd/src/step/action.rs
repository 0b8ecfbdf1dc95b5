//! What a step does: every effect, gate and piece of work that a plan can hold.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Digest, GroupId, ObjectRef, PciAddress, PciPath, Word, WorkerId},
    kind::{DeletionRule, ResetScope},
    program::ProgramRequest,
    snapshot::{FileImage, LedgerTarget, SettingsFile, SocIdentity},
};

/// Access Control Services bits that redirect or block ordinary peer traffic: RR 0x04, CR 0x08, EC 0x20.
/// Nothing else is ever cleared.
pub const ACS_REDIRECT_MASK: u16 = 0x002c;

/// A port by address and path; where they disagree with the probe nothing is written.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct PortRef {
    /// PCI address.
    pub address: PciAddress,
    /// Path from the root port.
    pub path: PciPath,
}

/// What is done, to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all_fields = "camelCase")]
pub enum Action {
    /// Gate: keep new work off the node's SoCs (in a cluster a taint; locally nothing starts while an engine works).
    #[serde(rename = "node.taint")]
    Taint {
        /// SoCs that work is kept off.
        socs: Vec<PciAddress>,
    },
    /// Gate: stop our own workers on these SoCs and wait until nothing holds them.
    #[serde(rename = "socs.drain")]
    Drain {
        /// SoCs to be free.
        socs: Vec<PciAddress>,
        /// Workers to be stopped. Outside the digest.
        workers: Vec<WorkerId>,
        /// Seconds to wait.
        timeout_seconds: u32,
    },
    /// Effect: clear redirect bits of one port's ACS control word, by read-modify-write.
    #[serde(rename = "acs.clear")]
    ClearAcs {
        /// The port.
        port: PortRef,
        /// The word expected to stand there.
        before: Word,
        /// Bits cleared; within [`ACS_REDIRECT_MASK`].
        mask: Word,
    },
    /// Effect: put a port's ACS redirect bits back as the ledger recorded them.
    #[serde(rename = "acs.restore")]
    RestoreAcs {
        /// The port.
        port: PortRef,
        /// The word expected to stand there.
        before: Word,
        /// The whole word that the ledger recorded; only bits in `mask` are written.
        pre_image: Word,
        /// Bits written; within [`ACS_REDIRECT_MASK`].
        mask: Word,
    },
    /// Effect: start qmonitor. A step of its own, because it may update firmware.
    #[serde(rename = "qmonitor.start")]
    StartQmonitor {},
    /// Effect: ask for multi-device partitioning to be switched. Proves nothing; takes effect at a reset.
    #[serde(rename = "mdp.request")]
    RequestMdp {
        /// The SoC.
        soc: SocIdentity,
        /// `true` for on.
        enable: MdpSetting,
    },
    /// Effect: reset one SoC, or all SoCs of the machine where the policy's scope is `Host`.
    #[serde(rename = "soc.reset")]
    Reset {
        /// What is reset.
        scope: ResetScope,
        /// The SoCs that the reset reaches.
        socs: Vec<SocIdentity>,
    },
    /// Gate: wait until these SoCs are Ready.
    #[serde(rename = "soc.wait")]
    WaitReady {
        /// The SoCs.
        socs: Vec<SocIdentity>,
        /// Seconds to wait; the vendor's installer waits 900.
        timeout_seconds: u32,
    },
    /// Gate: see multi-device partitioning as it was asked for on these SoCs.
    #[serde(rename = "mdp.verify")]
    VerifyMdp {
        /// The SoCs.
        socs: Vec<SocIdentity>,
        /// What is expected.
        enable: MdpSetting,
    },
    /// Effect: write a driver parameter.
    #[serde(rename = "driver.set")]
    SetDriver {
        /// The parameter under the name this driver has.
        name: String,
        /// Value before, in the parameter's own unit; absent when unreadable.
        before: Option<u64>,
        /// Value after, in the parameter's own unit.
        after: u64,
    },
    /// Effect: write a kernel setting.
    #[serde(rename = "sysctl.set")]
    SetSysctl {
        /// Setting name, dotted.
        name: String,
        /// Value before; absent when unreadable.
        before: Option<u64>,
        /// Value after.
        after: u64,
    },
    /// Effect: write a settings file of ours as a whole, or take it away.
    #[serde(rename = "file.write")]
    WriteFile {
        /// Which.
        file: SettingsFile,
        /// What is expected to stand there.
        before: FileImage,
        /// What stands there afterwards.
        after: FileImage,
    },
    /// Gate: prove P2P by data, both directions, every needed pair.
    #[serde(rename = "p2p.verify")]
    VerifyP2P {
        /// The group.
        group: GroupId,
        /// Members, rank 0 first.
        members: Vec<SocIdentity>,
        /// Divergence ports of the members, ordered.
        ports: Vec<PortRef>,
    },
    /// Gate: let work onto the SoCs again.
    #[serde(rename = "node.untaint")]
    Untaint {
        /// SoCs that work may have again.
        socs: Vec<PciAddress>,
    },
    /// Effect on the ledger alone: who owns an entry, and what happens when they are gone.
    #[serde(rename = "ledger.assign")]
    AssignEntry {
        /// The entry.
        entry: LedgerTarget,
        /// Its owners from now on; empty forgets the entry and leaves what was written.
        owners: Vec<ObjectRef>,
        /// The deletion rule from now on.
        deletion: DeletionRule,
    },
    /// Effect on the ledger alone: a group's members, so that automatic membership is sticky.
    #[serde(rename = "group.assign")]
    AssignGroup {
        /// The group.
        group: GroupId,
        /// Its members, rank 0 first; empty forgets the group.
        members: Vec<SocIdentity>,
    },
    /// Work: compile or slice a program.
    #[serde(rename = "program.build")]
    Build {
        /// What to build.
        program: ProgramRequest,
    },
    /// Work: start a worker.
    #[serde(rename = "worker.start")]
    StartWorker {
        /// How to start it.
        worker: WorkerRequest,
    },
    /// Work: drain and stop a worker.
    #[serde(rename = "worker.stop")]
    StopWorker {
        /// Which.
        worker: WorkerId,
    },
    /// Work: stop a worker and start its successor.
    #[serde(rename = "worker.replace")]
    ReplaceWorker {
        /// How to start the successor.
        worker: WorkerRequest,
    },
}

/// Multi-device partitioning, on or off.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum MdpSetting {
    /// `MDP+`.
    On,
    /// No `MDP+`.
    Off,
}

impl MdpSetting {
    /// Whether a SoC whose capability line reads so has this setting.
    pub fn is(self, enabled: bool) -> bool {
        match self {
            Self::On => enabled,
            Self::Off => !enabled,
        }
    }
}

/// How a worker is started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerRequest {
    /// Which replica.
    pub id: WorkerId,
    /// The `ShardedModel` it belongs to.
    pub model: ObjectRef,
    /// The program it serves.
    pub program: ProgramRequest,
    /// The group it runs on, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The SoCs it holds, rank 0 first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socs: Vec<PciAddress>,
    /// Tokens of prompt and answer together.
    pub context_length: u32,
    /// Sequences at once.
    pub slots: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// Seconds that a request may take; absent for the worker's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_seconds: Option<u32>,
    /// TCP port on 127.0.0.1; absent for any free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Fingerprint of these options; a different one replaces the worker.
    pub options: Digest,
}

impl Action {
    /// The ledger entry that this action makes, changes or is about; `None` for what leaves no register or setting behind.
    pub fn ledger_target(&self) -> Option<LedgerTarget> {
        match self {
            Self::ClearAcs { port, .. } | Self::RestoreAcs { port, .. } => {
                Some(LedgerTarget::Acs {
                    port: port.address,
                    path: port.path.clone(),
                })
            }
            Self::RequestMdp { soc, .. } => Some(LedgerTarget::Mdp { soc: soc.address }),
            Self::SetDriver { name, .. } => Some(LedgerTarget::Driver { name: name.clone() }),
            Self::SetSysctl { name, .. } => Some(LedgerTarget::Sysctl { name: name.clone() }),
            Self::WriteFile { file, .. } => Some(LedgerTarget::File { file: *file }),
            Self::AssignEntry { entry, .. } => Some(entry.clone()),
            Self::Taint { .. }
            | Self::Drain { .. }
            | Self::StartQmonitor {}
            | Self::Reset { .. }
            | Self::WaitReady { .. }
            | Self::VerifyMdp { .. }
            | Self::VerifyP2P { .. }
            | Self::Untaint { .. }
            | Self::AssignGroup { .. }
            | Self::Build { .. }
            | Self::StartWorker { .. }
            | Self::StopWorker { .. }
            | Self::ReplaceWorker { .. } => None,
        }
    }
}
