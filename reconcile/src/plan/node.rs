//! One node: goals against facts, what can be done about the difference, and what stands in the way.
use std::collections::BTreeMap;

use crd::{
    declaration::Declared,
    id::{ObjectRef, PciAddress},
    kind::{DeletionPolicy, DeletionRule, Enforcement, MdpMode, P2PGroupSpec, ResetScope},
    plan::ReportReason,
    snapshot::LedgerTarget,
    step::{MdpSetting, Ownership, PortRef},
};

use super::{
    governance,
    groups::{Assessed, assess},
    ports, removal,
    sequence::Work,
    settings, socs,
    units::{merge_for_whole_reset, units},
};
use crate::{
    placement::{Obstacle, Placement, place},
    selection::Policy,
    view::View,
};

/// What one node needs.
#[derive(Debug, Default)]
pub(super) struct Needs<'a> {
    pub(super) groups: Vec<Assessed<'a>>,
    pub(super) enforced: Work,
    /// What is only reported.
    pub(super) observed: Work,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) advice: Vec<Obstacle>,
}

/// On whose behalf each register is wanted, and whether that is enforced.
pub(super) type Wanted = BTreeMap<LedgerTarget, (Ownership, bool)>;

/// Works out what a node needs.
pub(super) fn needs<'a>(
    view: &View<'a>,
    declared_groups: &[&'a Declared<P2PGroupSpec>],
) -> Needs<'a> {
    let placement = place(view, declared_groups);
    let whole = governance::reset_scope(view) == ResetScope::Host;
    let needs = with_resets(view, &placement, whole, false);
    let asked = needs
        .enforced
        .units
        .iter()
        .any(|unit| !unit.requests.is_empty());
    if whole && asked {
        // Whoever asked for the reset, it reaches every group, and nothing is proven after it.
        with_resets(view, &placement, whole, true)
    } else {
        needs
    }
}

fn with_resets<'a>(
    view: &View<'a>,
    placement: &Placement<'a>,
    whole: bool,
    resets_all: bool,
) -> Needs<'a> {
    let Placement {
        groups: placed,
        missing,
        advice,
    } = placement.clone();
    let groups: Vec<Assessed<'a>> = placed
        .iter()
        .map(|placed| assess(view, placed, resets_all))
        .collect();
    let (singles, mut obstacles) = singles(view, &groups);
    obstacles.extend(missing);
    obstacles.extend(groups.iter().flat_map(|group| group.obstacles.clone()));
    obstacles.extend(ports::obstacles(view, &groups));
    let mut needs = Needs {
        obstacles,
        advice,
        ..Needs::default()
    };
    needs.enforced.budget = governance::budget(view);
    needs.observed.budget = needs.enforced.budget;

    needs.obstacles.extend(lost(view, &needs.obstacles));

    let mut wanted = wanted(view, &groups);
    settings::plan(view, &mut needs, &mut wanted);
    let rewritten = groups
        .iter()
        .flat_map(|group| {
            let cleared = group
                .ports
                .iter()
                .filter(|port| group.clears.contains_key(&port.address));
            let requests = group.requests.iter().filter(|_| group.fits());
            let asked = requests.map(|soc| LedgerTarget::Mdp { soc: *soc });
            cleared.map(acs_target).chain(asked)
        })
        .chain(
            singles
                .iter()
                .map(|single| LedgerTarget::Mdp { soc: single.soc }),
        )
        .collect();
    removal::plan(view, &groups, &wanted, &rewritten, &mut needs);
    for enforced in [true, false] {
        let units = units(view, &groups, &singles, &wanted, enforced);
        let work = if enforced {
            &mut needs.enforced
        } else {
            &mut needs.observed
        };
        work.units.extend(units);
        if whole {
            merge_for_whole_reset(view, work);
        }
    }
    needs.groups = groups;
    needs
}

/// That SoCs left the bus in our resets, also where no goal is held back by it: nobody's members, they would be missed by nobody.
fn lost(view: &View<'_>, said: &[Obstacle]) -> Vec<Obstacle> {
    let policies = view.selection.policies.iter();
    let lines = policies.filter_map(|policy| socs::lost_obstacle(view, &policy.object));
    let new = |line: &Obstacle| said.iter().all(|said| said.message != line.message);
    lines.filter(new).collect()
}

/// A SoC outside the requests of groups, whose partitioning is to be switched.
pub(super) struct Single<'a> {
    pub(super) soc: PciAddress,
    pub(super) enable: MdpSetting,
    pub(super) policy: &'a Policy,
}

fn singles<'a>(view: &View<'a>, groups: &[Assessed<'_>]) -> (Vec<Single<'a>>, Vec<Obstacle>) {
    let in_group = |soc| groups.iter().any(|g| g.fits() && g.requests.contains(&soc));
    let mut singles = Vec::new();
    let mut obstacles = Vec::new();
    for (&soc, &policy) in &view.selection.governing {
        let enable = match policy.spec.mdp {
            Some(MdpMode::Enabled) => MdpSetting::On,
            Some(MdpMode::Disabled) => MdpSetting::Off,
            Some(MdpMode::Groups) | None => continue,
        };
        let now = view.soc(soc).and_then(|found| found.mdp.get().copied());
        if in_group(soc) || now.is_some_and(|now| enable.is(now)) {
            continue;
        }
        let mut found = socs::state_obstacles(view, soc, &policy.object);
        found.extend(socs::requirement_obstacles(view, soc, &policy.object));
        found.extend(socs::change_obstacles(view, soc, &policy.object));
        found.extend(socs::held_obstacle(view, soc, &policy.object));
        if now.is_none() && found.is_empty() {
            let (message, hint) = socs::partitioning_unknown(view, soc);
            let reason = ReportReason::MdpUnknown;
            found.push(socs::of(&policy.object, reason, soc, message, hint));
        }
        if found.is_empty() {
            singles.push(Single {
                soc,
                enable,
                policy,
            });
        }
        obstacles.extend(found.into_iter().map(|obstacle| Obstacle {
            pointer: "/spec/mdp".into(),
            ..obstacle
        }));
    }
    (singles, obstacles)
}

pub(super) fn enforces(policy: &Policy) -> bool {
    policy.spec.enforcement == Enforcement::Enforce
}

/// What happens to ACS words and settings when the policy goes.
pub(super) fn deletion(policy: &Policy) -> DeletionRule {
    let rule = policy.spec.deletion_policy.as_ref();
    rule.map_or(DeletionRule::Retain, |rule| rule.rule)
}

/// What happens to partitioning when the policy goes: it stays unless the policy says otherwise in so many words.
fn mdp_deletion(policy: &Policy) -> DeletionRule {
    match &policy.spec.deletion_policy {
        Some(DeletionPolicy {
            rule: DeletionRule::Revert,
            mdp: Some(true),
            revert_timeout_seconds: _,
        }) => DeletionRule::Revert,
        Some(DeletionPolicy {
            rule: DeletionRule::Retain | DeletionRule::Revert,
            mdp: _,
            revert_timeout_seconds: _,
        })
        | None => DeletionRule::Retain,
    }
}

/// Registers that something declared still needs, changed by us or not.
///
/// A group that is blocked keeps what it has, unless no policy governs it any more: a fault is no reason to undo.
fn wanted(view: &View<'_>, groups: &[Assessed<'_>]) -> Wanted {
    let mut wanted = Wanted::new();
    for group in groups {
        let object = &group.placed.declared.object;
        if group.released() {
            continue;
        }
        if group.fits() {
            let rules = group
                .placed
                .members
                .iter()
                .filter_map(|soc| view.policy(*soc));
            let rule = rules.map(deletion).max().unwrap_or_default();
            for port in &group.ports {
                want(&mut wanted, acs_target(port), object, rule, group.enforced);
            }
        }
        let entries = &view.snapshot.ledger.entries;
        for entry in entries.iter().filter(|_| !group.fits()) {
            let relied_on = group.is_governed(view) && group.relies_on(view, &entry.target);
            if relied_on || entry.owners.contains(object) {
                want(
                    &mut wanted,
                    entry.target.clone(),
                    object,
                    entry.deletion,
                    group.enforced,
                );
            }
        }
        for soc in group.placed.members.iter().filter(|_| group.fits()) {
            let Some(policy) = view.policy(*soc) else {
                continue;
            };
            // A group keeps what it needs even where its policy says nothing any more.
            match policy.spec.mdp {
                Some(MdpMode::Groups) | None => {
                    let target = LedgerTarget::Mdp { soc: *soc };
                    want(
                        &mut wanted,
                        target,
                        object,
                        mdp_deletion(policy),
                        group.enforced,
                    );
                }
                Some(MdpMode::Enabled | MdpMode::Disabled) => {}
            }
        }
    }
    let entries = view.snapshot.ledger.entries.iter();
    // A SoC that is not there is undone by nobody, so that it comes back to what is known of it.
    let away = entries.filter_map(|entry| match entry.target {
        LedgerTarget::Mdp { soc } => Some((soc, view.selection.governs_away(soc, entry)?)),
        _ => None,
    });
    let governing = view.selection.governing.iter();
    for (soc, policy) in governing.map(|(soc, policy)| (*soc, *policy)).chain(away) {
        match policy.spec.mdp {
            Some(MdpMode::Enabled | MdpMode::Disabled) => {
                let target = LedgerTarget::Mdp { soc };
                want(
                    &mut wanted,
                    target,
                    &policy.object,
                    mdp_deletion(policy),
                    enforces(policy),
                );
            }
            Some(MdpMode::Groups) | None => {}
        }
    }
    wanted
}

pub(super) fn want(
    wanted: &mut Wanted,
    target: LedgerTarget,
    owner: &ObjectRef,
    deletion: DeletionRule,
    enforced: bool,
) {
    let (ownership, all) = wanted.entry(target).or_insert_with(|| {
        let owners = Vec::new();
        (Ownership { owners, deletion }, true)
    });
    if let Err(at) = ownership.owners.binary_search(owner) {
        ownership.owners.insert(at, owner.clone());
    }
    ownership.deletion = ownership.deletion.max(deletion);
    *all &= enforced;
}

pub(super) fn acs_target(port: &PortRef) -> LedgerTarget {
    LedgerTarget::Acs {
        port: port.address,
        path: port.path.clone(),
    }
}
