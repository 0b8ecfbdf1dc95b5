//! One node: goals against facts, what can be done about the difference, and what stands in the way.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declared,
    id::{ObjectRef, PciAddress, Word},
    kind::{DeletionPolicy, DeletionRule, Enforcement, MdpMode, P2PGroupSpec, ResetScope},
    plan::ReportReason,
    snapshot::{LedgerTarget, SocIdentity},
    step::{Cause, MdpSetting, Ownership, PortRef},
};

use super::{
    draft::{declared, seen},
    governance,
    groups::{Assessed, assess},
    removal,
    sequence::Work,
    settings, socs,
    unit::{Assign, Clear, Request, Unit, Verify},
};
use crate::{
    isolation::{self, Words},
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
    let Placement {
        groups: placed,
        missing,
        advice,
    } = place(view, declared_groups);
    let mut groups: Vec<Assessed<'a>> = placed
        .iter()
        .map(|placed| assess(view, placed, false))
        .collect();
    let (mut singles, mut obstacles) = singles(view, &groups);
    let whole = governance::reset_scope(view) == ResetScope::Host;
    let asked = |groups: &[Assessed<'_>], singles: &[Single<'_>]| {
        groups
            .iter()
            .any(|g| g.fits() && g.enforced && !g.requests.is_empty())
            || singles.iter().any(|single| enforces(single.policy))
    };
    if whole && asked(&groups, &singles) {
        groups = placed
            .iter()
            .map(|placed| assess(view, placed, true))
            .collect();
        (singles, obstacles) = self::singles(view, &groups);
    }
    obstacles.extend(missing);
    obstacles.extend(groups.iter().flat_map(|group| group.obstacles.clone()));
    let mut needs = Needs {
        obstacles,
        advice,
        ..Needs::default()
    };
    needs.enforced.budget = governance::budget(view);
    needs.observed.budget = needs.enforced.budget;

    let mut wanted = wanted(view, &groups);
    settings::plan(view, &mut needs, &mut wanted);
    let rewritten = groups
        .iter()
        .filter(|group| group.fits())
        .flat_map(|group| {
            let cleared = group
                .ports
                .iter()
                .filter(|port| group.clears.contains_key(&port.address));
            let asked = group
                .requests
                .iter()
                .map(|soc| LedgerTarget::Mdp { soc: *soc });
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

/// A SoC outside the requests of groups, whose partitioning is to be switched.
struct Single<'a> {
    soc: PciAddress,
    enable: MdpSetting,
    policy: &'a Policy,
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
            found.push(socs::of(
                &policy.object,
                ReportReason::MdpUnknown,
                soc,
                format!("whether partitioning is on could not be read on {soc}"),
                "look at `shardplane probe`: the vendor's tool must answer for this SoC",
            ));
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

fn enforces(policy: &Policy) -> bool {
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
        }) => DeletionRule::Revert,
        Some(DeletionPolicy {
            rule: DeletionRule::Retain | DeletionRule::Revert,
            mdp: _,
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
        let released = group
            .obstacles
            .iter()
            .any(|obstacle| obstacle.reason == ReportReason::NotGoverned);
        if released {
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
        for entry in view
            .snapshot
            .ledger
            .entries
            .iter()
            .filter(|e| e.owners.contains(object))
        {
            if !group.fits() {
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
    for (&soc, &policy) in &view.selection.governing {
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

fn acs_target(port: &PortRef) -> LedgerTarget {
    LedgerTarget::Acs {
        port: port.address,
        path: port.path.clone(),
    }
}

/// The units of groups and single SoCs, enforced or only observed.
fn units(
    view: &View<'_>,
    groups: &[Assessed<'_>],
    singles: &[Single<'_>],
    wanted: &Wanted,
    enforced: bool,
) -> Vec<Unit> {
    let chosen: Vec<&Assessed<'_>> = groups
        .iter()
        .filter(|group| group.fits() && group.enforced == enforced)
        .collect();
    let words: Words = chosen
        .iter()
        .flat_map(|group| &group.clears)
        .map(|(port, (control, mask))| (*port, Word(control.0 & !mask.0)))
        .collect();
    let mut cleared = BTreeSet::new();
    let mut units = Vec::new();
    for group in &chosen {
        let clears: Vec<Clear> = group
            .ports
            .iter()
            .filter(|port| group.clears.contains_key(&port.address))
            .filter(|port| cleared.insert(port.address))
            .filter_map(|port| clear(view, &chosen, group, port, &words, wanted))
            .collect();
        let requests = group
            .requests
            .iter()
            .filter_map(|soc| request(view, group, *soc, wanted));
        let mut unit = Unit {
            drain_seconds: governance::drain_seconds(view),
            clears,
            assign: assign(view, group).into_iter().collect(),
            ..Unit::default()
        };
        if group.verify {
            unit.idle = group.idle();
            unit.requests = requests.collect();
            unit.verify = verify(view, group).into_iter().collect();
            units.push(unit);
        } else {
            units.push(unit);
            units.extend(requests.map(|request| alone(view, request)));
        }
    }
    for single in singles
        .iter()
        .filter(|single| enforces(single.policy) == enforced)
    {
        let Single {
            soc,
            enable,
            policy,
        } = single;
        let (Some(identity), Some((record, _))) = (
            view.identity(*soc),
            wanted.get(&LedgerTarget::Mdp { soc: *soc }),
        ) else {
            continue;
        };
        let causes = vec![declared(policy, "/spec/mdp"), mdp_seen(view, *soc)];
        let record = record.clone();
        units.push(alone(
            view,
            Request {
                soc: identity,
                enable: *enable,
                record,
                causes,
            },
        ));
    }
    units
}

fn alone(view: &View<'_>, request: Request) -> Unit {
    Unit {
        idle: BTreeSet::from([request.soc.address]),
        drain_seconds: governance::drain_seconds(view),
        requests: vec![request],
        ..Unit::default()
    }
}

fn clear(
    view: &View<'_>,
    chosen: &[&Assessed<'_>],
    group: &Assessed<'_>,
    port: &PortRef,
    words: &Words,
    wanted: &Wanted,
) -> Option<Clear> {
    let (before, mask) = *group.clears.get(&port.address)?;
    let target = acs_target(port);
    let (record, _) = wanted.get(&target)?;
    let members: BTreeSet<PciAddress> = chosen
        .iter()
        .filter(|other| other.ports.contains(port))
        .flat_map(|other| other.placed.members.iter().copied())
        .collect();
    let known = view
        .snapshot
        .ledger
        .entries
        .iter()
        .any(|e| e.target == target);
    Some(Clear {
        port: port.clone(),
        before,
        mask,
        first: !known,
        isolation: isolation::change(&view.topology, words, port.address, &members),
        record: record.clone(),
        causes: vec![
            declared(group.placed.declared, "/spec"),
            seen(
                view,
                &format!("/functions/{}/acs/control", port.address),
                before.to_string(),
            ),
        ],
    })
}

fn request(
    view: &View<'_>,
    group: &Assessed<'_>,
    soc: PciAddress,
    wanted: &Wanted,
) -> Option<Request> {
    let policy = view.policy(soc)?;
    let (record, _) = wanted.get(&LedgerTarget::Mdp { soc })?;
    Some(Request {
        soc: view.identity(soc)?,
        enable: MdpSetting::On,
        record: record.clone(),
        causes: vec![
            declared(policy, "/spec/mdp"),
            declared(group.placed.declared, "/spec"),
            mdp_seen(view, soc),
        ],
    })
}

fn mdp_seen(view: &View<'_>, soc: PciAddress) -> Cause {
    let now = view.soc(soc).and_then(|found| found.mdp.get().copied());
    let text = now.map_or_else(|| "unknown".into(), |now| now.to_string());
    seen(view, &format!("/socs/{soc}/mdp"), text)
}

fn verify(view: &View<'_>, group: &Assessed<'_>) -> Option<Verify> {
    let pointer = "/spec/verification";
    Some(Verify {
        group: group.placed.id.clone(),
        members: identities(view, group)?,
        ports: group.ports.clone(),
        causes: vec![
            declared(group.placed.declared, pointer),
            seen(
                view,
                &format!("/ledger/groups/{}/verification", group.placed.id),
                "absent or of another state",
            ),
        ],
    })
}

fn assign(view: &View<'_>, group: &Assessed<'_>) -> Option<Assign> {
    let members = identities(view, group)?;
    let before: Vec<SocIdentity> = view
        .snapshot
        .ledger
        .groups
        .iter()
        .find(|record| record.group == group.placed.id)
        .map(|record| record.members.clone())
        .unwrap_or_default();
    (before != members).then(|| Assign {
        group: group.placed.id.clone(),
        members,
        before,
        causes: vec![declared(group.placed.declared, "/spec")],
    })
}

fn identities(view: &View<'_>, group: &Assessed<'_>) -> Option<Vec<SocIdentity>> {
    group
        .placed
        .members
        .iter()
        .map(|soc| view.identity(*soc))
        .collect()
}

/// Where only a reset of the whole machine is trusted, all that needs idle SoCs happens in one batch of all of them.
fn merge_for_whole_reset(view: &View<'_>, work: &mut Work) {
    if work.units.iter().all(|unit| unit.requests.is_empty()) {
        return;
    }
    let all: Vec<SocIdentity> = view
        .addresses()
        .filter_map(|soc| view.identity(soc))
        .collect();
    let mut whole = Unit {
        idle: all.iter().map(|soc| soc.address).collect(),
        drain_seconds: governance::drain_seconds(view),
        ..Unit::default()
    };
    for unit in std::mem::take(&mut work.units) {
        whole.absorb(unit);
    }
    whole.reset_all = all;
    work.units.push(whole);
}
