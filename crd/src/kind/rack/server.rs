//! One server of a rack: the machine around the cards, its tools, tenants and faults.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, RootPort};
use crate::{
    id::{NodeName, PciAddress},
    snapshot::{HardwareSnapshot, Lockdown},
};

/// One server. Everything but its name and its PCIe tree has a default that a healthy machine would show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// The node's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: NodeName,
    /// The node's labels, at most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Kernel, memory and processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<VirtualHost>,
    /// Vendor software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Sdk>,
    /// Driver and kernel settings as they are after a boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<NodeSettings>,
    /// How the vendor's tool numbers SoCs; absent means `DecimalString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qid_order: Option<QidOrder>,
    /// How long things take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durations: Option<Durations>,
    /// Who else holds SoCs, at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub tenants: Vec<Tenant>,
    /// The vendor's operator's agent, which every boot starts; absent where that operator does not work on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_agent: Option<VendorAgent>,
    /// What goes wrong, at most 64; the grammar of `shardplane rack fault`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub faults: Vec<Fault>,
    /// A recording that the server is made of (`shardplane rack from-snapshot`): it shows what stands there, addresses
    /// included, and then lives as any other. `rootPorts` is empty then, and labels, host, sdk, settings and tenants are
    /// the recording's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Box<HardwareSnapshot>>,
    /// The PCIe tree, root port by root port, at most 64.
    #[schemars(length(max = 64))]
    pub root_ports: Vec<RootPort>,
}

/// Kernel, memory and processors of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VirtualHost {
    /// Kernel release; absent means `6.8.0-45-generic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub kernel: Option<String>,
    /// Kernel command line; absent means one with an IOMMU. Without `intel_iommu=on` or `amd_iommu=on` no ACS bit is set at boot and there are no IOMMU groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub command_line: Option<String>,
    /// Kernel lockdown; absent means `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockdown: Option<Lockdown>,
    /// As whom Shardplane runs; absent means `Root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Installed memory in GiB; absent means 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub memory_gib: Option<u32>,
    /// Logical CPUs; absent means 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8192))]
    pub cpus: Option<u32>,
    /// CPU feature flags; empty means `avx2`, `fma`, `avx512f`, `avx512_vnni`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub cpu_features: Vec<String>,
}

/// As whom Shardplane runs on a server.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Access {
    /// Everything may be read and written.
    #[default]
    Root,
    /// Configuration space stops at 64 bytes, and nothing may be written.
    Unprivileged,
}

/// Vendor software of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sdk {
    /// Platform SDK version, which decides the query tool's text format and the driver's parameter names; absent means `1.21.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub platform: Option<String>,
    /// Apps SDK version, which decides the compiler; absent means as `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub apps: Option<String>,
    /// Tools that are not installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub missing: Vec<VendorTool>,
}

/// A tool of the vendor, or one that its procedures use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum VendorTool {
    /// `qaic-util`: query and reset.
    #[serde(rename = "qaic-util")]
    QueryTool,
    /// Sends requests to qmonitor.
    QaicMonitorJson,
    /// qmonitor itself.
    QaicMonitorGrpcServer,
    /// What qmonitor reads of firmware before it answers: part of the Platform SDK.
    #[serde(rename = "fw2_swe.json")]
    QmonitorFirmware,
    /// Runs programs; here the P2P test.
    QaicRunner,
    /// Compiler up to 1.20.
    QaicExec,
    /// Compiler from 1.21.
    QaicCompile,
    /// `qaic-version-util`: prints SDK versions.
    #[serde(rename = "qaic-version-util")]
    VersionTool,
    /// Manages Switchtec switches.
    Switchtec,
    /// Starts transient units.
    SystemdRun,
    /// What `qaic-runner` is given to run between two SoCs: part of the Apps SDK's test data.
    #[serde(rename = "2c-p2p-bw")]
    P2PTest,
}

impl VendorTool {
    /// Its name, as it is called and as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryTool => "qaic-util",
            Self::QaicMonitorJson => "qaic-monitor-json",
            Self::QaicMonitorGrpcServer => "qaic-monitor-grpc-server",
            Self::QmonitorFirmware => "fw2_swe.json",
            Self::QaicRunner => "qaic-runner",
            Self::QaicExec => "qaic-exec",
            Self::QaicCompile => "qaic-compile",
            Self::VersionTool => "qaic-version-util",
            Self::Switchtec => "switchtec",
            Self::SystemdRun => "systemd-run",
            Self::P2PTest => "2c-p2p-bw",
        }
    }
}

/// Driver and kernel settings as they are after a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSettings {
    /// Driver's control response timeout in seconds; absent means 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_000_000))]
    pub control_response_timeout_seconds: Option<u32>,
    /// `vm.max_map_count`; absent means 65530.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub max_map_count: Option<u32>,
}

/// How the vendor's tool numbers SoCs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum QidOrder {
    /// As the vendor's runtime does: addresses as decimal text, in text order (bus 129 comes before bus 33).
    #[default]
    DecimalString,
    /// At random by the rack's seed, so that whoever computes a QID is wrong.
    Shuffled,
}

/// How long things take, in seconds of the rack's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Durations {
    /// A SoC off the bus after a reset; absent means 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub reset_seconds: Option<u32>,
    /// A SoC's firmware booting, `Initializing`; absent means 40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub initialize_seconds: Option<u32>,
    /// qmonitor from start to first answer; absent means 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub qmonitor_seconds: Option<u32>,
    /// The server's boot; absent means 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub boot_seconds: Option<u32>,
    /// One run of a vendor tool; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400))]
    pub tool_seconds: Option<u32>,
}

/// Somebody else's process that holds a SoC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// Its command's name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// The SoCs it holds, by PCI address as enumerated at the first boot.
    #[schemars(length(max = 64))]
    pub holds: Vec<PciAddress>,
    /// Whether it has them mapped and closed, so that only the search before a reset finds it; absent means no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped: Option<bool>,
}

/// The agent of the vendor's operator: a pod's process that listens where qmonitor does, and resets SoCs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VendorAgent {
    /// Its command's name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Uid of its pod.
    #[schemars(length(min = 1, max = 64))]
    pub pod: String,
}

#[cfg(test)]
mod tests {
    use super::VendorTool;

    #[test]
    fn a_tool_is_written_by_its_name() {
        for tool in [
            VendorTool::QueryTool,
            VendorTool::QaicMonitorJson,
            VendorTool::QaicMonitorGrpcServer,
            VendorTool::QmonitorFirmware,
            VendorTool::QaicRunner,
            VendorTool::QaicExec,
            VendorTool::QaicCompile,
            VendorTool::VersionTool,
            VendorTool::Switchtec,
            VendorTool::SystemdRun,
            VendorTool::P2PTest,
        ] {
            let written = serde_json::to_value(tool).unwrap();
            assert_eq!(written, tool.name());
        }
    }
}
