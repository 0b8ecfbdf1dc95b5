//! Rules about ACS: which port, which bits, from which word, and who loses isolation.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Unknown,
    id::{GroupId, PciAddress, Word},
    kind::{AcsMode, SpreadOver, UntrustedNeighbours},
    plan::NodePlan,
    snapshot::{LedgerTarget, Lockdown, hands_on},
    step::{ACS_REDIRECT_MASK, Action, PortRef, Step},
};

use super::{Findings, machine::Machine, steps};

/// Bits that keep a peer's request from going straight across: RR and EC.
const KEEPS_APART: u16 = 0x24;

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    let groups = groups(node, machine);
    for (_, step) in steps(node) {
        match &step.action {
            Action::ClearAcs { port, before, mask } => {
                writable(step, port, *before, *mask, machine, found);
                found.expect("SP-C03", step, mask.0 & !before.0 == 0, || {
                    format!("{mask} has bits that are not set in {before}")
                });
                let needing: Vec<&(GroupId, Vec<PciAddress>)> = groups
                    .iter()
                    .filter(|(_, members)| machine.ports_of(members).contains(&port.address))
                    .collect();
                found.expect("SP-C02", step, !needing.is_empty(), || {
                    format!("{} parts no two members of a declared group", port.address)
                });
                let members: BTreeSet<PciAddress> = needing
                    .iter()
                    .flat_map(|(_, members)| members.iter().copied())
                    .collect();
                for soc in &members {
                    let managed = machine.policies_of(*soc).iter().all(|policy| {
                        policy
                            .spec
                            .acs
                            .as_ref()
                            .is_some_and(|acs| acs.mode == AcsMode::Minimal)
                    });
                    found.expect("SP-C14", step, managed && machine.is_enforced(*soc), || {
                        format!("no policy lets ports of {soc} be relaxed")
                    });
                }
                let given = members.iter().find(|soc| {
                    let driver = machine.function(**soc).and_then(|soc| soc.driver.get());
                    driver.is_some_and(|driver| hands_on(driver))
                });
                found.expect("SP-C21", step, given.is_none(), || {
                    format!("a member is given to somebody else, who loses isolation: {given:?}")
                });
                let allowed = needing
                    .iter()
                    .all(|(group, members)| allows(group, members, machine));
                for neighbour in untrusted(port.address, &members, machine) {
                    found.expect("SP-C21", step, allowed, || {
                        format!("{neighbour} loses isolation")
                    });
                }
            }
            Action::RestoreAcs {
                port,
                before,
                pre_image,
                mask,
            } => {
                writable(step, port, *before, *mask, machine, found);
                let recorded = machine.entry(|entry| {
                    entry.target
                        == LedgerTarget::Acs {
                            port: port.address,
                            path: port.path.clone(),
                        }
                        && entry.pre_image == pre_image.to_string()
                });
                found.expect("SP-C04", step, recorded.is_some(), || {
                    format!("the ledger has no {pre_image} for {}", port.address)
                });
                let needed = groups
                    .iter()
                    .any(|(_, members)| machine.ports_of(members).contains(&port.address));
                found.expect("SP-C04", step, !needed, || {
                    format!("a declared group needs {} relaxed", port.address)
                });
            }
            _ => {}
        }
    }
}

/// What holds for every write of a control word.
fn writable(
    step: &Step,
    port: &PortRef,
    before: Word,
    mask: Word,
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    found.expect(
        "SP-C03",
        step,
        mask.0 != 0 && mask.0 & !ACS_REDIRECT_MASK == 0,
        || format!("mask {mask} is not within 0x{ACS_REDIRECT_MASK:04x}"),
    );
    let now = machine.control(port.address);
    found.expect("SP-C13", step, now.is_some(), || {
        format!("the word of {} is unknown", port.address)
    });
    found.expect(
        "SP-C03",
        step,
        now.is_none_or(|now| now == before.0),
        || format!("{before} is not what stands there"),
    );
    let locked = matches!(
        machine.snapshot.host.lockdown.get(),
        Some(Lockdown::Integrity | Lockdown::Confidentiality)
    );
    found.expect("SP-C13", step, !locked, || {
        "kernel lockdown forbids it".into()
    });
    let path = machine
        .function(port.address)
        .map(|function| &function.path);
    found.expect("SP-C18", step, path == Some(&port.path), || {
        format!("{} is not at {}", port.address, port.path)
    });
}

/// Sets of declared groups: as this plan assigns them, else as the ledger remembers them.
pub(super) fn groups(node: &NodePlan, machine: &Machine<'_>) -> Vec<(GroupId, Vec<PciAddress>)> {
    let mut sets: Vec<(GroupId, Vec<PciAddress>)> = machine
        .snapshot
        .ledger
        .groups
        .iter()
        .map(|record| {
            (
                record.group.clone(),
                record.members.iter().map(|m| m.address).collect(),
            )
        })
        .collect();
    for step in &node.steps {
        if let Action::AssignGroup { group, members } = &step.action {
            sets.retain(|(known, _)| known != group);
            sets.push((group.clone(), members.iter().map(|m| m.address).collect()));
        }
    }
    sets.retain(|(group, members)| {
        let declared = machine.group(&group.name).is_some_and(|declared| {
            let spec = &declared.spec;
            let named = spec.members.as_ref().is_none_or(|named| {
                members
                    .iter()
                    .all(|soc| named.iter().any(|name| machine.is_named(*soc, name)))
            });
            let per = spec.automatic.as_ref().map(|rules| rules.per);
            usize::try_from(spec.size) == Ok(members.len())
                && named
                && (per != Some(SpreadOver::Card) || machine.is_one_card(members))
        });
        let present = members.iter().filter(|soc| machine.soc(**soc).is_some());
        let governed = !machine.policies().is_empty()
            && present
                .clone()
                .all(|soc| !machine.policies_of(*soc).is_empty());
        group.node == node.node && declared && governed
    });
    disjoint(&mut sets, node, machine);
    no_more_than_declared(&mut sets, node, machine);
    sets
}

/// Of a group that has more sets than it asks for, leaves out those whose ports this plan restores, then those that lost a SoC.
fn no_more_than_declared(
    sets: &mut Vec<(GroupId, Vec<PciAddress>)>,
    node: &NodePlan,
    machine: &Machine<'_>,
) {
    let restored: BTreeSet<PciAddress> = (node.steps.iter())
        .filter_map(|step| match &step.action {
            Action::RestoreAcs { port, .. } => Some(port.address),
            _ => None,
        })
        .collect();
    sets.sort_by_key(|(group, members)| {
        let ports = machine.ports_of(members);
        let gone = members.iter().filter(|soc| machine.soc(**soc).is_none());
        let given_up = ports.iter().any(|port| restored.contains(port));
        (group.name.clone(), given_up, gone.count(), group.index)
    });
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    sets.retain(|(group, _)| {
        let rules = machine.group(&group.name);
        let rules = rules.and_then(|declared| declared.spec.automatic.as_ref());
        let place = seen.entry(group.name.clone()).or_default();
        *place += 1;
        (rules.and_then(|rules| rules.count)).is_none_or(|count| *place <= count)
    });
    sets.sort();
}

/// Leaves out sets of which another has a SoC. What several claim belongs to a set that this plan forms, else to the first
/// group that names it, else to the first that is remembered: the record of one that lost a SoC so can outlive it.
fn disjoint(sets: &mut Vec<(GroupId, Vec<PciAddress>)>, node: &NodePlan, machine: &Machine<'_>) {
    let mut taken: BTreeMap<PciAddress, GroupId> = BTreeMap::new();
    for step in &node.steps {
        if let Action::AssignGroup { group, members } = &step.action {
            for member in members {
                taken.entry(member.address).or_insert(group.clone());
            }
        }
    }
    for group in machine.groups() {
        let id = GroupId {
            name: group.object.name.clone(),
            index: 0,
            node: node.node.clone(),
        };
        for member in group.spec.members.iter().flatten() {
            let socs = machine.snapshot.socs.iter().map(|soc| soc.address);
            for soc in socs.filter(|soc| machine.is_named(*soc, member)) {
                taken.entry(soc).or_insert(id.clone());
            }
        }
    }
    sets.sort();
    sets.retain(|(group, members)| {
        let own = |soc: &PciAddress| taken.get(soc).is_none_or(|taker| taker == group);
        let whole = members.iter().all(own);
        if whole {
            taken.extend(members.iter().map(|soc| (*soc, group.clone())));
        }
        whole
    });
}

pub(super) fn allows(group: &GroupId, members: &[PciAddress], machine: &Machine<'_>) -> bool {
    let own = machine
        .group(&group.name)
        .and_then(|group| group.spec.isolation.as_ref());
    let mut rules: Vec<UntrustedNeighbours> = own
        .map(|rule| rule.untrusted_neighbours)
        .into_iter()
        .collect();
    for soc in members {
        for policy in machine.policies_of(*soc) {
            rules.extend(
                policy
                    .spec
                    .acs
                    .as_ref()
                    .and_then(|acs| acs.untrusted_neighbours),
            );
        }
    }
    !rules.is_empty() && rules.iter().all(|rule| *rule == UntrustedNeighbours::Allow)
}

/// Devices that this port's relaxation joins with something and that we do not know to be harmless.
pub(super) fn untrusted(
    port: PciAddress,
    members: &BTreeSet<PciAddress>,
    machine: &Machine<'_>,
) -> Vec<PciAddress> {
    let joined = joined(port, machine);
    joined
        .into_iter()
        .filter(|address| !members.contains(address))
        .filter(|address| {
            let Some(function) = machine.function(*address) else {
                return true;
            };
            let driver = &function.driver;
            let given = match driver.get() {
                Some(driver) => {
                    hands_on(driver) || machine.soc(*address).is_some() && driver != "qaic"
                }
                None => driver.unknown != Some(Unknown::Absent),
            };
            given || !(machine.soc(*address).is_some() || function.vendor.0 == 0x11f8)
        })
        .collect()
}

/// Endpoints that lose isolation when a port stops redirecting: both sides of every pair that parts there, for requests
/// from below it were kept from crossing by this port alone.
pub(super) fn joined(port: PciAddress, machine: &Machine<'_>) -> BTreeSet<PciAddress> {
    let endpoints: Vec<PciAddress> = machine
        .snapshot
        .functions
        .iter()
        .filter(|function| function.port.is_none())
        .map(|function| function.address)
        .collect();
    let apart = |port: PciAddress| {
        let unknown = machine
            .function(port)
            .is_none_or(|function| function.acs.get().is_none());
        unknown
            || machine
                .control(port)
                .is_some_and(|word| word & KEEPS_APART != 0)
    };
    let mut joined = BTreeSet::new();
    for x in endpoints.iter().filter(|x| machine.is_below(**x, port)) {
        for y in endpoints.iter().filter(|y| !machine.is_below(**y, port)) {
            let between = machine.ports_between(*x, *y);
            if between.is_some_and(|ports| ports.contains(&port) && apart(port)) {
                joined.extend([*x, *y]);
            }
        }
    }
    joined
}
