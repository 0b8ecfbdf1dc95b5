//! Whether a machine is ready to shard models on cards: a table of checks over one snapshot.
//!
//! Each step that the vendor's page asks of a person, each host prerequisite and each trap of the field is a row of
//! [`CHECKS`]. A row looks and says what it saw; it never looks twice at the same cause, and never takes what is unknown
//! for an answer. In the order of the rows: [`premises`] (kernel, memory, firmware), [`driver`], [`software`], [`kernel_says`], [`cards`],
//! [`paths`] (what reaches what), [`declared`] (what a declaration asks on top).
mod boot;
mod cards;
mod declared;
mod driver;
mod first;
mod kernel_says;
mod members;
mod numbering;
mod paths;
mod patient;
mod premises;
mod resources;
mod sdk;
mod seen;
mod software;
mod would;

use crd::{
    declaration::Declaration,
    diagnosis::{Finding, Need},
    snapshot::HardwareSnapshot,
};

use crate::view;
use patient::Patient;
use seen::{Seen, merged};

/// One check.
struct Check {
    id: &'static str,
    title: &'static str,
    need: Need,
    look: fn(&Patient<'_>) -> Vec<Seen>,
}

const fn required(
    id: &'static str,
    title: &'static str,
    look: fn(&Patient<'_>) -> Vec<Seen>,
) -> Check {
    Check {
        id,
        title,
        need: Need::Required,
        look,
    }
}

const fn advised(
    id: &'static str,
    title: &'static str,
    look: fn(&Patient<'_>) -> Vec<Seen>,
) -> Check {
    Check {
        id,
        title,
        need: Need::Advised,
        look,
    }
}

/// Every check, in the order in which things are set up.
const CHECKS: &[Check] = &[
    required(
        "reader",
        "rights to read and write registers",
        premises::reader,
    ),
    required("kernel", "kernel version", premises::kernel),
    required(
        "device-limit",
        "SoCs that this kernel can hold",
        premises::device_limit,
    ),
    required("iommu", "IOMMU", premises::iommu),
    required("lockdown", "kernel lockdown", premises::lockdown),
    advised("secure-boot", "Secure Boot", kernel_says::secure_boot),
    advised(
        "virtual-machine",
        "physical machine",
        premises::virtual_machine,
    ),
    advised("distribution", "distribution", premises::distribution),
    advised("memory", "memory", resources::memory),
    advised("cpus", "processors", resources::cpus),
    advised("disk", "disk", resources::disk),
    advised(
        "max-map-count",
        "vm.max_map_count",
        resources::max_map_count,
    ),
    advised("python", "Python", resources::python),
    required("driver-loaded", "driver qaic", driver::loaded),
    required("driver-bound", "driver bound to each SoC", driver::bound),
    required("accel-node", "device node of each SoC", driver::node),
    advised("msi", "interrupts of each SoC", driver::interrupts),
    required(
        "control-timeout",
        "control response timeout",
        driver::control_timeout,
    ),
    advised("qaic-group", "group qaic", driver::group),
    required(
        "sdk-multi-device",
        "Platform SDK for multi-device programs",
        sdk::multi_device,
    ),
    advised(
        "sdk-installer-mdp",
        "installer that sets up MDP",
        sdk::installer,
    ),
    advised(
        "sdk-switchtec",
        "switchtec fallback for ACS",
        sdk::switchtec,
    ),
    advised("sdk-match", "Platform and Apps SDK", sdk::same),
    required(
        "vendor-tools",
        "vendor tools that steps need",
        software::tools,
    ),
    advised("compiler", "compiler for target AI100", software::compiler),
    advised("qmonitor", "qmonitor", software::qmonitor),
    advised("worker", "worker for target CPU", software::worker),
    advised(
        "vendor-operator",
        "vendor's operator on the node",
        software::vendor_operator,
    ),
    required("bus-whole", "PCI bus", kernel_says::bus_whole),
    required("socs", "AI 100 SoCs on the bus", cards::socs),
    required("bar4-size", "BAR 4 of each SoC", cards::bar4_size),
    required("bar4-assigned", "addresses for BAR 4", cards::bar4_assigned),
    advised("link", "PCIe link of each SoC", cards::link),
    required("soc-ready", "state of each SoC", cards::ready),
    advised("soc-errors", "errors of each SoC", kernel_says::errors),
    required("mdp", "multi-device partitioning", cards::partitioning),
    advised("cores", "cores of each SoC", members::cores),
    advised("card-whole", "SoCs of each card", members::whole),
    advised("holders", "who holds SoCs", members::holders),
    required(
        "identity",
        "SoCs and ports where the ledger knows them",
        numbering::identity,
    ),
    advised("serial", "serial of each SoC", numbering::serial),
    advised("board-serial", "serials of boards", numbering::boards),
    required("common-switch", "a switch in common", paths::common_switch),
    required("acs-redirect", "ACS between SoCs", paths::redirect),
    advised(
        "acs-elsewhere",
        "ACS where P2P does not need it off",
        paths::elsewhere,
    ),
    advised(
        "acs-command-line",
        "ACS on the kernel's command line",
        boot::command_line,
    ),
    advised("neighbours", "devices beside the SoCs", paths::neighbours),
    required("declared", "what is declared", declared::goals),
];

/// Looks at a machine. With a declaration, what its groups need is what ACS and MDP are judged by; without one, what the
/// ledger's groups need; without either, every set of SoCs below one switch.
pub fn doctor(snapshot: &HardwareSnapshot, declaration: Option<&Declaration>) -> Vec<Finding> {
    let ordered = view::read(snapshot);
    let patient = Patient::of(&ordered, declaration);
    CHECKS
        .iter()
        .flat_map(|check| {
            let Check {
                id,
                title,
                need,
                look,
            } = check;
            let seen = merged(look(&patient));
            seen.into_iter().map(|seen| seen.finding(id, title, *need))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_have_ids_of_their_own() {
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CHECKS.len());
    }
}
