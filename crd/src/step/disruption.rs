//! What a step disturbs: SoCs, workers and isolation.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{PciAddress, WorkerId};

/// What a step disturbs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disruption {
    /// How far it reaches.
    pub class: DisruptionClass,
    /// Whether it needs approval: `worker` and above, and a port's first relaxation.
    pub disruptive: bool,
    /// SoCs that stop answering or must be idle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socs: Vec<PciAddress>,
    /// Workers that stop. Outside the digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerId>,
    /// Isolation that is lost; present for a relaxation alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationChange>,
}

/// How far a disturbance reaches, in ascending order.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DisruptionClass {
    /// Nothing notices.
    #[default]
    None,
    /// Devices lose isolation from each other.
    Isolation,
    /// A worker stops.
    Worker,
    /// A SoC stops answering.
    Device,
    /// Every SoC of a group stops answering.
    Group,
    /// Every SoC of the node stops answering.
    Node,
}

/// Isolation before and after a relaxation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IsolationChange {
    /// IOMMU groups that the kernel believes in, of the functions that join: group number and functions.
    pub kernel: Vec<IsolationSet>,
    /// The sets that are really isolated from each other after the change.
    pub after: Vec<Vec<PciAddress>>,
    /// Functions that are not members and lose isolation.
    pub neighbours: Vec<PciAddress>,
}

/// One IOMMU group as the kernel believes in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IsolationSet {
    /// The kernel's number; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Its functions.
    pub functions: Vec<PciAddress>,
}
