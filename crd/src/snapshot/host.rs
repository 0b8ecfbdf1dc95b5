//! The machine around the cards: kernel, memory, settings and tools.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeptSettings, SettingsFile};
use crate::{Fact, kind::rack::VendorTool};

/// The machine around the cards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// Kernel release.
    pub kernel: Fact<String>,
    /// Kernel command line.
    pub command_line: Fact<String>,
    /// Kernel lockdown.
    pub lockdown: Fact<Lockdown>,
    /// Installed memory in MiB.
    pub memory_mib: Fact<u64>,
    /// Logical CPUs that this process may use.
    pub cpus: Fact<u32>,
    /// CPU feature flags that kernels choose by (`avx2`, `fma`, `avx512f`, `avx512_vnni`, `amx_int8`), sorted.
    pub cpu_features: Fact<Vec<String>>,
}

/// Kernel lockdown level.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Lockdown {
    /// Off.
    None,
    /// Configuration-space writes from user space are refused.
    Integrity,
    /// As integrity, and reads of kernel memory too.
    Confidentiality,
}

/// Settings that a policy may declare. A key is present when the machine has the setting at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Driver parameters by the name this driver uses: `control_resp_timeout_s` (seconds) or `control_resp_timeout` (milliseconds).
    #[serde(default)]
    pub driver: BTreeMap<String, Fact<u64>>,
    /// Kernel settings by name, such as `vm.max_map_count`.
    #[serde(default)]
    pub sysctl: BTreeMap<String, Fact<u64>>,
    /// Our files that keep settings over a boot. A key is present when the machine has the folder for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<SettingsFile, Fact<KeptSettings>>,
}

/// Vendor tools and the in-tree runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tools {
    /// Platform SDK version, `1.21.0` form.
    pub platform_sdk: Fact<String>,
    /// Apps SDK version.
    pub apps_sdk: Fact<String>,
    /// The compiler installed for target AI100.
    pub compiler: Fact<Toolchain>,
    /// Whether qmonitor answers.
    pub qmonitor_running: Fact<bool>,
    /// Who listens where qmonitor does, TCP port 62472: there the vendor's operator has its own agent, which resets SoCs.
    /// Absent from recordings of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qmonitor_owner: Option<Fact<PortOwner>>,
    /// The file that masks qmonitor's unit: an administrator forbids it, and the service manager starts none of that name.
    /// Absent where nothing does, as in recordings of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qmonitor_masked: Option<String>,
    /// What steps call and is known not to be there, with the folder where it was looked for, or its
    /// path where something is there that is no program to be run; whatever is not named is there, or may be.
    /// Not `qaic-util`, without which no SoC has a state. Absent where nothing is missing, as in recordings of versions that
    /// did not look.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<VendorTool, String>,
    /// The worker binary for target CPU.
    pub worker: Fact<WorkerToolchain>,
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "owner"
)]
pub enum PortOwner {
    /// Nobody.
    Nobody,
    /// A process of the machine itself, as the vendor's guide starts qmonitor, and as we do.
    Process {
        /// Its process.
        pid: u32,
        /// The command.
        name: String,
        /// Its systemd unit, where it has one that is no container's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// Its container, where it runs in one that is no pod's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
    },
    /// A process of a pod: of the vendor's operator, which owns the resets of its node.
    Pod {
        /// Its process.
        pid: u32,
        /// The command.
        name: String,
        /// The pod's uid.
        uid: String,
    },
}

/// A compiler for target AI100.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Toolchain {
    /// `qaic-exec` or `qaic-compile`.
    pub program: String,
    /// Its version.
    pub version: String,
}

/// What `shardplane-worker toolchain` says of itself; part of a CPU program's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerToolchain {
    /// Version of the packed slice format.
    pub pack_format: u32,
    /// The instruction set its kernels chose on this machine.
    pub instruction_set: String,
    /// The worker's version.
    pub version: String,
}
