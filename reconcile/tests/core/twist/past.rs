//! What a ledger remembers of objects that nothing declares any more, and of sets.
use crd::{
    id::{GroupId, ObjectRef, PciAddress, Word},
    kind::DeletionRule,
    snapshot::{GroupRecord, HardwareSnapshot, LedgerEntry, LedgerTarget, Soc},
    step::ACS_REDIRECT_MASK,
};
use reconcile::topology::{Topology, identity};

use crate::world::word;

pub fn gone(kind: &str) -> ObjectRef {
    ObjectRef {
        kind: kind.into(),
        namespace: None,
        name: "gone".into(),
    }
}

pub fn former_word(
    snapshot: &mut HardwareSnapshot,
    port: PciAddress,
    before: u16,
    deletion: DeletionRule,
) {
    let Some(now) = word(snapshot, port) else {
        return;
    };
    let path = snapshot.functions.iter().find(|f| f.address == port);
    let Some(path) = path.map(|function| function.path.clone()) else {
        return;
    };
    snapshot.ledger.entries.push(LedgerEntry {
        target: LedgerTarget::Acs { port, path },
        owners: vec![gone("P2PGroup")],
        deletion,
        // Only redirect bits are ever ours.
        pre_image: Word((now & !ACS_REDIRECT_MASK) | (before & ACS_REDIRECT_MASK)).to_string(),
        written: Word(now).to_string(),
        boot_id: reconcile::view::boot_id(snapshot),
    });
    one_entry_each(snapshot);
}

pub fn former_set(snapshot: &mut HardwareSnapshot, size: usize, index: usize) {
    // No set spans two switches: it could never have been formed.
    let topology = Topology::of(snapshot);
    let domain = |soc: &Soc| topology.domain(soc.address);
    let first = snapshot.socs.first().and_then(domain);
    let beside = snapshot.socs.iter().filter(|soc| domain(soc) == first);
    let members: Vec<_> = beside.take(size).map(identity).collect();
    let group = GroupId {
        name: format!("group-{}", index % 4),
        index: 0,
        node: snapshot.metadata.name.clone(),
    };
    let known = snapshot
        .ledger
        .groups
        .iter()
        .any(|record| record.group == group);
    if members.is_empty() || known || first.is_none() {
        return;
    }
    snapshot.ledger.groups.push(GroupRecord {
        group,
        members,
        verification: None,
    });
    snapshot.ledger.groups.sort_by(|a, b| a.group.cmp(&b.group));
}

/// A ledger has one entry for each register; the first one stays, as it does when a step writes again.
pub fn one_entry_each(snapshot: &mut HardwareSnapshot) {
    let entries = &mut snapshot.ledger.entries;
    entries.sort_by(|a, b| a.target.cmp(&b.target));
    entries.dedup_by(|a, b| a.target == b.target);
}
