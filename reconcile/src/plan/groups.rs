//! What a placed group needs, and what stands against it in the state that the machine is in.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{PciAddress, Word},
    kind::{AcsMode, Enforcement, MdpMode, VerificationMode},
    plan::ReportReason,
    snapshot::{Acs, GroupRecord, LedgerTarget, Lockdown},
    step::{ACS_REDIRECT_MASK, PortRef},
};

use super::{governance, missing, ports::Closed, repairs, socs};
use crate::{
    Concern,
    doubt::LOOK_AS_ROOT,
    isolation::{self, Words},
    placement::{Obstacle, PlacedGroup, allows_neighbours},
    view::View,
};

/// A placed group with what it needs.
#[derive(Clone, Debug)]
pub(super) struct Assessed<'a> {
    pub(super) placed: PlacedGroup<'a>,
    /// Divergence ports, ordered.
    pub(super) ports: Vec<PortRef>,
    /// Ports to be relaxed: the word there, and the bits to clear. Of a blocked set, what keeps it as it was left.
    pub(super) clears: BTreeMap<PciAddress, (Word, Word)>,
    /// Members whose partitioning is to be switched on.
    pub(super) requests: Vec<PciAddress>,
    /// Whether P2P is to be proven.
    pub(super) verify: bool,
    /// Why nothing is done for it; empty where it is or will be usable.
    pub(super) obstacles: Vec<Obstacle>,
    /// Ports that cannot be relaxed, which stand against it as much.
    pub(super) closed: BTreeMap<PciAddress, Closed>,
    /// Whether every policy of its members enforces.
    pub(super) enforced: bool,
}

impl Assessed<'_> {
    pub(super) fn fits(&self) -> bool {
        self.obstacles.is_empty() && self.closed.is_empty()
    }

    /// Whether a member is no policy's any more: then what was done for the group is undone, like a deleted group's.
    pub(super) fn released(&self) -> bool {
        self.obstacles
            .iter()
            .any(|obstacle| obstacle.reason == ReportReason::NotGoverned)
    }

    /// Whether this is the set that the ledger remembers: a blocked one stays what it was, with fewer members perhaps; one
    /// of other members only took its name.
    pub(super) fn continues(&self, record: &GroupRecord) -> bool {
        let known: Vec<PciAddress> = record.members.iter().map(|member| member.address).collect();
        let now = &self.placed.members;
        let same = *now == known || !self.fits() && now.iter().all(|soc| known.contains(soc));
        self.placed.id == record.group && !self.released() && same
    }

    /// Whether this set was formed once and relies on what an entry is about, whoever that was written for.
    pub(super) fn relies_on(&self, view: &View<'_>, target: &LedgerTarget) -> bool {
        let mut records = view.snapshot.ledger.groups.iter();
        let needed = match target {
            LedgerTarget::Acs { port, path: _ } => {
                self.ports.iter().any(|needed| needed.address == *port)
            }
            LedgerTarget::Mdp { soc } => {
                let mode = view.policy(*soc).and_then(|policy| policy.spec.mdp);
                self.placed.members.contains(soc)
                    && !matches!(mode, Some(MdpMode::Enabled | MdpMode::Disabled))
            }
            LedgerTarget::Driver { name: _ }
            | LedgerTarget::Sysctl { name: _ }
            | LedgerTarget::File { file: _ } => false,
        };
        needed && records.any(|record| self.continues(record))
    }

    /// Whether one policy governs every member; policies that cancel each other govern none.
    pub(super) fn is_governed(&self, view: &View<'_>) -> bool {
        let members = &self.placed.members;
        members.iter().all(|soc| view.policy(*soc).is_some())
    }

    /// SoCs that must be idle for what the group needs.
    pub(super) fn idle(&self) -> BTreeSet<PciAddress> {
        if self.verify {
            self.placed.members.iter().copied().collect()
        } else {
            self.requests.iter().copied().collect()
        }
    }
}

/// Assesses one group. `any_reset` is whether a reset of the whole machine is on its way, after which nothing is proven.
pub(super) fn assess<'a>(
    view: &View<'a>,
    placed: &PlacedGroup<'a>,
    resets_all: bool,
) -> Assessed<'a> {
    let policies: Vec<_> = placed
        .members
        .iter()
        .filter_map(|soc| view.policy(*soc))
        .collect();
    let enforced = if placed.members.is_empty() {
        governance::enforces_removal(view)
    } else {
        let mut policies = policies.iter();
        policies.all(|policy| policy.spec.enforcement == Enforcement::Enforce)
    };
    let mut group = Assessed {
        obstacles: placed.obstacles.clone(),
        placed: placed.clone(),
        ports: Vec::new(),
        clears: BTreeMap::new(),
        closed: BTreeMap::new(),
        requests: Vec::new(),
        verify: false,
        enforced,
    };
    let Ok(ports) = view.topology.divergence(&group.placed.members) else {
        return group;
    };
    group.ports = ports
        .iter()
        .filter_map(|port| view.topology.function(*port))
        .map(|function| PortRef {
            address: function.address,
            path: function.path.clone(),
        })
        .collect();
    if !group.fits() {
        return group;
    }
    members(view, &mut group);
    acs(view, &mut group);
    neighbours(view, &mut group);
    if group.fits() {
        let resets = resets_all || !group.requests.is_empty();
        group.verify = wants_proof(view, &group, resets);
        proof_obstacle(view, &mut group);
        idle_obstacles(view, &mut group);
    }
    if !group.fits() {
        repairs::hold_open(view, &mut group);
    }
    group
}

fn obstacle(
    group: &Assessed<'_>,
    reason: ReportReason,
    functions: Vec<PciAddress>,
    message: &str,
    hint: &str,
) -> Obstacle {
    Obstacle {
        reason,
        object: group.placed.declared.object.clone(),
        pointer: "/spec".into(),
        functions,
        message: format!("{}: {message}", group.placed.id),
        hint: hint.into(),
    }
}

/// States of the members, and their partitioning.
fn members(view: &View<'_>, group: &mut Assessed<'_>) {
    let object = group.placed.declared.object.clone();
    for soc in group.placed.members.clone() {
        let mut found = socs::state_obstacles(view, soc, &object);
        found.extend(socs::requirement_obstacles(view, soc, &object));
        let mode = view.policy(soc).and_then(|policy| policy.spec.mdp);
        // One SoC alone reaches nobody, so it needs no partitioning.
        let alone = group.placed.members.len() < 2;
        let now = view.soc(soc).and_then(|found| found.mdp.get().copied());
        match (mode, now) {
            (Some(MdpMode::Disabled) | None, _) if alone => {}
            (Some(MdpMode::Disabled), _) | (None, Some(false)) => found.push(obstacle(
                group,
                ReportReason::MdpOff,
                vec![soc],
                &format!(
                    "P2P needs partitioning on every member, and no policy turns it on for {soc}"
                ),
                "declare `mdp: Groups` in the policy that selects it",
            )),
            (Some(MdpMode::Enabled | MdpMode::Groups) | None, Some(true)) => {}
            (Some(MdpMode::Enabled | MdpMode::Groups) | None, None) => {
                if found.is_empty() {
                    let (message, hint) = socs::partitioning_unknown(view, soc);
                    let reason = ReportReason::MdpUnknown;
                    found.push(obstacle(group, reason, vec![soc], &message, hint));
                }
            }
            (Some(MdpMode::Enabled | MdpMode::Groups), Some(false)) => {
                found.extend(socs::change_obstacles(view, soc, &object));
                group.requests.push(soc);
            }
        }
        group.obstacles.extend(found);
    }
}

/// ACS words of the divergence ports: unknown is neither clear nor set.
fn acs(view: &View<'_>, group: &mut Assessed<'_>) {
    for port in group.ports.clone() {
        let address = port.address;
        let Some(function) = view.topology.function(address) else {
            continue;
        };
        let control = match (function.acs.get(), function.acs.unknown) {
            (Some(Acs::None), _) => continue,
            (Some(Acs::Present { control, .. }), _) => *control,
            (None, why) => {
                group.closed.insert(address, Closed::Unread(why));
                continue;
            }
        };
        let mask = Word(control.0 & ACS_REDIRECT_MASK);
        if mask.0 != 0 {
            let failed = view.failed.contains_key(&Concern::Port(address));
            let closed = closed(view, group).or(failed.then_some(Closed::Failed));
            let closed = closed.map(|why| (address, why));
            group.closed.extend(closed);
            group.clears.insert(address, (control, mask));
        }
    }
}

/// Why a port that redirects peer traffic of the group cannot be relaxed.
fn closed(view: &View<'_>, group: &Assessed<'_>) -> Option<Closed> {
    let managed = group
        .placed
        .members
        .iter()
        .filter_map(|soc| view.policy(*soc))
        .all(|policy| policy.spec.acs.as_ref().map(|acs| acs.mode) == Some(AcsMode::Minimal));
    if !managed {
        return Some(Closed::Unmanaged);
    }
    match view.snapshot.host.lockdown.get() {
        Some(Lockdown::Integrity | Lockdown::Confidentiality) => Some(Closed::Locked),
        Some(Lockdown::None) | None => None,
    }
}

/// Devices that are not members and would lose isolation to ports that this group relaxes.
fn neighbours(view: &View<'_>, group: &mut Assessed<'_>) {
    let words: Words = group
        .clears
        .iter()
        .map(|(port, (control, mask))| (*port, Word(control.0 & !mask.0)))
        .collect();
    let members: BTreeSet<PciAddress> = group.placed.members.iter().copied().collect();
    let untrusted: BTreeSet<PciAddress> = words
        .keys()
        .flat_map(|port| isolation::change(&view.topology, &words, *port, &members).neighbours)
        .filter(|function| isolation::is_untrusted(&view.topology, *function))
        .collect();
    let PlacedGroup {
        declared, members, ..
    } = &group.placed;
    if allows_neighbours(view, declared, members) {
        return;
    }
    let bridge = |port: &PciAddress| view.topology.function(*port)?.parent;
    let unread = words
        .keys()
        .find_map(|port| view.unread_below(bridge(port)?));
    if let Some(why) = unread {
        let ports = words.keys().copied().collect();
        let found = obstacle(
            group,
            ReportReason::Unread,
            ports,
            &format!("who would lose isolation beside its ports could not be read whole ({why})"),
            LOOK_AS_ROOT,
        );
        group.obstacles.push(found);
        return;
    }
    if untrusted.is_empty() {
        return;
    }
    let names: Vec<String> = untrusted
        .iter()
        .map(|function| {
            let bound = view.topology.function(*function);
            let bound = bound.map_or_else(String::new, isolation::bound_to);
            format!("{function} ({bound})")
        })
        .collect();
    // A SoC that is given away is trusted again once it is nobody's; any other device never is.
    let hint = if untrusted
        .iter()
        .all(|function| view.soc(*function).is_some())
    {
        "free it from VFIO, move it, or declare `untrustedNeighbours: Allow` in policy and group"
    } else {
        "move the device, or declare `untrustedNeighbours: Allow` in policy and group"
    };
    let found = obstacle(
        group,
        ReportReason::UntrustedNeighbour,
        untrusted.into_iter().collect(),
        &format!(
            "relaxing its ports would take isolation from {}",
            names.join(", ")
        ),
        hint,
    );
    group.obstacles.push(found);
}

/// Whether P2P is to be proven: the ledger's proof is absent, or is of another state than the one that will hold.
fn wants_proof(view: &View<'_>, group: &Assessed<'_>, resets: bool) -> bool {
    let mode = group
        .placed
        .declared
        .spec
        .verification
        .as_ref()
        .map(|v| v.mode);
    match mode.unwrap_or(VerificationMode::Data) {
        VerificationMode::None => return false,
        VerificationMode::Data => {}
    }
    let members = &group.placed.members;
    if members.len() < 2 {
        return false;
    }
    let record = view
        .snapshot
        .ledger
        .groups
        .iter()
        .find(|record| record.group == group.placed.id);
    let Some(proof) = record.and_then(|record| record.verification.as_ref()) else {
        return true;
    };
    let will_read: Vec<(PciAddress, Word)> = view
        .topology
        .words(members)
        .into_iter()
        .map(|(port, word)| {
            let mask = group.clears.get(&port).map_or(0, |(_, mask)| mask.0);
            (port, Word(word.0 & !mask))
        })
        .collect();
    resets
        || proof.boot_id != crate::view::boot_id(view.snapshot)
        || proof.members != *members
        || proof.acs != will_read
        || !proof.mdp
}

/// What the proof would call and is not there: without it the group would only lose isolation.
fn proof_obstacle(view: &View<'_>, group: &mut Assessed<'_>) {
    let lacking = missing::for_proof(&view.snapshot.tools).filter(|_| group.verify);
    let found = lacking.map(|lacking| {
        let members = group.placed.members.clone();
        let (reason, hint) = (ReportReason::ToolMissing, missing::FOR_PROOF);
        obstacle(group, reason, members, &lacking, hint)
    });
    group.obstacles.extend(found);
}

/// What stands against having the members idle: foreign holders, and a budget that is too small.
fn idle_obstacles(view: &View<'_>, group: &mut Assessed<'_>) {
    let object = group.placed.declared.object.clone();
    let idle = group.idle();
    for soc in &idle {
        let held = socs::held_obstacle(view, *soc, &object);
        group.obstacles.extend(held);
    }
    // Members are drained together to be proven together; one by one is possible only without a proof.
    let at_once = if group.verify {
        idle.len()
    } else {
        idle.len().min(1)
    };
    if let Some(budget) = governance::budget(view).filter(|budget| at_once > *budget as usize) {
        let found = obstacle(
            group,
            ReportReason::BudgetTooSmall,
            idle.into_iter().collect(),
            &format!("proving P2P drains {at_once} SoCs at once and the rollout allows {budget}"),
            "raise `rollout.maxUnavailableSocs` to the group's size, or leave it out",
        );
        group.obstacles.push(found);
    }
}
