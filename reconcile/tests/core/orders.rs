//! Several groups that all have room: none comes short because of who chose before it.
use crd::{
    Fact,
    declaration::Declaration,
    kind::SpreadOver::{self, Card, Switch},
    plan::ReportKind,
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};

use crate::{
    declare::{automatic, object, quickstart},
    simulate::{apply, plan_of},
    world::Builder,
};

/// Name, size, spread and number of sets.
type Group = (&'static str, u32, SpreadOver, u32);

/// Of each root port's switch, how many SoCs its cards have; SoCs that boot for ever, by their place among all; what is asked for.
type Room = (
    &'static [&'static [usize]],
    &'static [usize],
    &'static [Group],
);

/// Each was found by a search through every placement, and is met by some.
const ROOMS: [Room; 6] = [
    (
        &[&[1, 1, 4, 4, 4], &[1, 1], &[1]],
        &[],
        &[
            ("b", 2, Card, 2),
            ("x", 2, Card, 1),
            ("y", 2, Switch, 1),
            ("c", 8, Switch, 1),
        ],
    ),
    (
        &[&[1, 4, 4, 1, 4, 1, 1, 1], &[1], &[1, 4]],
        &[],
        &[("d", 8, Switch, 1), ("c", 4, Switch, 2), ("y", 2, Card, 2)],
    ),
    (
        &[&[4, 1, 1], &[4, 1, 4, 1], &[1, 4, 1]],
        &[],
        &[
            ("d0", 2, Card, 1),
            ("z", 4, Card, 2),
            ("b", 1, Switch, 1),
            ("d3", 4, Switch, 2),
        ],
    ),
    (
        &[&[1, 1, 1, 4, 1, 1, 4], &[4, 4, 1]],
        &[],
        &[
            ("x", 2, Card, 2),
            ("d", 4, Switch, 2),
            ("c", 4, Switch, 1),
            ("y", 2, Card, 1),
        ],
    ),
    (
        &[&[4, 1, 1, 4, 4], &[1, 4, 1, 4]],
        &[],
        &[
            ("b", 1, Switch, 2),
            ("a", 8, Switch, 2),
            ("y", 4, Switch, 1),
            ("c", 2, Card, 1),
        ],
    ),
    // The whole card has two SoCs that can be used, and the set of a switch can do without them.
    (
        &[&[1, 1, 1, 1, 4, 1]],
        &[4, 5],
        &[("z", 4, Switch, 1), ("y", 2, Card, 1)],
    ),
];

fn machine(domains: &[&[usize]], sick: &[usize]) -> HardwareSnapshot {
    let mut builder = Builder::new("lab");
    for cards in domains {
        let root = builder.root();
        let slots = builder.switch(root, cards.len(), 0x10b5);
        for (slot, socs) in slots.into_iter().zip(*cards) {
            if *socs == 1 {
                builder.soc(slot, "PCIe Standard");
            } else {
                builder.ultra(slot);
            }
        }
    }
    let mut node = builder.build();
    for at in sick {
        node.socs[*at].status = Fact::known(SocStatus::Initializing, "test");
    }
    node
}

fn declared(groups: &[Group]) -> Declaration {
    let mut declared = quickstart();
    declared.models.clear();
    declared.groups = (groups.iter())
        .map(|(name, size, per, count)| {
            object("P2PGroup", name, automatic(*size, *per, Some(*count)))
        })
        .collect();
    declared
}

#[test]
fn every_group_has_its_sets_where_there_is_room_for_all() {
    for (at, (domains, sick, groups)) in ROOMS.iter().enumerate() {
        let declared = declared(groups);
        let mut nodes = vec![machine(domains, sick)];
        let plan = plan_of(&declared, &nodes);
        let blocked = plan
            .report
            .iter()
            .find(|line| line.kind == ReportKind::Blocked);
        assert_eq!(blocked, None, "room {at}");
        let steps = plan.nodes[0].steps.iter();
        let formed = steps.filter(|step| matches!(step.action, Action::AssignGroup { .. }));
        let asked: u32 = groups.iter().map(|(_, _, _, count)| count).sum();
        assert_eq!(formed.count(), asked as usize, "room {at}");
        assert!(apply(&plan, &mut nodes, false).is_empty(), "room {at}");
        assert!(
            !plan_of(&declared, &nodes).applyable,
            "room {at}: it stays so"
        );
    }
}

/// Where there is too little whoever chooses first, the order of choice stays what it is elsewhere.
#[test]
fn where_somebody_comes_short_anyway_the_larger_set_is_formed() {
    let declared = declared(&[("pair", 2, Card, 2), ("quad", 4, Card, 1)]);
    let node = machine(&[&[4]], &[]);
    let plan = plan_of(&declared, std::slice::from_ref(&node));
    let mut steps = plan.nodes[0].steps.iter();
    let formed = steps.find_map(|step| match &step.action {
        Action::AssignGroup { group, .. } => Some(group.name.clone()),
        _ => None,
    });
    assert_eq!(formed.as_deref(), Some("quad"));
}
