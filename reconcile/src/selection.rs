//! Whose is a SoC: which policies select it, and what they ask together.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::PciAddress,
    kind::CardPolicySpec,
    snapshot::{HardwareSnapshot, Soc},
};

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
    Selection {
        policies,
        governing,
        conflicts,
    }
}

fn matches(policy: &Policy, soc: &Soc) -> bool {
    let Some(devices) = &policy.spec.devices else {
        return true;
    };
    let by_address = devices.addresses.is_empty() || devices.addresses.contains(&soc.address);
    let sku = soc.sku.get().map(|sku| &sku.0);
    let by_sku = devices.skus.is_empty() || sku.is_some_and(|sku| devices.skus.contains(sku));
    by_address && by_sku
}

/// A dotted version as numbers, up to its first part that is none; compares as versions do.
pub fn version(text: &str) -> Vec<u32> {
    text.split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}
