//! Who holds a SoC, which programs are present and which workers run.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Unknown,
    id::{Digest, GroupId, PciAddress, ProgramKey, WorkerId},
    kind::Target,
};

/// Something that holds a SoC: it has the accel node open, is bound to it through VFIO, or owns it in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holder {
    /// The SoC it holds.
    pub soc: PciAddress,
    /// Whose it is.
    pub kind: HolderKind,
    /// Its process, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The command, unit, pod or container, for a person.
    pub name: String,
    /// The systemd unit that its process belongs to, where it has one that is no container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The id of the container that its process runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The uid of the pod that its process belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// Whose a holder is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "owner")]
pub enum HolderKind {
    /// A worker that we supervise and may drain.
    Worker {
        /// Which.
        id: WorkerId,
    },
    /// Anybody else; it blocks.
    Foreign,
    /// A pod, where an agent looks for a cluster: its controller may evict it. To whoever works on one machine alone, a
    /// pod's process is anybody else.
    Pod {
        /// Its name, where the kubelet told of it; a process tells its pod's uid alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<PodName>,
    },
    /// Nobody knows: processes could not be looked into, so that one of them may hold it. It blocks as anybody else does.
    Unseen {
        /// Why not.
        why: Unknown,
    },
}

/// What a pod is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodName {
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its name there.
    #[schemars(length(max = 253))]
    pub name: String,
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl HolderKind {
    /// Whether it is, or may be, somebody whom we may not stop.
    pub fn is_foreign(&self) -> bool {
        match self {
            Self::Worker { id: _ } | Self::Pod { named: _ } => false,
            Self::Foreign | Self::Unseen { why: _ } => true,
        }
    }
}

/// A compiled program found on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresentProgram {
    /// Its key.
    pub key: ProgramKey,
    /// What it runs on.
    pub target: Target,
    /// Digest of the model it was built from.
    pub model: Digest,
}

/// A worker that this node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresentWorker {
    /// Which replica.
    pub id: WorkerId,
    /// The program it serves; absent while its model's digest is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramKey>,
    /// The group it runs on, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The SoCs it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socs: Vec<PciAddress>,
    /// The port that it was told to listen on; absent where it took any that was free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Fingerprint of the serving options it was started with.
    pub options: Digest,
    /// Its state.
    pub state: WorkerState,
}

/// A worker's state.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WorkerState {
    /// Started, not serving yet.
    Starting,
    /// Serving.
    Ready,
    /// Finishing what it has.
    Draining,
    /// Ended, or restarting with back-off.
    Failed,
}
