//! Whose is a SoC: which policies select it, and what they ask together.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::PciAddress,
    kind::CardPolicySpec,
    snapshot::{HardwareSnapshot, LedgerEntry, LedgerTarget, Soc},
};

use crate::view::View;

/// A declared policy.
pub type Policy = Declared<CardPolicySpec>;

/// Which policies select a node, and which one governs each of its SoCs.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Policies that select the node, ordered by name.
    pub policies: Vec<&'a Policy>,
    /// The one policy that governs each SoC.
    pub governing: BTreeMap<PciAddress, &'a Policy>,
    /// SoCs that two policies or more match: none applies.
    pub conflicts: BTreeMap<PciAddress, Vec<&'a Policy>>,
    /// SoCs that the ledger knows and that are not there, each with the policies that may govern it when it is back: what it is
    /// cannot be read now.
    away: BTreeMap<PciAddress, Vec<&'a Policy>>,
}

impl<'a> Selection<'a> {
    /// The policy that an entry about a SoC that is not there was written for, as long as it may govern it when it is back.
    pub fn governs_away(&self, soc: PciAddress, entry: &LedgerEntry) -> Option<&'a Policy> {
        let mut policies = self.away.get(&soc)?.iter().copied();
        policies.find(|policy| entry.owners.contains(&policy.object))
    }

    /// Whether a policy governs a SoC that is there.
    fn governs_one(&self, policy: &Policy) -> bool {
        let mut governing = self.governing.values();
        governing.any(|other| other.object == policy.object)
    }

    /// Whether it may govern one that is not.
    fn may_govern_away(&self, policy: &Policy) -> bool {
        let mut away = self.away.values().flatten();
        away.any(|other| other.object == policy.object)
    }
}

impl View<'_> {
    /// Whether a policy that names devices selects a SoC, one that is not there or whose SKU is not known among them.
    pub fn selects_some(&self, policy: &Policy) -> bool {
        let unknown = |soc: &Soc| soc.sku.get().is_none() && has_address(policy, soc.address);
        let mut conflicting = self.selection.conflicts.values().flatten();
        self.selection.governs_one(policy)
            || self.selection.may_govern_away(policy)
            || conflicting.any(|other| other.object == policy.object)
            || self.snapshot.socs.iter().any(unknown)
    }

    /// Whether a policy keeps the settings that were written for it: it governs a SoC that is there, or may govern one that is not.
    /// Of a machine that shows no SoC at all nobody knows whose they are.
    pub fn keeps_settings(&self, policy: &Policy) -> bool {
        let of_machine = |entry: &LedgerEntry| match entry.target {
            LedgerTarget::Driver { .. }
            | LedgerTarget::Sysctl { .. }
            | LedgerTarget::File { .. } => entry.owners.contains(&policy.object),
            LedgerTarget::Acs { .. } | LedgerTarget::Mdp { .. } => false,
        };
        let may_come_back =
            || self.snapshot.socs.is_empty() || self.selection.may_govern_away(policy);
        self.selection.governs_one(policy)
            || self.snapshot.ledger.entries.iter().any(of_machine) && may_come_back()
    }
}

/// Selects on one node.
pub fn select<'a>(declaration: &'a Declaration, snapshot: &HardwareSnapshot) -> Selection<'a> {
    let mut policies: Vec<&Policy> = declaration
        .policies
        .iter()
        .filter(|policy| {
            let selector = policy.spec.node_selector.as_ref();
            selector.is_none_or(|selector| selector.matches(&snapshot.metadata.labels))
        })
        .collect();
    policies.sort_by(|a, b| a.object.cmp(&b.object));
    let mut governing = BTreeMap::new();
    let mut conflicts = BTreeMap::new();
    for soc in &snapshot.socs {
        let matching: Vec<&Policy> = policies
            .iter()
            .copied()
            .filter(|policy| matches(policy, soc))
            .collect();
        match matching.as_slice() {
            [] => {}
            [one] => {
                governing.insert(soc.address, *one);
            }
            [_, _, ..] => {
                conflicts.insert(soc.address, matching);
            }
        }
    }
    let is_there = |address| snapshot.socs.iter().any(|soc| soc.address == address);
    let known = snapshot.ledger.identities.iter().map(|soc| soc.address);
    let away = known.filter(|address| !is_there(*address)).map(|address| {
        let may_govern = |policy: &&Policy| has_address(policy, address);
        (
            address,
            policies.iter().copied().filter(may_govern).collect(),
        )
    });
    Selection {
        away: away.collect(),
        policies,
        governing,
        conflicts,
    }
}

fn matches(policy: &Policy, soc: &Soc) -> bool {
    let devices = policy.spec.devices.as_ref();
    let sku = soc.sku.get().map(|sku| &sku.0);
    let has_sku = devices.is_none_or(|devices| {
        devices.skus.is_empty()
            || sku.is_some_and(|sku| {
                // Versions of the vendor's tool write it in capitals of their own, `Pcie Ultra` say.
                let mut skus = devices.skus.iter();
                skus.any(|named| named.eq_ignore_ascii_case(sku))
            })
    });
    has_sku && has_address(policy, soc.address)
}

/// Whether a policy's addresses, if it has any, name a SoC.
fn has_address(policy: &Policy, soc: PciAddress) -> bool {
    let devices = policy.spec.devices.as_ref();
    devices.is_none_or(|devices| devices.addresses.is_empty() || devices.addresses.contains(&soc))
}

/// A dotted version as numbers, up to its first part that is none; compares as versions do.
pub fn version(text: &str) -> Vec<u32> {
    text.split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}
