//! In which order groups choose their new sets. Each takes what suits it best, which may leave too little to a later one.
use std::collections::BTreeSet;

use crd::{declaration::Declared, id::ObjectRef, kind::P2PGroupSpec};

use super::{
    automatic,
    groups::{Placement, Taken},
    preference::trouble,
    strangers::disturbs,
};
use crate::view::View;

/// Forms new sets beside those that stay, in this order; whoever came off badly chooses before the others in the next try, and of all
/// tries that one counts in which the fewest did, the first of equals.
pub(super) fn form<'a>(
    view: &View<'a>,
    mut order: Vec<&'a Declared<P2PGroupSpec>>,
    taken: &Taken,
    kept: &Placement<'a>,
) -> Placement<'a> {
    let mut best: Option<(Badly, Placement<'a>)> = None;
    // Orders may come round again; as many tries as there are groups let each of them be the first.
    for _ in 0..=order.len() {
        let (mut tried, mut taken) = (kept.clone(), taken.clone());
        for group in &order {
            automatic::form(view, group, &mut taken, &mut tried);
        }
        let badly = Badly::of(view, kept, &tried);
        let before: Vec<&ObjectRef> = order.iter().map(|group| &group.object).collect();
        let mut next = order.clone();
        next.sort_by_key(|group| badly.rank(&group.object));
        let same = before.iter().zip(&next).all(|(a, b)| **a == b.object);
        if (best.as_ref()).is_none_or(|(other, _)| badly.counts() < other.counts()) {
            best = Some((badly, tried));
        }
        if same {
            break;
        }
        order = next;
    }
    best.map_or_else(|| kept.clone(), |(_, placement)| placement)
}

/// Groups that came off badly in one try.
#[derive(Debug)]
struct Badly {
    /// They have fewer sets than they ask for.
    short: BTreeSet<ObjectRef>,
    /// They have a new set that cannot be used now.
    blocked: BTreeSet<ObjectRef>,
}

impl Badly {
    fn of(view: &View<'_>, kept: &Placement<'_>, tried: &Placement<'_>) -> Self {
        let new = tried.groups.iter().skip(kept.groups.len());
        let is_blocked = |set: &&super::PlacedGroup<'_>| {
            trouble(view, &set.members).0 > 0 || disturbs(view, set.declared, &set.members)
        };
        let missing = tried.missing.iter();
        Self {
            short: missing.map(|obstacle| obstacle.object.clone()).collect(),
            blocked: new
                .filter(is_blocked)
                .map(|set| set.declared.object.clone())
                .collect(),
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.short.len(), self.blocked.len())
    }

    /// Who chooses earlier next time has the smaller one.
    fn rank(&self, group: &ObjectRef) -> u8 {
        match (self.short.contains(group), self.blocked.contains(group)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}
