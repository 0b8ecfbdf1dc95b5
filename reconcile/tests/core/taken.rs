//! Sets are disjoint: what happens to one that is remembered when another takes a member of it.
use crd::{
    Fact,
    declaration::Declaration,
    id::PciAddress,
    kind::{DeletionPolicy, DeletionRule, Member, P2PGroupSpec, SpreadOver},
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};
use reconcile::{NodeInput, check};

use crate::{
    declare::{automatic, object, policy},
    scenarios::port_of,
    simulate::{apply, plan_of},
    world::Builder,
};

/// Three SoCs below one switch, the first two of them the set of an automatic group.
fn formed() -> (Declaration, Vec<HardwareSnapshot>) {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    for slot in builder.switch(root, 3, 0x10b5) {
        builder.soc(slot, "PCIe Pro");
    }
    let mut spec = policy();
    // Partitioning is undone as well, which takes a reset.
    spec.deletion_policy = Some(DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    });
    let declaration = Declaration {
        policies: vec![object("CardPolicy", "cards", spec)],
        groups: vec![object(
            "P2PGroup",
            "pair",
            automatic(2, SpreadOver::Switch, Some(1)),
        )],
        ..Declaration::default()
    };
    let mut nodes = vec![builder.build()];
    assert!(apply(&plan_of(&declaration, &nodes), &mut nodes, false).is_empty());
    assert_eq!(nodes[0].ledger.groups.len(), 1);
    (declaration, nodes)
}

fn named(name: &str, socs: &[PciAddress]) -> crd::declaration::Declared<P2PGroupSpec> {
    let member = |soc: &PciAddress| Member {
        address: Some(*soc),
        path: None,
        serial: None,
    };
    let spec = P2PGroupSpec {
        members: Some(socs.iter().map(member).collect()),
        automatic: None,
        ..automatic(2, SpreadOver::Switch, None)
    };
    object("P2PGroup", name, spec)
}

/// The first SoC's partitioning cannot be undone, so the old set's record has to stay; its port is needed by nobody.
#[test]
fn a_set_that_lost_a_member_needs_its_ports_no_more_even_while_its_record_stays() {
    for name in ["named", "quad"] {
        let (mut declaration, mut nodes) = formed();
        let socs: Vec<PciAddress> = nodes[0].socs.iter().map(|soc| soc.address).collect();
        nodes[0].socs[0].status = Fact::known(SocStatus::Error, "test");
        declaration.groups.push(named(name, &socs[1..]));
        let plan = plan_of(&declaration, &nodes);
        let first = port_of(&nodes[0], 0);
        let steps = &plan.nodes[0].steps;
        let restored = steps.iter().any(
            |step| matches!(&step.action, Action::RestoreAcs { port, .. } if port.address == first),
        );
        assert!(restored, "{steps:#?}");
        let violations = check(&plan, &declaration, &[NodeInput::Read(nodes[0].clone())]);
        assert!(violations.is_empty(), "{name}: {violations:#?}");
        // A run that was cut off after the new set was written down finds two that share a member.
        let at = steps
            .iter()
            .position(|step| matches!(&step.action, Action::AssignGroup { members, .. } if !members.is_empty()));
        let mut cut = plan.clone();
        cut.nodes[0].steps.truncate(at.expect("a new set") + 1);
        assert!(apply(&cut, &mut nodes, false).is_empty());
        let plan = plan_of(&declaration, &nodes);
        let violations = check(&plan, &declaration, &[NodeInput::Read(nodes[0].clone())]);
        assert!(violations.is_empty(), "{name}: {violations:#?}");
    }
}

/// The same between two groups of named members, where the ledger has the ports for somebody who is gone.
#[test]
fn of_two_groups_that_name_one_soc_the_first_has_it() {
    let (mut declaration, mut nodes) = formed();
    let socs: Vec<PciAddress> = nodes[0].socs.iter().map(|soc| soc.address).collect();
    declaration.groups = vec![named("pair", &socs[..2])];
    assert!(apply(&plan_of(&declaration, &nodes), &mut nodes, false).is_empty());
    for entry in &mut nodes[0].ledger.entries {
        entry.owners[0].name = "gone".into();
    }
    declaration.groups.push(named("first", &socs[1..]));
    let plan = plan_of(&declaration, &nodes);
    let restores = |step: &&crd::step::Step| matches!(step.action, Action::RestoreAcs { .. });
    assert_eq!(plan.nodes[0].steps.iter().filter(restores).count(), 1);
    let violations = check(&plan, &declaration, &[NodeInput::Read(nodes[0].clone())]);
    assert!(violations.is_empty(), "{violations:#?}");
}
