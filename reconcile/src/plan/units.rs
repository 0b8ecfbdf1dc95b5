//! Makes units of what groups and single SoCs need.
use std::collections::BTreeSet;

use crd::{
    id::{PciAddress, Word},
    snapshot::{LedgerTarget, SocIdentity},
    step::{Cause, MdpSetting, PortRef},
};

use super::{
    draft::{declared, seen},
    governance,
    groups::Assessed,
    node::{Single, Wanted, acs_target, enforces},
    sequence::Work,
    unit::{Assign, Clear, Request, Unit, Verify},
};
use crate::{
    isolation::{self, Words},
    view::View,
};

/// The units of groups and single SoCs, enforced or only observed.
pub(super) fn units(
    view: &View<'_>,
    groups: &[Assessed<'_>],
    singles: &[Single<'_>],
    wanted: &Wanted,
    enforced: bool,
) -> Vec<Unit> {
    let chosen: Vec<&Assessed<'_>> = groups
        .iter()
        .filter(|group| group.fits() || !group.clears.is_empty())
        .filter(|group| group.enforced == enforced)
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
            ..Unit::default()
        };
        if !group.fits() {
            units.push(unit);
            continue;
        }
        unit.assign.extend(assign(view, group));
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
pub(super) fn merge_for_whole_reset(view: &View<'_>, work: &mut Work) {
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
