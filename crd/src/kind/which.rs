//! Which kinds there are, and what is true of a kind as such.
use std::fmt;

/// Every kind of the group `shardplane.dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// How cards on selected nodes are configured.
    CardPolicy,
    /// Sets of SoCs that must reach each other directly.
    P2PGroup,
    /// A model's source and the shape of the program compiled from it.
    ModelBuild,
    /// A model that is served.
    ShardedModel,
    /// One node, written by the controller and its agent.
    CardNode,
    /// One rollout, written by the controller.
    ChangePlan,
    /// A recorded view of one node; a file kind.
    HardwareSnapshot,
    /// A virtual machine room; a file kind.
    Rack,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::CardPolicy,
        Self::P2PGroup,
        Self::ModelBuild,
        Self::ShardedModel,
        Self::CardNode,
        Self::ChangePlan,
        Self::HardwareSnapshot,
        Self::Rack,
    ];

    /// The kind as documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardPolicy => "CardPolicy",
            Self::P2PGroup => "P2PGroup",
            Self::ModelBuild => "ModelBuild",
            Self::ShardedModel => "ShardedModel",
            Self::CardNode => "CardNode",
            Self::ChangePlan => "ChangePlan",
            Self::HardwareSnapshot => "HardwareSnapshot",
            Self::Rack => "Rack",
        }
    }

    /// The kind that documents write so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether its objects live in a namespace.
    pub fn is_namespaced(self) -> bool {
        match self {
            Self::ModelBuild | Self::ShardedModel => true,
            Self::CardPolicy
            | Self::P2PGroup
            | Self::CardNode
            | Self::ChangePlan
            | Self::HardwareSnapshot
            | Self::Rack => false,
        }
    }

    /// Whether an API server stores it.
    pub fn is_stored(self) -> bool {
        match self {
            Self::CardPolicy
            | Self::P2PGroup
            | Self::ModelBuild
            | Self::ShardedModel
            | Self::CardNode
            | Self::ChangePlan => true,
            Self::HardwareSnapshot | Self::Rack => false,
        }
    }

    /// The longest name, in characters: what creates pods leaves room for a suffix.
    pub fn longest_name(self) -> usize {
        if self.is_namespaced() { 52 } else { 253 }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
