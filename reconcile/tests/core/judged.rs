//! What must void a step just before it acts: somebody else's program, a proof of another state, a port that moved.
use crd::{
    Fact,
    id::{BootId, PciAddress},
    judgement::Judgement,
    snapshot::{HardwareSnapshot, Ledger},
    step::{Action, Precondition, Step, Subject},
};
use reconcile::{compensation, judge};

use crate::{cases::Case, proofs::proven, simulate::carry_out_one, world::tenant};

fn is_void(step: &Step, node: &HardwareSnapshot) -> bool {
    matches!(judge(step, node), Judgement::Void { .. })
}

#[test]
fn a_drain_is_void_where_somebody_else_holds_one_of_its_socs() {
    let mut case = Case::fresh();
    let drain = case.step("socs.drain").clone();
    let Action::Drain { socs, .. } = &drain.action else {
        panic!("a drain");
    };
    assert!(!is_void(&drain, &case.snapshot));
    for soc in socs {
        let mut node = case.snapshot.clone();
        node.holders.push(tenant(*soc));
        assert!(is_void(&drain, &node), "{soc}");
    }
}

#[test]
fn a_proof_of_another_state_voids_what_expects_a_proof() {
    type Row = (&'static str, fn(&mut HardwareSnapshot));
    let rows: [Row; 3] = [
        ("another boot", |node| {
            node.boot_id = Fact::known(BootId("another".into()), "test");
        }),
        ("a member lost partitioning", |node| {
            let member = node.ledger.groups[0].members[0].address;
            let soc = node.socs.iter_mut().find(|soc| soc.address == member);
            soc.expect("a member").mdp = Fact::known(false, "test");
        }),
        ("other members", |node| {
            let proof = node.ledger.groups[0].verification.as_mut();
            proof.expect("proven").members.reverse();
        }),
    ];
    let node = proven();
    let mut step = Case::fresh().step("node.untaint").clone();
    step.leaves.clear();
    step.preconditions = vec![Precondition {
        subject: Subject::Verification {
            group: node.ledger.groups[0].group.clone(),
        },
        equals: "verified".into(),
    }];
    assert_eq!(judge(&step, &node), Judgement::Ready);
    for (name, happen) in rows {
        let mut node = node.clone();
        happen(&mut node);
        assert!(is_void(&step, &node), "{name}");
    }
}

fn moved(node: &HardwareSnapshot, port: PciAddress) -> HardwareSnapshot {
    let mut node = node.clone();
    let function = node.functions.iter_mut().find(|f| f.address == port);
    function.expect("a port").path = "0000:00:07.0/00.0".into();
    node
}

#[test]
fn a_port_that_moved_is_neither_relaxed_nor_restored_nor_undone() {
    let mut fresh = Case::fresh();
    let clear = fresh.step("acs.clear").clone();
    let mut cleared = fresh.snapshot.clone();
    carry_out_one(&clear, &mut cleared);
    let undo = compensation(&clear, &Ledger::default()).expect("it can be undone");
    let mut removal = Case::removal();
    let restore = removal.step("acs.restore").clone();
    for (name, step, node) in [
        ("clear", clear, fresh.snapshot),
        ("undo", undo, cleared),
        ("restore", restore, removal.snapshot),
    ] {
        let (Action::ClearAcs { port, .. } | Action::RestoreAcs { port, .. }) = &step.action else {
            panic!("a port's word is written");
        };
        assert_eq!(judge(&step, &node), Judgement::Ready, "{name}");
        assert!(is_void(&step, &moved(&node, port.address)), "{name}");
    }
}
