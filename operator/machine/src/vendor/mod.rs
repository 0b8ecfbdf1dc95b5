//! Texts of vendor tools and of the kernel, read by pure functions that take whatever comes.
//!
//! One file a tool. Each type is read with `FromStr`, and each says whether its format is *documented* (vendor's guides, kernel
//! documentation), *observed* (seen in captures of real machines that others published) or *inferred* (from source code of the
//! vendor's open tools, or by us). No text of a real card was at hand when the tests were written.
mod capability;
mod cgroup;
mod compiler;
mod complaint;
mod device;
mod joined;
mod log;
mod monitor_json;
mod qmonitor;
mod query;
mod query_json;
mod refusal;
mod reset;
mod runner;
mod switchtec;
mod text;
mod version;

pub use cgroup::CgroupOwner;
pub use compiler::{CompilerWords, Fault as CompilerFault};
pub use complaint::complaint;
pub use device::Device;
pub use joined::{Joined, JsonUse, join};
pub use log::is_log;
pub(crate) use log::own_size;
pub use monitor_json::{
    MonitorAnswer, is_not_up, is_unconnected, is_unprivileged, partitioning_request,
};
pub use qmonitor::{QmonitorUnit, UNIT_PROPERTIES};
pub use query::QueryText;
pub(crate) use query_json::sku_number;
pub use query_json::{QueryJson, QueryJsonError};
pub use refusal::refusal;
pub use reset::{ResetOutcome, ResetReport};
pub use runner::{Proven, RunnerReport, Validation};
pub use switchtec::{GasWord, SwitchList, SwitchtecError};
pub use text::{
    SOCKETS, cpu_count, listening, listens_on, lockdown_level, memory_kib, sdk_version, secure_boot,
};
pub use version::VersionReport;

#[cfg(test)]
mod interleaved;
#[cfg(test)]
mod tests;
