//! The machine as the checker sees it: parents, words, holders and rules, looked up the plain way.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Unknown,
    declaration::{Declaration, Declared},
    id::{GroupId, MhiSerial, PciAddress},
    kind::{CardPolicySpec, Enforcement, Member, P2PGroupSpec},
    snapshot::{
        Acs, GroupRecord, HardwareSnapshot, LedgerEntry, LedgerTarget, PciFunction, PortKind, Soc,
        SocIdentity, hands_on,
    },
};

pub(super) struct Machine<'a> {
    pub(super) snapshot: &'a HardwareSnapshot,
    pub(super) declaration: &'a Declaration,
    by_address: BTreeMap<PciAddress, &'a PciFunction>,
    bridges: BTreeMap<PciAddress, Vec<PciAddress>>,
}

impl<'a> Machine<'a> {
    pub(super) fn of(snapshot: &'a HardwareSnapshot, declaration: &'a Declaration) -> Self {
        let mut machine = Self {
            snapshot,
            declaration,
            by_address: snapshot.functions.iter().map(|f| (f.address, f)).collect(),
            bridges: BTreeMap::new(),
        };
        machine.bridges = snapshot
            .functions
            .iter()
            .map(|function| (function.address, machine.climb(function.address)))
            .collect();
        machine
    }

    pub(super) fn function(&self, address: PciAddress) -> Option<&'a PciFunction> {
        self.by_address.get(&address).copied()
    }

    pub(super) fn soc(&self, address: PciAddress) -> Option<&'a Soc> {
        self.snapshot.socs.iter().find(|soc| soc.address == address)
    }

    /// Who has this serial.
    pub(super) fn soc_named(&self, serial: Option<&MhiSerial>) -> Option<&'a Soc> {
        let named = |soc: &&Soc| serial.is_some() && soc.serial.get() == serial;
        self.snapshot.socs.iter().find(named)
    }

    /// The ACS control word, where there is one and it is known.
    pub(super) fn control(&self, port: PciAddress) -> Option<u16> {
        match self.function(port)?.acs.get()? {
            Acs::None => None,
            Acs::Present { control, .. } => Some(control.0),
        }
    }

    /// From a function's bridge up to its root.
    fn climb(&self, address: PciAddress) -> Vec<PciAddress> {
        let mut line = Vec::new();
        let mut at = self.function(address).and_then(|f| f.parent);
        while let Some(bridge) = at {
            if line.contains(&bridge) {
                break;
            }
            line.push(bridge);
            at = self.function(bridge).and_then(|f| f.parent);
        }
        line
    }

    fn bridges(&self, address: PciAddress) -> &[PciAddress] {
        self.bridges
            .get(&address)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    pub(super) fn is_below(&self, address: PciAddress, port: PciAddress) -> bool {
        self.bridges(address).contains(&port)
    }

    /// The bridges from a function up, itself included where it is one.
    fn upward(&self, address: PciAddress) -> Vec<PciAddress> {
        let bridge = self.function(address).is_some_and(|f| f.port.is_some());
        let own = bridge.then_some(address);
        own.into_iter()
            .chain(self.bridges(address).iter().copied())
            .collect()
    }

    /// The two ports just below the lowest common switch of two functions, where they have one.
    pub(super) fn ports_between(&self, a: PciAddress, b: PciAddress) -> Option<[PciAddress; 2]> {
        let (up_a, up_b) = (self.upward(a), self.upward(b));
        let meeting = up_a.iter().position(|bridge| up_b.contains(bridge))?;
        let bridge = up_a[meeting];
        if self.function(bridge)?.port != Some(PortKind::SwitchUpstream) {
            return None;
        }
        let other = up_b.iter().position(|found| *found == bridge)?;
        let below = [
            *up_a.get(meeting.checked_sub(1)?)?,
            *up_b.get(other.checked_sub(1)?)?,
        ];
        let downstream = |port: &PciAddress| {
            self.function(*port).and_then(|f| f.port) == Some(PortKind::SwitchDownstream)
        };
        below.iter().all(downstream).then_some(below)
    }

    /// Divergence ports of a set; of a pair without a common switch there are none.
    pub(super) fn ports_of(&self, members: &[PciAddress]) -> BTreeSet<PciAddress> {
        let mut ports = BTreeSet::new();
        for a in members {
            for b in members {
                if a < b {
                    ports.extend(self.ports_between(*a, *b).into_iter().flatten());
                }
            }
        }
        ports
    }

    /// Whether those of a set that are there share the switch of one card.
    pub(super) fn is_one_card(&self, members: &[PciAddress]) -> bool {
        let here: Vec<&Soc> = members.iter().filter_map(|soc| self.soc(*soc)).collect();
        let switch = |soc: &Soc| self.bridges(soc.address).get(1).copied();
        let one = here.iter().all(|soc| switch(soc) == switch(here[0]));
        // Cards of one SoC each can share a switch of the host.
        let sku = |soc: &Soc| soc.sku.get().is_none_or(|sku| sku.0.contains("Ultra"));
        here.len() < 2 || one && switch(here[0]).is_some() && here.iter().all(|soc| sku(soc))
    }

    /// Divergence ports of a set as it was recorded: of members that are gone, as far as their ports are left.
    pub(super) fn recorded_ports(&self, members: &[SocIdentity]) -> BTreeSet<PciAddress> {
        let at = |member: &SocIdentity| {
            if self.function(member.address).is_some() {
                return Some(member.address);
            }
            // Cut from the end until something is there.
            let mut path = member.path.0.as_str();
            while let Some((above, _)) = path.rsplit_once('/') {
                let left = self.snapshot.functions.iter().find(|f| f.path.0 == above);
                if let Some(left) = left {
                    return Some(left.address);
                }
                path = above;
            }
            None
        };
        let places: Vec<PciAddress> = members.iter().filter_map(at).collect();
        self.ports_of(&places)
    }

    /// Everybody who holds a SoC and is not one of our workers.
    pub(super) fn is_foreign_held(&self, soc: PciAddress) -> bool {
        let listed = |holder: &&crd::snapshot::Holder| holder.soc == soc;
        let mut holders = self.snapshot.holders.iter().filter(listed);
        let foreign = holders.any(|holder| holder.kind.is_foreign());
        let driver = self.function(soc).and_then(|f| f.driver.get());
        foreign || driver.is_some_and(|driver| hands_on(driver))
    }

    /// Whether cores are in use by nobody who can be seen, or may be.
    pub(super) fn is_busy(&self, soc: PciAddress) -> bool {
        let listed = self.snapshot.holders.iter().any(|holder| holder.soc == soc);
        let busy = self.soc(soc).is_some_and(|soc| {
            let facts = [&soc.cores_free, &soc.cores];
            let used = soc.cores_free.get() < soc.cores.get() && soc.cores_free.get().is_some();
            used || (facts.iter()).any(|fact| fact.unknown == Some(Unknown::Malformed))
        });
        !listed && busy
    }

    pub(super) fn is_held(&self, soc: PciAddress) -> bool {
        self.is_foreign_held(soc) || self.snapshot.holders.iter().any(|holder| holder.soc == soc)
    }

    pub(super) fn entry(&self, matches: impl Fn(&LedgerEntry) -> bool) -> Option<&'a LedgerEntry> {
        self.snapshot
            .ledger
            .entries
            .iter()
            .find(|entry| matches(entry))
    }

    pub(super) fn record(&self, group: &GroupId) -> Option<&'a GroupRecord> {
        self.snapshot
            .ledger
            .groups
            .iter()
            .find(|record| record.group == *group)
    }

    /// Policies that select the node.
    pub(super) fn policies(&self) -> Vec<&'a Declared<CardPolicySpec>> {
        let labels = &self.snapshot.metadata.labels;
        self.declaration
            .policies
            .iter()
            .filter(|policy| {
                policy
                    .spec
                    .node_selector
                    .as_ref()
                    .is_none_or(|s| s.matches(labels))
            })
            .collect()
    }

    /// Policies that match a SoC; more than one cancel each other.
    pub(super) fn policies_of(&self, address: PciAddress) -> Vec<&'a Declared<CardPolicySpec>> {
        let sku = self.soc(address).and_then(|soc| soc.sku.get());
        let mut policies = self.policies();
        policies.retain(|policy| {
            policy.spec.devices.as_ref().is_none_or(|devices| {
                (devices.addresses.is_empty() || devices.addresses.contains(&address))
                    && (devices.skus.is_empty()
                        || sku.is_some_and(|sku| {
                            let mut skus = devices.skus.iter();
                            skus.any(|named| named.eq_ignore_ascii_case(&sku.0))
                        }))
            })
        });
        policies
    }

    /// Whether exactly one policy governs a SoC, and enforces.
    pub(super) fn is_enforced(&self, soc: PciAddress) -> bool {
        match self.policies_of(soc).as_slice() {
            [one] => one.spec.enforcement == Enforcement::Enforce,
            _ => false,
        }
    }

    /// Declared groups that select this node, by name.
    pub(super) fn groups(&self) -> Vec<&'a Declared<P2PGroupSpec>> {
        let labels = &self.snapshot.metadata.labels;
        let mut groups: Vec<_> = self.declaration.groups.iter().collect();
        groups.retain(|group| {
            let selector = group.spec.node_selector.as_ref();
            selector.is_none_or(|s| s.matches(labels))
        });
        groups.sort_by(|a, b| a.object.cmp(&b.object));
        groups
    }

    /// A declared group that selects this node.
    pub(super) fn group(&self, name: &str) -> Option<&'a Declared<P2PGroupSpec>> {
        let mut groups = self.groups().into_iter();
        groups.find(|group| group.object.name == name)
    }

    /// Whether a declared member names this SoC.
    pub(super) fn is_named(&self, address: PciAddress, member: &Member) -> bool {
        let soc = self.soc(address);
        member.address.is_none_or(|named| named == address)
            && member
                .path
                .as_ref()
                .is_none_or(|path| soc.is_some_and(|soc| soc.path == *path))
            && member
                .serial
                .as_ref()
                .is_none_or(|serial| soc.is_some_and(|soc| soc.serial.get() == Some(serial)))
    }

    /// A SoC by all its names, as the snapshot shows it.
    pub(super) fn identity(&self, address: PciAddress) -> Option<SocIdentity> {
        let soc = self.soc(address)?;
        Some(SocIdentity {
            address,
            path: soc.path.clone(),
            serial: soc.serial.get().cloned(),
        })
    }

    /// Whether the ledger and the probe disagree about which device is where.
    pub(super) fn is_renumbered(&self) -> bool {
        let moved = self.snapshot.ledger.entries.iter().any(|entry| {
            let LedgerTarget::Acs { port, path } = &entry.target else {
                return false;
            };
            (self.snapshot.functions.iter())
                .any(|function| (function.address == *port) != (function.path == *path))
        });
        let serials = || self.snapshot.socs.iter().filter_map(|soc| soc.serial.get());
        let told_apart: BTreeSet<_> = serials().collect();
        moved
            || told_apart.len() < serials().count()
            || self.snapshot.ledger.identities.iter().any(|known| {
                self.snapshot.socs.iter().any(|soc| {
                    let serial = soc.serial.get();
                    let same = [soc.address == known.address, soc.path == known.path];
                    let serials = known.serial.as_ref().zip(serial).map(|(a, b)| a == b);
                    let any = same.contains(&true) || serials == Some(true);
                    any && (same.contains(&false) || serials == Some(false))
                })
            })
    }
}
