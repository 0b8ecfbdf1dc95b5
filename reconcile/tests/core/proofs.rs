//! How long a proof of P2P is worth something: until a member is reset, or what was proven is not as it was.
use crd::{
    Fact,
    id::{BootId, GroupId, PciAddress},
    kind::ResetScope,
    snapshot::HardwareSnapshot,
    step::{Action, Step},
};
use reconcile::ledger;

use crate::{
    cases::Case,
    declare::quickstart,
    simulate::{apply, plan_of},
    world::{acs, set_acs, two_ultras},
};

/// The quickstart, carried out and proven.
pub fn proven() -> HardwareSnapshot {
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&quickstart(), &nodes), &mut nodes, false).is_empty());
    let [snapshot] = nodes.try_into().expect("one node");
    let unproven = (snapshot.ledger.groups.iter()).filter(|record| record.verification.is_none());
    assert_eq!(unproven.count(), 0);
    assert_eq!(snapshot.ledger.groups.len(), 2);
    snapshot
}

/// Groups whose proof the ledger has.
fn of(ledger: &crd::snapshot::Ledger) -> Vec<GroupId> {
    let kept = ledger.groups.iter().filter(|r| r.verification.is_some());
    kept.map(|record| record.group.clone()).collect()
}

#[test]
fn a_reset_of_any_member_takes_its_groups_proof_and_no_other() {
    let node = proven();
    let reset: Step = Case::fresh().step("soc.reset").clone();
    for soc in &node.socs {
        let mut step = reset.clone();
        step.action = Action::Reset {
            scope: ResetScope::SoC,
            socs: vec![reconcile::topology::identity(soc)],
        };
        let after = ledger::after(&node.ledger, &step, &node);
        let others = node.ledger.groups.iter().filter(|record| {
            let members = record.members.iter().map(|member| member.address);
            members.clone().all(|member| member != soc.address)
        });
        let others: Vec<GroupId> = others.map(|record| record.group.clone()).collect();
        assert_eq!(others.len(), 1);
        assert_eq!(of(&after), others, "{}", soc.address);
    }
    let mut step = reset;
    step.action = Action::Reset {
        scope: ResetScope::Host,
        socs: node
            .socs
            .iter()
            .map(reconcile::topology::identity)
            .collect(),
    };
    assert_eq!(of(&ledger::after(&node.ledger, &step, &node)), []);
}

/// What happens to a machine that was proven, and how many of its two groups are proven anew.
type Row = (&'static str, fn(&mut HardwareSnapshot), usize);

#[test]
fn what_was_proven_of_another_state_is_proven_again() {
    let rows: [Row; 5] = [
        ("nothing", |_| {}, 0),
        (
            "another boot",
            |node| node.boot_id = Fact::known(BootId("another".into()), "test"),
            2,
        ),
        (
            "a member lost partitioning",
            |node| node.socs[0].mdp = Fact::known(false, "test"),
            1,
        ),
        (
            "a port was set again, and is what was proven once it is relaxed",
            |node| {
                let port = crate::scenarios::port_of(node, 0);
                set_acs(node, port, acs(0x001d));
            },
            0,
        ),
        (
            "a bit that does not matter to peers is another",
            |node| {
                let port = crate::scenarios::port_of(node, 0);
                set_acs(node, port, acs(0x0010));
            },
            1,
        ),
    ];
    for (name, happen, expected) in rows {
        let mut node = proven();
        happen(&mut node);
        let plan = plan_of(&quickstart(), &[node]);
        let proofs = plan
            .nodes
            .iter()
            .flat_map(|node| &node.steps)
            .filter(|step| matches!(step.action, Action::VerifyP2P { .. }));
        assert_eq!(proofs.count(), expected, "{name}");
    }
}

#[test]
fn a_set_is_proven_only_as_it_was_recorded() {
    let node = proven();
    let record = &node.ledger.groups[0];
    let mut step: Step = Case::fresh().step("p2p.verify").clone();
    let Action::VerifyP2P {
        group,
        members,
        ports,
    } = step.action.clone()
    else {
        panic!("a proof");
    };
    assert_eq!((&group, &members), (&record.group, &record.members));
    let mut unproven = node.ledger.clone();
    for record in &mut unproven.groups {
        record.verification = None;
    }
    assert_eq!(
        of(&ledger::after(&unproven, &step, &node)),
        std::slice::from_ref(&group)
    );
    let addresses: Vec<PciAddress> = members.iter().map(|member| member.address).collect();
    let after = ledger::after(&unproven, &step, &node);
    let proof = after.groups[0].verification.as_ref().expect("proven");
    assert_eq!(proof.members, addresses);
    assert_eq!(Some(&proof.boot_id), node.boot_id.get());
    assert!(proof.mdp);
    step.action = Action::VerifyP2P {
        group,
        members: members[..3].to_vec(),
        ports,
    };
    assert_eq!(of(&ledger::after(&unproven, &step, &node)), []);
}
