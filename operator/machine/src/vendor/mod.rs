//! Texts of vendor tools and of the kernel, read by pure functions that take whatever comes.
mod query;
mod query_json;
mod text;

pub use query::{Capability, Device, parse_query};
pub use query_json::{QueryJson, QueryJsonError};
pub use text::{
    cpu_count, inferences_per_second, is_log, listens_on, lockdown_level, memory_kib, sdk_version,
};

#[cfg(test)]
mod tests;
