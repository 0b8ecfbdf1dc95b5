//! The driver: loaded, bound to each SoC, with a node and interrupts, and patient enough.
use crd::{Fact, Unknown, id::PciAddress};

use super::{
    patient::Patient,
    seen::{Seen, counted},
};
use crate::selection::version;

/// Seconds that the driver should wait for a control response (vendor's instructions for multi-device programs).
const PATIENCE: u64 = 2600;
/// What those instructions asked when multi-device programs were new; below it, loads of large programs end in timeouts.
const LEAST_PATIENCE: u64 = 250;
/// Interrupts that the driver asks for.
const INTERRUPTS: u32 = 32;
/// SDKs before this one had nodes of another name and no accel class.
const ACCEL_CLASS: [u32; 2] = [1, 10];

pub(super) fn loaded(patient: &Patient<'_>) -> Vec<Seen> {
    let bound = patient
        .snapshot
        .functions
        .iter()
        .find(|function| function.driver.get().is_some_and(|driver| driver == "qaic"));
    let version = patient
        .snapshot
        .prerequisites
        .as_ref()
        .and_then(|asked| asked.driver_version.get());
    let version = version.map_or_else(String::new, |version| format!(", version {version}"));
    if let Some(function) = bound {
        return vec![Seen::pass(format!("loaded{version}")).from(&function.driver.source)];
    }
    patient.asked(|asked| {
        vec![Seen::told(&asked.modules, |modules| {
            if modules.iter().any(|module| module == "qaic") {
                Seen::pass(format!("loaded{version}"))
            } else {
                Seen::fail(
                    "not loaded",
                    "install the vendor's driver (package qaic-kmd) or a kernel from 6.4 on that has DRM_ACCEL_QAIC, then `modprobe qaic`; with Secure Boot modules must be signed",
                )
            }
        })]
    })
}

pub(super) fn bound(patient: &Patient<'_>) -> Vec<Seen> {
    patient.each(|soc| {
        let fact = &patient.topology.function(soc.address)?.driver;
        if fact.unknown == Some(Unknown::Absent) {
            let none = Seen::fail(
                "no driver",
                "load the driver; where it is loaded, the kernel's log says why it left the SoC",
            );
            return Some(none.from(&fact.source));
        }
        Some(Seen::told(fact, |driver| match driver.as_str() {
            "qaic" => Seen::pass("qaic"),
            vfio if vfio.starts_with("vfio") => Seen::fail(
                format!("{vfio}: given to a virtual machine"),
                "take it back from the virtual machine, or leave it out of groups",
            ),
            other => Seen::fail(
                format!("{other}, which is not the cards' driver"),
                "unbind it, and bind qaic",
            ),
        }))
    })
}

/// The node of a SoC, of whichever class; recordings from before it was looked for have that of the accel class alone.
fn seen_node<'a>(patient: &Patient<'a>, soc: PciAddress) -> Option<&'a Fact<String>> {
    let asked = patient.snapshot.prerequisites.as_ref()?;
    let asked = asked.socs.iter().find(|asked| asked.address == soc)?;
    asked.node.as_ref()
}

pub(super) fn node(patient: &Patient<'_>) -> Vec<Seen> {
    let sdk = patient.snapshot.tools.platform_sdk.get();
    let old = sdk.is_some_and(|sdk| version(sdk) < ACCEL_CLASS.to_vec());
    patient.each(|soc| {
        // Without the driver there is no node: that is said where the driver is.
        if patient.driver(soc.address) != Some("qaic") {
            return None;
        }
        let node = seen_node(patient, soc.address);
        let older = node
            .and_then(Fact::get)
            .filter(|node| !node.starts_with("/dev/accel/"));
        if let Some(node) = older {
            return Some(Seen::pass(format!("{node}: this driver has no accel class")).from(&soc.accel.source));
        }
        if soc.accel.unknown != Some(Unknown::Absent) {
            return Some(Seen::told(&soc.accel, |_| Seen::pass("an accel node each")));
        }
        let none = match node {
            // It may have had one of the other class.
            None if old => Seen::unrecorded(),
            Some(node) if !matches!(node.unknown, None | Some(Unknown::Absent)) => Seen::untold(node),
            _ => Seen::fail(
                "no device node: the SoC resets, or its firmware did not come up",
                "wait a minute and look again; then see the kernel's log for qaic and mhi; in a container, pass its node of /dev/accel through",
            ),
        };
        Some(none.from(&soc.accel.source))
    })
}

pub(super) fn interrupts(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        let seen = asked.socs.iter().filter_map(|soc| {
            if patient.driver(soc.address) != Some("qaic") {
                return None;
            }
            let seen = Seen::told(&soc.msi_vectors, |count| {
                if *count >= INTERRUPTS {
                    Seen::pass(counted(*count as usize, "interrupt"))
                } else {
                    Seen::warn(
                        format!(
                            "{} of {INTERRUPTS}: the driver works with fewer, and slower",
                            counted(*count as usize, "interrupt")
                        ),
                        "turn the IOMMU on, so that interrupts are remapped; in a virtual machine, give it a virtual IOMMU with interrupt remapping",
                    )
                }
            });
            Some(seen.at(soc.address))
        });
        seen.collect()
    })
}

pub(super) fn control_timeout(patient: &Patient<'_>) -> Vec<Seen> {
    // The first is in seconds, the second, of older drivers, in milliseconds.
    const NAMES: [(&str, u64); 2] = [
        ("control_resp_timeout_s", 1),
        ("control_resp_timeout", 1000),
    ];
    let settings = &patient.snapshot.settings.driver;
    let found = NAMES
        .iter()
        .find_map(|(name, unit)| Some((*name, *unit, settings.get(*name)?)));
    let Some((name, unit, fact)) = found else {
        let asked = patient.snapshot.prerequisites.as_ref();
        let modules = asked.and_then(|asked| asked.modules.get());
        if modules.is_some_and(|modules| !modules.iter().any(|module| module == "qaic")) {
            // A driver that is not loaded has no parameters: that is said where the driver is.
            return Vec::new();
        }
        return vec![
            Seen::unknown(
                "unknown: the driver has no such parameter, under either name",
                "load the driver, and look again",
            )
            .from("/sys/module/qaic/parameters"),
        ];
    };
    let fix = format!(
        "declare `driver.controlResponseTimeoutSeconds: {PATIENCE}` in a CardPolicy and `shardplane apply`; with `persistence: Persist` beside it, it is not lost when the driver is loaded again"
    );
    vec![Seen::told(fact, |value| {
        let seconds = value / unit;
        let said = if unit == 1 {
            format!("{name} is {value} s")
        } else {
            format!("{name} is {value} ms")
        };
        if seconds >= PATIENCE {
            Seen::pass(said)
        } else if seconds >= LEAST_PATIENCE {
            Seen::warn(format!("{said}; the vendor asks {PATIENCE} s by now"), "")
                .mended_by_apply(fix)
        } else {
            Seen::fail(
                format!("{said}: programs over several SoCs end in timeouts"),
                "",
            )
            .mended_by_apply(fix)
        }
    })]
}

pub(super) fn group(patient: &Patient<'_>) -> Vec<Seen> {
    patient.asked(|asked| {
        if asked.qaic_group.unknown == Some(Unknown::Absent) {
            let none = Seen::warn(
                "no group qaic: only root can query and run",
                "`groupadd --system qaic` and add users with `usermod -aG qaic USER`; the vendor's installer does it",
            );
            return vec![none.from(&asked.qaic_group.source)];
        }
        let member = asked.reader.in_qaic_group.get() == Some(&true);
        let root = asked.reader.uid.get() == Some(&0);
        vec![Seen::told(&asked.qaic_group, |id| {
            if member || root {
                Seen::pass(format!("there, id {id}"))
            } else {
                Seen::warn(
                    format!("there, id {id}, and whoever looked is not in it"),
                    "`usermod -aG qaic USER`, then log in again",
                )
            }
        })]
    })
}
