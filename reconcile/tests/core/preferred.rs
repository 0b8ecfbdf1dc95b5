//! Which SoCs form a new set: those that can be used now, of one card where one has enough of them, else of several.
use crd::{
    Fact,
    declaration::Declaration,
    kind::{GroupIsolation, SpreadOver, UntrustedNeighbours},
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};

use crate::{
    declare::{automatic, object, quickstart},
    simulate::plan_of,
    world::{Builder, tenant, two_ultras},
};

/// Does something to the SoC at this position.
type Spoil = fn(&mut HardwareSnapshot, usize);

/// What keeps a SoC from being used.
const TROUBLES: [(&str, Spoil); 4] = [
    ("it boots for ever", |node, at| {
        node.socs[at].status = Fact::known(SocStatus::Initializing, "test");
    }),
    ("it is in error", |node, at| {
        node.socs[at].status = Fact::known(SocStatus::Error, "test");
    }),
    ("somebody holds it", |node, at| {
        let soc = node.socs[at].address;
        node.holders.push(tenant(soc));
    }),
    ("it is a virtual machine's", |node, at| {
        let soc = node.socs[at].address;
        let mut functions = node.functions.iter_mut();
        let function = functions.find(|function| function.address == soc).unwrap();
        function.driver = Fact::known("vfio-pci".into(), "test");
    }),
];

/// Positions of the SoCs of a set of four.
fn set(node: &HardwareSnapshot) -> Vec<usize> {
    let mut declared = quickstart();
    declared.models.clear();
    // Whoever is given to a virtual machine is nobody's member, and no reason either.
    let allow = UntrustedNeighbours::Allow;
    if let Some(acs) = &mut declared.policies[0].spec.acs {
        acs.untrusted_neighbours = Some(allow);
    }
    let mut spec = automatic(4, SpreadOver::Switch, Some(1));
    spec.isolation = Some(GroupIsolation {
        untrusted_neighbours: allow,
    });
    declared.groups = vec![object("P2PGroup", "g", spec)];
    members(&declared, node)
}

/// Positions of the SoCs of the first set that a plan forms.
fn members(declared: &Declaration, node: &HardwareSnapshot) -> Vec<usize> {
    let plan = plan_of(declared, std::slice::from_ref(node));
    let mut steps = plan.nodes[0].steps.iter();
    let members = steps.find_map(|step| match &step.action {
        Action::AssignGroup { members, .. } => Some(members.clone()),
        _ => None,
    });
    let at = |soc| node.socs.iter().position(|found| found.address == soc);
    let members = members.unwrap_or_default();
    members.iter().filter_map(|soc| at(soc.address)).collect()
}

#[test]
fn socs_that_can_be_used_are_enough_wherever_they_are() {
    for (name, spoil) in TROUBLES {
        for (spoilt, want) in [
            (vec![], vec![0, 1, 2, 3]),
            (vec![2], vec![4, 5, 6, 7]),
            (vec![0, 5], vec![1, 2, 3, 4]),
            (vec![0, 1, 4, 7], vec![2, 3, 5, 6]),
            // Nobody is taken for another: too few are left.
            (vec![0, 1, 2, 4, 7], vec![]),
        ] {
            let mut node = two_ultras("lab");
            for at in &spoilt {
                spoil(&mut node, *at);
            }
            assert_eq!(set(&node), want, "{name}: {spoilt:?}");
        }
    }
}

/// Three cards, two of them below one switch: the set of eight needs those two, whatever the groups are called and however many
/// others there are.
#[test]
fn a_larger_set_finds_its_switch_free() {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 2, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    let other = builder.root();
    let alone = builder.switch(other, 1, 0x10b5);
    builder.ultra(alone[0]);
    let node = builder.build();
    for per in [SpreadOver::Card, SpreadOver::Switch] {
        for [four, eight] in [["a", "b"], ["b", "a"]] {
            for count in [Some(1), None] {
                let mut declared = quickstart();
                declared.models.clear();
                declared.groups = vec![
                    object("P2PGroup", four, automatic(4, per, count)),
                    object("P2PGroup", eight, automatic(8, SpreadOver::Switch, Some(1))),
                ];
                declared.groups.sort_by(|a, b| a.object.cmp(&b.object));
                let plan = plan_of(&declared, std::slice::from_ref(&node));
                assert!(plan.complete, "{four} {per:?}: {:#?}", plan.report);
            }
        }
    }
    // Four alone leave the larger switch whole.
    let mut declared = quickstart();
    declared.models.clear();
    declared.groups = vec![object(
        "P2PGroup",
        "g",
        automatic(4, SpreadOver::Switch, Some(1)),
    )];
    assert_eq!(members(&declared, &node), [8, 9, 10, 11]);
}
