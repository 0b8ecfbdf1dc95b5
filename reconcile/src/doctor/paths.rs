//! What reaches what: common switches, ACS on the ports that matter and on those that do not, and neighbours.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{PciAddress, Word},
    snapshot::{Acs, PciFunction, PortKind},
    step::ACS_REDIRECT_MASK,
};

use super::{
    boot::alternative,
    patient::{MeantBy, Patient, divergence, domains},
    seen::{Seen, counted},
};
use crate::{
    isolation::{self, Reach, Words},
    topology::Apart,
};

/// What the kernel sets on every port that has it, where an IOMMU asks: SV, RR, CR, UF.
const KERNEL_ACS: u16 = 0x001d;
/// SoCs of one group, at most (vendor's page).
const LARGEST_GROUP: usize = 16;

pub(super) fn common_switch(patient: &Patient<'_>) -> Vec<Seen> {
    let socs = &patient.snapshot.socs;
    let sets = domains(patient.snapshot, &patient.topology);
    let (together, alone): (Vec<&Vec<PciAddress>>, Vec<&Vec<PciAddress>>) =
        sets.iter().partition(|set| set.len() > 1);
    let mut seen = Vec::new();
    if !together.is_empty() {
        seen.push(shared(patient, &together));
    }
    for soc in alone.into_iter().flatten() {
        seen.push(
            lonely(patient, *soc, socs.len())
                .at(*soc)
                .from("/sys/bus/pci/devices"),
        );
    }
    seen
}

fn shared(patient: &Patient<'_>, together: &[&Vec<PciAddress>]) -> Seen {
    let said: Vec<String> = together
        .iter()
        .map(|set| {
            let switch = set.first().and_then(|soc| patient.topology.domain(*soc));
            let switch = switch.map_or_else(|| "?".to_owned(), |switch| switch.to_string());
            format!("{} below {switch}", counted(set.len(), "SoC"))
        })
        .collect();
    let mut fact = said.join(", ");
    if together.len() > 1 {
        fact.push_str("; nothing reaches from one to another");
    }
    if together.iter().any(|set| set.len() > LARGEST_GROUP) {
        fact.push_str("; one group holds 16 at most");
    }
    Seen::pass(fact)
        .over(together.iter().flat_map(|set| set.iter().copied()))
        .from("/sys/bus/pci/devices")
}

/// Why a SoC reaches no other.
fn lonely(patient: &Patient<'_>, soc: PciAddress, count: usize) -> Seen {
    if count == 1 {
        return Seen::warn(
            "it is the only SoC: there is nothing to shard over",
            "add cards below the same switch",
        );
    }
    let others = patient.snapshot.socs.iter().map(|other| other.address);
    let apart: Vec<Apart> = others
        .filter(|other| *other != soc)
        .filter_map(|other| patient.topology.parting(soc, other).err())
        .collect();
    if apart
        .iter()
        .any(|why| matches!(why, Apart::NotASwitch(bridge) if patient.is_unread(*bridge)))
    {
        return Seen::unplaced();
    }
    if apart.iter().any(|why| matches!(why, Apart::Unplaced(_))) {
        return Seen::lost();
    }
    let bridge = apart.iter().find_map(|why| match why {
        Apart::NotASwitch(bridge) => Some(*bridge),
        Apart::DifferentRoots | Apart::Unplaced(_) => None,
    });
    let fact = match bridge {
        Some(bridge) => format!("can never do P2P: what it has in common with another SoC is {bridge}, which is no switch"),
        None => "can never do P2P: no switch below a root port is common to it and another SoC, so traffic goes through the CPU whatever is written".to_owned(),
    };
    let fix = "move the card below a switch that another card is on; until then shard through the host, or use one SoC a model";
    match patient.meant.by {
        MeantBy::Nobody => Seen::fail(fact, fix),
        MeantBy::Declaration | MeantBy::Ledger if patient.is_meant(soc) => Seen::fail(fact, fix),
        MeantBy::Declaration | MeantBy::Ledger => Seen::warn(fact, fix),
    }
}

/// What a port's word does to peers.
enum Port {
    Clear,
    NoAcs,
    Redirects(Word),
}

fn read(function: &PciFunction) -> Option<Port> {
    Some(match function.acs.get()? {
        Acs::None => Port::NoAcs,
        Acs::Present { control, .. } if control.0 & ACS_REDIRECT_MASK == 0 => Port::Clear,
        Acs::Present { control, .. } => Port::Redirects(*control),
    })
}

pub(super) fn redirect(patient: &Patient<'_>) -> Vec<Seen> {
    let ports = divergence(patient, &patient.meant.sets);
    let mut redirecting: BTreeMap<(Word, Option<String>), Vec<&PciFunction>> = BTreeMap::new();
    let (mut clear, mut without) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for port in ports
        .iter()
        .filter_map(|port| patient.topology.function(*port))
    {
        match read(port) {
            Some(Port::Clear) => clear.push(port),
            Some(Port::NoAcs) => without.push(port),
            Some(Port::Redirects(word)) => {
                let first = patient.would.first(port.address);
                redirecting.entry((word, first)).or_default().push(port);
            }
            None => seen.push(Seen::untold_of_port(&port.acs).at(port.address)),
        }
    }
    for ((word, first), ports) in redirecting {
        let addresses: Vec<PciAddress> = ports.iter().map(|port| port.address).collect();
        let fact = format!(
            "set: {word} ({}) sends peer traffic to the CPU at {}",
            bits(word),
            by_switch(patient, &ports)
        );
        let how = match patient.meant.by {
            MeantBy::Declaration | MeantBy::Ledger => {
                "`shardplane apply` clears these bits alone, and keeps them cleared while `up` runs"
            }
            MeantBy::Nobody => {
                "declare a P2PGroup over the SoCs and `shardplane apply`: it clears these bits alone"
            }
        };
        // What a plan refuses, a boot is not to do either.
        let fix = match &first {
            None => format!("{how}; {}", alternative(patient, &addresses)),
            Some(_) => how.to_owned(),
        };
        let said = Seen::fail(fact, "").mended_once(first, &fix);
        seen.push(sourced(said, &ports));
    }
    if !clear.is_empty() {
        let fact = format!("clear at {}", by_switch(patient, &clear));
        seen.push(sourced(Seen::pass(fact), &clear));
    }
    if !without.is_empty() {
        let fact = format!(
            "no ACS, so nothing redirects, at {}",
            by_switch(patient, &without)
        );
        seen.push(sourced(Seen::pass(fact), &without));
    }
    seen
}

fn sourced(mut seen: Seen, ports: &[&PciFunction]) -> Seen {
    for port in ports {
        seen = seen.at(port.address).from(&port.acs.source);
    }
    seen
}

/// The redirect bits of a word by their names.
fn bits(word: Word) -> String {
    let names = [(0x04, "RR"), (0x08, "CR"), (0x20, "EC")];
    let set = names.iter().filter(|(bit, _)| word.0 & bit != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// `4 ports of card switch 0000:23:00.0, 2 ports of switch 0000:21:00.0`.
fn by_switch(patient: &Patient<'_>, ports: &[&PciFunction]) -> String {
    let mut counts: BTreeMap<Option<PciAddress>, usize> = BTreeMap::new();
    for port in ports {
        *counts.entry(port.parent).or_default() += 1;
    }
    let cards: BTreeSet<PciAddress> = patient
        .topology
        .cards()
        .iter()
        .filter_map(|card| card.switch)
        .collect();
    let said: Vec<String> = counts
        .into_iter()
        .map(|(switch, count)| {
            let ports = counted(count, "port");
            match switch {
                Some(switch) if cards.contains(&switch) => {
                    format!("{ports} of card switch {switch}")
                }
                Some(switch) => format!("{ports} of switch {switch}"),
                None => ports,
            }
        })
        .collect();
    said.join(", ")
}

/// Ports that no two SoCs part at, and that keep nothing apart although the kernel means them to.
pub(super) fn elsewhere(patient: &Patient<'_>) -> Vec<Seen> {
    let everything = domains(patient.snapshot, &patient.topology);
    let needed = divergence(patient, &everything);
    let grouped = (patient.topology.functions()).any(|f| f.iommu_group.get().is_some());
    let ports: Vec<&PciFunction> = patient
        .topology
        .functions()
        .filter(|f| matches!(f.port, Some(PortKind::Root | PortKind::SwitchDownstream)))
        .filter(|f| !needed.contains(&f.address))
        .filter(|f| f.acs.get().is_some())
        .collect();
    let zeroed: Vec<&PciFunction> = ports
        .iter()
        .copied()
        .filter(|f| {
            matches!(f.acs.get(), Some(Acs::Present { capability, control, .. })
                if capability.0 & KERNEL_ACS != 0 && control.0 & KERNEL_ACS == 0)
        })
        .collect();
    if ports.is_empty() || !grouped {
        return Vec::new();
    }
    if zeroed.is_empty() {
        return vec![sourced(Seen::pass("as the kernel set it"), &ports)];
    }
    let fact = format!(
        "off at {}: devices below are not kept apart",
        counted(zeroed.len(), "port")
    );
    let fix = "somebody wrote it away, as the vendor's script does with `all`: boot again, and let Shardplane clear only what groups need";
    vec![sourced(Seen::warn(fact, fix), &zeroed)]
}

pub(super) fn neighbours(patient: &Patient<'_>) -> Vec<Seen> {
    let ports = divergence(patient, &patient.meant.sets);
    if ports.is_empty() {
        return Vec::new();
    }
    let members: BTreeSet<PciAddress> = patient.meant.sets.iter().flatten().copied().collect();
    let cleared: Words = ports
        .iter()
        .filter_map(|port| match patient.topology.function(*port)?.acs.get()? {
            Acs::None => None,
            Acs::Present { control, .. } => Some((*port, Word(control.0 & !ACS_REDIRECT_MASK))),
        })
        .collect();
    let reached = |address: PciAddress| {
        let direct = |member: &PciAddress| {
            isolation::reach(&patient.topology, &cleared, *member, address) == Reach::Direct
        };
        members.iter().any(direct)
    };
    let joined: Vec<PciAddress> = patient
        .topology
        .functions()
        .filter(|function| function.port.is_none() && !members.contains(&function.address))
        .map(|function| function.address)
        .filter(|address| reached(*address))
        .collect();
    let strangers = |address: &PciAddress| isolation::is_untrusted(&patient.topology, *address);
    // A member that is given to a virtual machine is a stranger too.
    let given = members.iter().filter(|soc| strangers(soc)).copied();
    let untrusted: BTreeSet<PciAddress> =
        joined.into_iter().filter(strangers).chain(given).collect();
    if untrusted.is_empty() {
        return vec![Seen::pass("none that would lose isolation").from("/sys/bus/pci/devices")];
    }
    let seen = |address: PciAddress| {
        let function = patient.topology.function(address)?;
        let driver = isolation::bound_to(function);
        let seen = Seen::warn(
            format!(
                "{}:{} ({driver}) would share memory access with the SoCs beside it",
                function.vendor, function.device
            ),
            "a plan refuses to relax ports beside it unless a policy says `untrustedNeighbours: Allow`; move it to another switch or root port",
        );
        Some(seen.at(address).from(&function.driver.source))
    };
    untrusted.into_iter().filter_map(seen).collect()
}
