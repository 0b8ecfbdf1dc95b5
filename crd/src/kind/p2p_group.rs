//! `P2PGroup`: sets of SoCs that must reach each other directly.
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NodeSelector, P2PGroupStatus, rule};
use crate::id::{MhiSerial, PciAddress, PciPath};

/// Sets of SoCs that must reach each other directly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::MEMBERS_OR_AUTOMATIC, &rule::MEMBER_COUNT])))]
#[derive(CustomResource)]
#[kube(
    group = "shardplane.dev",
    version = "v1alpha1",
    kind = "P2PGroup",
    plural = "p2pgroups",
    shortname = "p2pg",
    category = "shardplane",
    status = "P2PGroupStatus",
    derive = "PartialEq",
    doc = "Sets of SoCs that must reach each other directly.",
    printcolumn(
        name = "Size",
        type_ = "integer",
        json_path = ".spec.size",
        description = "SoCs in each set"
    ),
    printcolumn(
        name = "Sets",
        type_ = "integer",
        json_path = ".status.sets",
        description = "Sets formed on all nodes"
    ),
    printcolumn(
        name = "Verified",
        type_ = "integer",
        json_path = ".status.verifiedSets",
        description = "Those of them whose members were seen to reach each other"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
pub struct P2PGroupSpec {
    /// SoCs in each set: 1, 2, 4, 8 or 16 (others were never seen to compile; 16 is the vendor's limit).
    #[schemars(schema_with = "super::shape::group_size")]
    pub size: u32,
    /// Nodes on which sets are formed; absent selects every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<NodeSelector>,
    /// The members of the one set on each node, `size` of them. Excludes `automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = rule::validations(&[&rule::MEMBERS_UNIQUE])))]
    pub members: Option<Vec<Member>>,
    /// Sets formed from the topology. Excludes `members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticMembers>,
    /// What to do about devices that lose isolation; where the policy has a rule too, the stricter holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<GroupIsolation>,
    /// How P2P is proven; absent means `Data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<GroupVerification>,
}

/// One member, named in exactly one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::MEMBER_NAMED_ONCE])))]
pub struct Member {
    /// By PCI address. Bus numbers shift when a card is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<PciAddress>,
    /// By path from the root port, `0000:00:01.0/00.0/02.0/00.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // A SoC below more than 23 hops is named in another way: rules over members cost by their longest text.
    #[schemars(length(max = 128))]
    pub path: Option<PciPath>,
    /// By MHI serial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<MhiSerial>,
}

/// Sets formed from the topology.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutomaticMembers {
    /// What each set must stay inside.
    pub per: SpreadOver,
    /// Sets on each node, 1 to 64; absent means as many as fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub count: Option<u32>,
}

/// What a set must stay inside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SpreadOver {
    /// One card: the SoCs under one card switch.
    Card,
    /// One switch domain: any SoCs under one PCIe switch.
    Switch,
}

/// What to do about devices that lose isolation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupIsolation {
    /// What to do where a device that is not a member would lose isolation.
    pub untrusted_neighbours: UntrustedNeighbours,
}

/// What to do where an untrusted device would lose isolation. Untrusted: bound to VFIO, or not known to be an AI 100 SoC or a switch.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum UntrustedNeighbours {
    /// Go ahead and report it.
    Allow,
    /// Refuse the step and name the device.
    Refuse,
}

/// How P2P is proven.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupVerification {
    /// What is checked.
    pub mode: VerificationMode,
}

/// What a P2P verification checks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum VerificationMode {
    /// Data, both directions, every pair.
    Data,
    /// Nothing: the group is Ready without proof, and its status says so.
    None,
}
