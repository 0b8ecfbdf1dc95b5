//! Sets formed from the topology: inside one card or one switch domain, and the same ones the next time.
use std::{cmp::Reverse, collections::BTreeMap};

use crd::{
    declaration::Declared,
    id::{GroupId, PciAddress},
    kind::{P2PGroupSpec, SpreadOver},
    plan::ReportReason,
    snapshot::{GroupRecord, PortKind},
};

use super::{
    groups::{Obstacle, PlacedGroup, Placement, Taken, records, structural},
    preference::{is_ready, preferred, trouble},
    shortage::{left_out, not_enough},
    strangers::disturbs,
};
use crate::view::View;

/// Keeps the sets that the ledger remembers. Where fewer are asked for, those stay that are whole, can be used and are used.
pub(super) fn keep_all<'a>(
    view: &View<'a>,
    group: &'a Declared<P2PGroupSpec>,
    taken: &mut Taken,
) -> Vec<PlacedGroup<'a>> {
    let most = group.spec.automatic.as_ref().and_then(|rules| rules.count);
    let mut known: Vec<&GroupRecord> = records(view, group).collect();
    known.sort_by_key(|record| {
        let members = record.members.iter().map(|member| member.address);
        let (here, gone): (Vec<_>, Vec<_>) = members.partition(|soc| view.soc(*soc).is_some());
        let (unready, serving) = trouble(view, &here);
        (gone.len(), unready, Reverse(serving), record.group.index)
    });
    let mut kept: Vec<PlacedGroup<'a>> = Vec::new();
    for record in known {
        if most.is_some_and(|most| kept.len() >= most as usize) {
            break;
        }
        kept.extend(keep(view, group, record, taken));
    }
    kept
}

/// Keeps a set that the ledger remembers, with what stands against it now.
///
/// It is dissolved where the declaration asks for another size or spread, or where an explicit group has taken a member. A
/// member that is gone does not dissolve it: nobody asked for the set to move.
fn keep<'a>(
    view: &View<'a>,
    group: &'a Declared<P2PGroupSpec>,
    record: &GroupRecord,
    taken: &mut Taken,
) -> Option<PlacedGroup<'a>> {
    let rules = group.spec.automatic.as_ref()?;
    if usize::try_from(group.spec.size) != Ok(record.members.len()) {
        return None;
    }
    let (here, gone): (Vec<_>, Vec<_>) = record
        .members
        .iter()
        .map(|member| member.address)
        .partition(|address| view.soc(*address).is_some());
    // What could not be read of the wiring moves nothing, nor does a set of which nobody is there.
    let stays = || here.is_empty() || inside(view, rules.per, &here) || in_doubt(view, record);
    if here.iter().any(|soc| taken.0.contains(soc)) || !stays() {
        return None;
    }
    let mut obstacles = structural(view, group, &here);
    if !gone.is_empty() {
        let names: Vec<String> = gone.iter().map(ToString::to_string).collect();
        obstacles.push(Obstacle {
            reason: ReportReason::MemberMissing,
            object: group.object.clone(),
            pointer: "/spec/automatic".into(),
            functions: gone,
            message: format!(
                "{} of {} {} not there any more",
                names.join(", "),
                record.group,
                if names.len() == 1 { "is" } else { "are" }
            ),
            hint: "plug it back; or delete the group, apply, and declare it again to form it anew"
                .into(),
        });
    }
    taken.0.extend(&here);
    Some(PlacedGroup {
        id: record.group.clone(),
        declared: group,
        members: here,
        obstacles,
    })
}

fn in_doubt(view: &View<'_>, record: &GroupRecord) -> bool {
    let mut members = record.members.iter();
    members.any(|member| view.in_doubt(member.address).is_some())
}

/// How easily a group finds its sets: those that take what is left last, larger ones first, and of these whole cards. Its name
/// decides between equals.
pub(super) fn ease(group: &Declared<P2PGroupSpec>) -> (bool, Reverse<u32>, bool) {
    let rules = group.spec.automatic.as_ref();
    let takes_the_rest = rules.is_some_and(|rules| rules.count.is_none());
    let spreads = rules.is_some_and(|rules| rules.per == SpreadOver::Switch);
    (takes_the_rest, Reverse(group.spec.size), spreads)
}

/// Forms the sets that are still missing.
pub(super) fn form<'a>(
    view: &View<'a>,
    group: &'a Declared<P2PGroupSpec>,
    taken: &mut Taken,
    placement: &mut Placement<'a>,
) {
    let Some(rules) = group.spec.automatic.as_ref() else {
        return;
    };
    let Ok(size) = usize::try_from(group.spec.size) else {
        return;
    };
    let used: Vec<u32> = placement
        .groups
        .iter()
        .filter(|placed| placed.declared.object == group.object)
        .map(|placed| placed.id.index)
        .collect();
    let most = rules.count.unwrap_or(u32::MAX);
    let mut formed = used.len();
    for index in (0..most).filter(|index| !used.contains(index)) {
        if formed >= most as usize {
            break;
        }
        let Some(members) = next_set(view, group, size, rules.per, taken) else {
            break;
        };
        taken.0.extend(&members);
        formed += 1;
        placement.groups.push(PlacedGroup {
            id: GroupId {
                name: group.object.name.clone(),
                index,
                node: view.node().clone(),
            },
            declared: group,
            obstacles: structural(view, group, &members),
            members,
        });
    }
    let wanted = rules.count.map_or(1, |count| count as usize);
    let mut why_not = left_out(view, group, taken);
    if view.snapshot.socs.is_empty() {
        return;
    }
    if formed < wanted {
        placement
            .missing
            .push(not_enough(view, group, formed, wanted, taken));
        placement.missing.append(&mut why_not);
    } else if rules.count.is_none() {
        placement.advice.append(&mut why_not);
    }
}

/// The next set: SoCs that are Ready before others, those where none of our workers runs before those where one would have
/// to stop, and of these from the fullest fit, of cards and of switches, so that they stay whole for others. One that would take isolation from a
/// stranger is the last resort: it is blocked, and says by whom.
fn next_set(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    size: usize,
    per: SpreadOver,
    taken: &Taken,
) -> Option<Vec<PciAddress>> {
    let free = |soc: &PciAddress| fits(view, *soc, size) && !taken.0.contains(soc);
    let disturbs = |socs: &[PciAddress]| disturbs(view, group, socs);
    let cards: Vec<Vec<PciAddress>> = view
        .topology
        .cards()
        .into_iter()
        .map(|card| {
            preferred(
                view,
                card.socs.into_iter().filter(|soc| free(soc)).collect(),
            )
        })
        .filter(|socs| !socs.is_empty())
        .collect();
    let mut domains: BTreeMap<PciAddress, Vec<Vec<PciAddress>>> = BTreeMap::new();
    for socs in &cards {
        if let Some(switch) = view.topology.domain(socs[0]) {
            domains.entry(switch).or_default().push(socs.clone());
        }
    }
    let free_below = |socs: &[PciAddress]| -> usize {
        let switch = view.topology.domain(socs[0]);
        let cards = switch.and_then(|switch| domains.get(&switch));
        cards.map_or(0, |cards| cards.iter().map(Vec::len).sum())
    };
    let whole = cards
        .iter()
        .filter(|socs| socs.len() >= size)
        .min_by_key(|socs| {
            let set = &socs[..size];
            let fit = (socs.len(), free_below(socs));
            (disturbs(set), trouble(view, set), fit, socs[0])
        })
        .map(|socs| in_address_order(socs[..size].to_vec()));
    let mut choices = whole.into_iter().collect::<Vec<_>>();
    let blocked = |set: &Vec<PciAddress>| (disturbs(set), trouble(view, set).0);
    let none_will_do = |choices: &[Vec<PciAddress>]| {
        let mut blocked = choices.iter().map(blocked);
        blocked.all(|(disturbs, unready)| disturbs || unready > 0)
    };
    if per == SpreadOver::Switch && none_will_do(&choices) {
        let widest = domains
            .values()
            .filter_map(|cards| spread(view, cards.clone(), size));
        choices.extend(widest.min_by_key(|socs| {
            let fit = free_below(socs);
            (disturbs(socs), trouble(view, socs), fit, socs.clone())
        }));
        // Nobody hangs below some switch inside.
        if none_will_do(&choices) {
            let inside =
                below_each_switch(view, &cards).filter_map(|cards| spread(view, cards, size));
            let undisturbed = inside.filter(|set| !disturbs(set));
            choices.extend(undisturbed.min_by_key(|socs| (trouble(view, socs), socs.clone())));
        }
    }
    // Of equals the first: a whole card before a part of several.
    choices.into_iter().min_by_key(blocked)
}

/// The cards below each switch, nested ones too.
fn below_each_switch<'a>(
    view: &'a View<'_>,
    cards: &'a [Vec<PciAddress>],
) -> impl Iterator<Item = Vec<Vec<PciAddress>>> + 'a {
    let switches = view
        .topology
        .functions()
        .filter(|function| function.port == Some(PortKind::SwitchUpstream));
    switches.map(|switch| {
        let below = |socs: &&Vec<PciAddress>| view.topology.is_below(socs[0], switch.address);
        cards.iter().filter(below).cloned().collect()
    })
}

/// A set of several cards: of those SoCs alone that can be used now, where they are enough.
fn spread(view: &View<'_>, cards: Vec<Vec<PciAddress>>, size: usize) -> Option<Vec<PciAddress>> {
    let ready = |socs: &Vec<PciAddress>| -> Vec<PciAddress> {
        let socs = socs.iter().copied();
        socs.filter(|soc| is_ready(view, *soc)).collect()
    };
    let usable = cards.iter().map(ready).filter(|socs| !socs.is_empty());
    fewest(view, usable.collect(), size).or_else(|| fewest(view, cards, size))
}

/// Fewest cards first: the fullest ones, then by address.
fn fewest(
    view: &View<'_>,
    mut cards: Vec<Vec<PciAddress>>,
    size: usize,
) -> Option<Vec<PciAddress>> {
    cards.sort_by_key(|socs| (trouble(view, socs), Reverse(socs.len()), socs[0]));
    let socs: Vec<PciAddress> = cards.into_iter().flatten().take(size).collect();
    (socs.len() == size).then(|| in_address_order(socs))
}

fn in_address_order(mut socs: Vec<PciAddress>) -> Vec<PciAddress> {
    socs.sort_unstable();
    socs
}

/// Whether a SoC can be a member at all.
pub(super) fn fits(view: &View<'_>, soc: PciAddress, size: usize) -> bool {
    view.policy(soc).is_some() && (size == 1 || view.has_p2p_bar(soc))
}

fn inside(view: &View<'_>, per: SpreadOver, socs: &[PciAddress]) -> bool {
    match per {
        SpreadOver::Card => view
            .topology
            .cards()
            .iter()
            .any(|card| socs.iter().all(|soc| card.socs.contains(soc))),
        SpreadOver::Switch => {
            socs.len() < 2
                || socs.iter().all(|soc| {
                    let domain = view.topology.domain(*soc);
                    domain.is_some() && domain == view.topology.domain(socs[0])
                })
        }
    }
}
