//! What the kernel's command line says about ACS, and how the same ports are relaxed at boot.
use crd::{id::PciAddress, snapshot::parameters};

use super::{patient::Patient, premises::release, seen::Seen};

/// Kernels from which on each parameter is known (kernel's parameter list).
const DISABLE_ACS_REDIR: [u32; 2] = [4, 20];
const CONFIG_ACS: [u32; 2] = [6, 11];
/// Ports that are named in a sentence; more are an ellipsis.
const NAMED: usize = 4;

pub(super) fn command_line(patient: &Patient<'_>) -> Vec<Seen> {
    vec![Seen::told(&patient.snapshot.host.command_line, |line| {
        let pci = |part: &str| {
            let options = parameters(line).filter(|(name, _)| *name == "pci");
            let mut options =
                options.flat_map(|(_, options)| options.unwrap_or_default().split(','));
            options.any(|option| option.starts_with(part))
        };
        let overrides = |(name, _): (&str, _)| name == "pcie_acs_override";
        if parameters(line).any(overrides) || pci("pcie_acs_override=") {
            Seen::warn(
                "pcie_acs_override= is there: it makes groups look apart, and clears nothing",
                "take it off: what it says about isolation is not so",
            )
        } else if pci("disable_acs_redir=") || pci("config_acs=") {
            Seen::warn(
                "the kernel relaxes ports at boot by itself",
                "that is not in the ledger: `shardplane down` leaves those ports as boot made them",
            )
        } else {
            Seen::pass("nothing about it")
        }
    })]
}

/// How these ports are relaxed at boot, for this kernel.
pub(super) fn alternative(patient: &Patient<'_>, ports: &[PciAddress]) -> String {
    let paths: Vec<&str> = ports
        .iter()
        .filter_map(|port| Some(patient.topology.function(*port)?.path.as_str()))
        .collect();
    let more = if paths.len() > NAMED { ";…" } else { "" };
    let named = paths[..paths.len().min(NAMED)].join(";");
    let version = patient.snapshot.host.kernel.get().map(|text| release(text));
    match version {
        Some(version) if version < DISABLE_ACS_REDIR.to_vec() => {
            "this kernel has no parameter that does it at boot (from 4.20 on)".to_owned()
        }
        Some(version) if version >= CONFIG_ACS.to_vec() => format!(
            "or at each boot, by pci=disable_acs_redir={named}{more} on the kernel's command line, or pci=config_acs=, which this kernel has too (`shardplane plan --boot-parameters` prints both)"
        ),
        Some(_) | None => format!(
            "or at each boot, by pci=disable_acs_redir={named}{more} on the kernel's command line, from kernel 4.20 on (`shardplane plan --boot-parameters` prints it)"
        ),
    }
}
