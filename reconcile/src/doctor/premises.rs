//! The machine around the cards: who reads it, kernel, IOMMU, lockdown, hypervisor, distribution.
use crd::{Unknown, snapshot::Lockdown};

use super::{
    patient::Patient,
    seen::{Seen, counted},
};

/// The oldest kernel that the vendor's driver builds for (vendor's check-list).
const OLDEST_KERNEL: [u32; 2] = [5, 10];
/// From here on accel nodes have numbers of their own, 256; before, 64 DRM devices of any kind are the most.
const ACCEL_NUMBERS: [u32; 2] = [6, 2];
/// Distributions that the vendor supports, by the words of os-release.
const DISTRIBUTIONS: [&str; 7] = [
    "ubuntu 20.04",
    "ubuntu 22.04",
    "ubuntu 24.04",
    "rhel 8.9",
    "rhel 9.3",
    "amzn 2",
    "amzn 2023",
];

pub(super) fn reader(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        let reader = &asked.reader;
        let seen = match (reader.uid.get(), reader.sys_admin.get()) {
            (Some(0), Some(true)) => {
                Seen::pass("root with CAP_SYS_ADMIN")
            }
            (Some(uid), Some(admin)) => Seen::warn(
                format!(
                    "user {uid} {} CAP_SYS_ADMIN: configuration space ends after 64 bytes, and nothing can be written",
                    if *admin { "with" } else { "without" }
                ),
                "run as root (`sudo shardplane …`); in a container, privileged and with a writable /sys",
            ),
            (None, _) => return vec![Seen::untold(&reader.uid)],
            (Some(_), None) => return vec![Seen::untold(&reader.sys_admin)],
        };
        vec![seen.from(&reader.uid.source)]
    })
}

/// The first numbers of a kernel's release.
pub(super) fn release(text: &str) -> Vec<u32> {
    text.split(['.', '-', '+'])
        .map_while(|part| part.parse().ok())
        .take(3)
        .collect()
}

pub(super) fn kernel(patient: &Patient<'_>) -> Vec<Seen> {
    vec![Seen::told(&patient.snapshot.host.kernel, |text| {
        let version = release(text);
        if version.is_empty() {
            Seen::unknown(
                format!("unknown: `{text}` begins with no version"),
                "see what `uname -r` says",
            )
        } else if version < OLDEST_KERNEL.to_vec() {
            Seen::fail(
                format!("{text}, older than 5.10"),
                "boot a kernel from 5.10 on: the driver does not build for older ones",
            )
        } else {
            Seen::pass(text.clone())
        }
    })]
}

pub(super) fn device_limit(patient: &Patient<'_>) -> Vec<Seen> {
    let count = patient.snapshot.socs.len();
    vec![Seen::told(&patient.snapshot.host.kernel, |text| {
        let (most, why) = if release(text) < ACCEL_NUMBERS.to_vec() {
            (
                64,
                "a kernel before 6.2 has numbers for 64 DRM devices, other than cards included",
            )
        } else {
            (256, "this kernel has numbers for 256 accel nodes")
        };
        let fact = format!("{}; {why}", counted(count, "SoC"));
        if count > most {
            Seen::fail(fact, "boot a kernel from 6.2 on, or take cards out")
        } else {
            Seen::pass(fact)
        }
    })]
}

pub(super) fn iommu(patient: &Patient<'_>) -> Vec<Seen> {
    let grouped = patient
        .snapshot
        .functions
        .iter()
        .find(|function| function.iommu_group.get().is_some());
    if let Some(function) = grouped {
        return vec![
            Seen::pass("on: the kernel has put devices into groups")
                .from(&function.iommu_group.source),
        ];
    }
    patient.asked(|asked| {
        vec![Seen::told(&asked.iommus, |count| match count {
            0 => Seen::fail(
                "off: the driver gets one interrupt where it wants 32, and ACS is not set at boot",
                "turn VT-d or AMD-Vi on in firmware, and put intel_iommu=on on the kernel's command line where it is Intel's",
            ),
            _ => Seen::pass(format!("on: {}", counted(*count as usize, "unit"))),
        })]
    })
}

pub(super) fn lockdown(patient: &Patient<'_>) -> Vec<Seen> {
    let fact = &patient.snapshot.host.lockdown;
    if fact.unknown == Some(Unknown::Absent) {
        return vec![
            Seen::warn(
                "the kernel tells no lockdown: it has none, or securityfs is not mounted",
                "mount securityfs to be sure; a write that is refused says so in any case",
            )
            .from(&fact.source),
        ];
    }
    vec![Seen::told(fact, |level| match level {
        Lockdown::None => Seen::pass("none"),
        Lockdown::Integrity | Lockdown::Confidentiality => Seen::fail(
            format!("{level:?}: ACS words cannot be written, and unsigned modules are not loaded"),
            "turn Secure Boot off in firmware, or take lockdown= off the kernel's command line; or relax ACS at boot by pci=disable_acs_redir= and sign the driver",
        ),
    })]
}

pub(super) fn virtual_machine(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        let product = asked
            .product
            .get()
            .map_or_else(String::new, |product| format!(" ({product})"));
        vec![Seen::told(&asked.virtual_machine, |is| {
            if *is {
                Seen::warn(
                    format!("a virtual machine{product}: bridges that it shows are emulated, and ACS belongs to the machine below"),
                    "relax ACS on the machine below and set MDP here; give the guest q35, and a virtual IOMMU with interrupt remapping and caching mode",
                )
            } else {
                Seen::pass(format!("physical{product}"))
            }
        })]
    })
}

pub(super) fn distribution(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        vec![Seen::told(&asked.distribution, |name| {
            let later_rhel = name
                .strip_prefix("rhel ")
                .is_some_and(|version| release(version) >= vec![9, 3]);
            if later_rhel || DISTRIBUTIONS.contains(&name.as_str()) {
                Seen::pass(name.clone())
            } else {
                Seen::warn(
                    format!("{name}, which the vendor does not support"),
                    "the vendor's installer knows Ubuntu 20.04, 22.04 and 24.04, RHEL 8.9 and from 9.3 on, and Amazon Linux 2 and 2023",
                )
            }
        })]
    })
}
