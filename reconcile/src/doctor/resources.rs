//! What models need of the machine: memory, processors, disk, mappings, Python.
use super::{patient::Patient, seen::Seen};
use crate::selection::version;

/// 1 TB as memory is sold, in MiB: what firmware and kernel keep is not missing.
const TERABYTE_MIB: u64 = 1_000_000_000_000 / (1024 * 1024);
/// Vendor's advice for hosts that compile, that serve well, and that serve at all, in GB.
const COMPILE_GB: u64 = 512;
const SERVE_GB: u64 = 128;
const LEAST_GB: u64 = 32;
/// CPUs for very large models through the host (vendor's page).
const CPUS: u32 = 32;
/// 1 TB of disk, in GiB.
const TERABYTE_GIB: u64 = 1_000_000_000_000 / (1024 * 1024 * 1024);
/// Mappings for sharding through the host (vendor's page).
const MAX_MAP_COUNT: u64 = 2_048_000;

pub(super) fn memory(patient: &Patient<'_>) -> Vec<Seen> {
    vec![Seen::told(&patient.snapshot.host.memory_mib, |mib| {
        let gb = mib * 1024 * 1024 / 1_000_000_000;
        let large = "very large models sharded through the host want 1 TB";
        if *mib >= TERABYTE_MIB {
            Seen::pass(format!("{gb} GB"))
        } else if gb >= COMPILE_GB {
            Seen::warn(format!("{gb} GB, enough to compile and to serve"), large)
        } else if gb >= SERVE_GB {
            Seen::warn(
                format!("{gb} GB, enough to serve"),
                format!("the vendor asks {COMPILE_GB} GB of machines that compile; {large}"),
            )
        } else if gb >= LEAST_GB {
            Seen::warn(
                format!("{gb} GB, the least to serve at all"),
                format!(
                    "the vendor recommends {SERVE_GB} GB for serving, asks {COMPILE_GB} GB of machines that compile; {large}"
                ),
            )
        } else {
            let few = mib * 1024 * 1024 / 1_000_000;
            Seen::fail(
                if gb == 0 {
                    format!("{few} MB")
                } else {
                    format!("{gb} GB")
                },
                format!("the vendor asks {LEAST_GB} GB for serving alone"),
            )
        }
    })]
}

pub(super) fn cpus(patient: &Patient<'_>) -> Vec<Seen> {
    vec![Seen::told(&patient.snapshot.host.cpus, |cpus| {
        if *cpus >= CPUS {
            Seen::pass(format!("{cpus}"))
        } else {
            Seen::warn(
                format!("{cpus}"),
                format!("very large models sharded through the host want {CPUS}"),
            )
        }
    })]
}

pub(super) fn disk(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        vec![Seen::told(&asked.disk_gib, |gib| {
            if *gib >= TERABYTE_GIB {
                Seen::pass(format!("{gib} GiB at /"))
            } else {
                Seen::warn(
                    format!("{gib} GiB at /"),
                    "the vendor asks 1 TB for models and programs, and recommends 4 TB; a file system of their own does as well",
                )
            }
        })]
    })
}

pub(super) fn max_map_count(patient: &Patient<'_>) -> Vec<Seen> {
    let Some(fact) = patient.snapshot.settings.sysctl.get("vm.max_map_count") else {
        return vec![
            Seen::unknown(
                "unknown: this kernel has no such setting",
                "see what stands in /proc/sys/vm/max_map_count",
            )
            .from("/proc/sys/vm/max_map_count"),
        ];
    };
    vec![Seen::told(fact, |count| {
        if *count >= MAX_MAP_COUNT {
            Seen::pass(format!("{count}"))
        } else {
            Seen::warn(
                format!("{count}: large models sharded through the host run out of mappings"),
                "",
            )
            .mended_by_apply(format!(
                "declare `host.maxMapCount: {MAX_MAP_COUNT}` in a CardPolicy and `shardplane apply`; with `persistence: Persist` beside it, it outlives boots"
            ))
        }
    })]
}

pub(super) fn python(patient: &Patient<'_>) -> Vec<Seen> {
    let sdk = patient.snapshot.tools.platform_sdk.get();
    let minor = sdk.map_or(0, |sdk| version(sdk).get(1).copied().unwrap_or(0));
    let wanted: &[&str] = match (sdk, minor) {
        (None, _) => &["3.8", "3.10", "3.12"],
        (Some(_), 22..) => &["3.12"],
        (Some(_), 19..=21) => &["3.10"],
        (Some(_), _) => &["3.8"],
    };
    patient.asked(|asked| {
        vec![Seen::told(&asked.pythons, |found| {
            let fitting = found.iter().find(|found| wanted.contains(&found.as_str()));
            let wanted = wanted.join(" or ");
            if let Some(version) = fitting {
                Seen::pass(format!("Python {version}"))
            } else {
                let there = if found.is_empty() {
                    "no Python 3".to_owned()
                } else {
                    format!("Python {}", found.join(", "))
                };
                Seen::warn(
                    format!("{there}, and not {wanted}"),
                    format!("the vendor's Python tools want {wanted}, by SDK; Shardplane itself uses none"),
                )
            }
        })]
    })
}
