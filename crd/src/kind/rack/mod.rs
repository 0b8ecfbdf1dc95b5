//! `Rack`: a virtual machine room in one file: servers, their PCIe trees, registers, tools, tenants and faults.
mod fault;
mod server;
mod tree;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fault::{FAULTS, Fault, FaultError, Moment};
pub use server::{
    Access, Durations, NodeSettings, QidOrder, Sdk, Server, Tenant, VendorAgent, VendorTool,
    VirtualHost,
};
pub use tree::{
    Card, Device, HostSwitch, Presence, RackSoc, RootPort, Sku, Slot, SlotError, SocState,
    SwitchPort,
};

/// The rack's `kind` on the wire.
pub const RACK_KIND: &str = "Rack";

/// A virtual machine room (file kind; never sent to a cluster).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rack {
    /// Always `shardplane.dev/v1alpha1`.
    pub api_version: String,
    /// Always `Rack`.
    pub kind: String,
    /// The rack's name.
    pub metadata: RackMetadata,
    /// What stands in it.
    pub spec: RackSpec,
}

/// The rack's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RackMetadata {
    /// Names the folder that keeps its live registers; a DNS label.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// What stands in a rack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RackSpec {
    /// Draws what a real machine would not let you predict: MHI ids, accel minors, boot ids, serials that are not given.
    #[serde(default)]
    pub seed: u32,
    /// By how much the rack's durations are divided under the wall clock, 1 to 1000000; absent means 10.
    /// Virtual time is not affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub speedup: Option<u32>,
    /// Its servers, 1 to 64, with distinct names.
    #[schemars(length(min = 1, max = 64))]
    pub servers: Vec<Server>,
}
