//! What the ledger keeps of what it knew, and what it drops, one step or one plan later.
use crd::{
    Fact, Unknown,
    id::Word,
    kind::{ApprovalMode, DeletionRule},
    snapshot::{Acs, Ledger, LedgerEntry, LedgerTarget},
    step::{Action, Inverse, Ownership},
};
use reconcile::{compensation, isolation::relaxation, ledger, topology::Topology};

use crate::{
    cases::Case,
    proofs::proven,
    world::{acs, set_acs},
};

#[test]
fn other_members_have_no_proof() {
    let node = proven();
    let record = &node.ledger.groups[0];
    let mut step = Case::fresh().step("group.assign").clone();
    for (kept, members) in [
        (true, record.members.clone()),
        (false, record.members[..3].to_vec()),
    ] {
        step.action = Action::AssignGroup {
            group: record.group.clone(),
            members,
        };
        let after = ledger::after(&node.ledger, &step, &node);
        assert_eq!(after.groups[0].verification.is_some(), kept);
    }
}

#[test]
fn a_serial_that_could_not_be_read_is_filled_in_at_a_reset() {
    let node = proven();
    let step = Case::fresh().step("soc.reset").clone();
    let mut known = node.ledger.clone();
    for soc in &mut known.identities {
        soc.serial = None;
    }
    let after = ledger::after(&known, &step, &node);
    let Action::Reset { socs, .. } = &step.action else {
        panic!("a reset");
    };
    for soc in socs {
        assert!(soc.serial.is_some());
        assert!(after.identities.contains(soc), "{}", soc.address);
    }
}

#[test]
fn a_request_that_takes_partitioning_back_leaves_the_entry_but_for_its_owners() {
    let node = proven();
    let mut step = Case::fresh().step("mdp.request").clone();
    let record = step.record.as_mut().expect("a request is recorded");
    record.owners.clear();
    let Action::RequestMdp { soc, .. } = &step.action else {
        panic!("a request");
    };
    let target = LedgerTarget::Mdp { soc: soc.address };
    let of = |ledger: &Ledger| {
        let entry = ledger.entries.iter().find(|entry| entry.target == target);
        entry.expect("an entry").clone()
    };
    let old = of(&node.ledger);
    assert!(!old.owners.is_empty());
    let expected = LedgerEntry {
        owners: Vec::new(),
        ..old
    };
    let after = ledger::after(&node.ledger, &step, &node);
    assert_eq!(of(&after), expected);
}

#[test]
fn an_approval_is_kept_only_beside_something_that_it_governs() {
    let asked = ApprovalMode::Automatic;
    let mut plan = Case::fresh().plan.nodes.remove(0);
    plan.steps.clear();
    plan.governance.approval = asked;
    assert!(!plan.governance.policies.is_empty());
    for (held, expected) in [(Ledger::default(), None), (proven().ledger, Some(asked))] {
        assert_eq!(ledger::governed(&held, &plan).approval, expected);
        assert_eq!(ledger::under(&held, asked).approval, expected);
    }
}

#[test]
fn an_undone_step_keeps_the_rule_of_the_entry_that_stood_there() {
    let node = proven();
    let step = Case::fresh().step("acs.clear").clone();
    let target = step.action.ledger_target();
    for rule in [DeletionRule::Retain, DeletionRule::Revert] {
        let mut before = node.ledger.clone();
        let entry = (before.entries.iter_mut()).find(|e| Some(&e.target) == target.as_ref());
        let entry = entry.expect("an entry");
        entry.deletion = rule;
        let owners = entry.owners.clone();
        let undo = compensation(&step, &before).expect("it can be undone");
        let deletion = rule;
        assert_eq!(undo.record, Some(Ownership { owners, deletion }));
    }
}

#[test]
fn the_inverse_of_a_clear_gives_back_its_own_bits_and_no_others() {
    let step = Case::fresh().step("acs.clear").clone();
    let Action::ClearAcs { mask, .. } = &step.action else {
        panic!("a clear");
    };
    let Inverse::Action { action } = &step.inverse else {
        panic!("it can be undone");
    };
    let Action::RestoreAcs { mask: back, .. } = &**action else {
        panic!("a restore");
    };
    assert_eq!(back, mask);
}

/// A port counts as relaxed by us unless it is seen to redirect again.
#[test]
fn a_port_that_somebody_set_again_is_relaxed_no_more() {
    let node = proven();
    let mut entries = node.ledger.entries.iter();
    let of_port = |entry: &LedgerEntry| match &entry.target {
        LedgerTarget::Acs { port, .. } => Some((entry.clone(), *port)),
        _ => None,
    };
    let (entry, port) = entries.find_map(of_port).expect("a port was relaxed");
    let before: Word = entry.pre_image.parse().expect("a word");
    for (acs, stands) in [
        (None, Some(true)),
        (Some(acs(before.0)), Some(false)),
        (Some(Fact::known(Acs::None, "test")), Some(false)),
        (Some(Fact::unknown(Unknown::NoPermission, "test")), None),
    ] {
        let mut now = node.clone();
        if let Some(acs) = acs {
            set_acs(&mut now, port, acs);
        }
        let found = relaxation(&Topology::of(&now), &entry);
        assert_eq!(found, Some((port, stands)));
    }
    let mut gone = node.clone();
    gone.functions.retain(|function| function.address != port);
    let found = relaxation(&Topology::of(&gone), &entry);
    assert_eq!(found, Some((port, None)));
}
