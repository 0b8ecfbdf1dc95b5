//! A removal resets as far as whoever declared what it takes back wanted resets to reach.
use crd::{
    declaration::Declaration,
    kind::{DeletionPolicy, DeletionRule, ResetScope},
    snapshot::Ledger,
    step::Action,
};

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

fn removed_under(stated: Option<ResetScope>) -> Vec<ResetScope> {
    let mut declaration = quickstart();
    declaration.models.clear();
    let policy = &mut declaration.policies[0].spec;
    policy.reset_scope = stated;
    policy.deletion_policy = Some(DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    });
    let mut nodes = [two_ultras("lab")];
    let plan = plan_of(&declaration, &nodes);
    assert_eq!(apply(&plan, &mut nodes, true), Vec::<String>::new());
    let removal = plan_of(&Declaration::default(), &nodes);
    let steps = removal.nodes[0].steps.iter();
    let scopes = steps.filter_map(|step| match &step.action {
        Action::Reset { scope, socs: _ } => Some(*scope),
        _ => None,
    });
    let scopes = scopes.collect();
    assert_eq!(apply(&removal, &mut nodes, true), Vec::<String>::new());
    let left = Ledger {
        qmonitor_started: nodes[0].ledger.qmonitor_started.clone(),
        ..Ledger::default()
    };
    assert_eq!(nodes[0].ledger, left);
    assert!(!plan_of(&Declaration::default(), &nodes).applyable);
    scopes
}

#[test]
fn what_one_reset_of_all_brought_about_goes_back_by_one() {
    assert_eq!(
        removed_under(Some(ResetScope::Host)),
        [ResetScope::Host],
        "one batch of all SoCs"
    );
    let single = removed_under(Some(ResetScope::SoC));
    assert_eq!(single, [ResetScope::SoC; 8]);
    assert_eq!(removed_under(None), single);
}
