//! Steps that undo steps of this run, where a policy answers a failure with that.
use crd::{
    id::StepId,
    kind::DeletionRule,
    snapshot::Ledger,
    step::{Inverse, Ownership, Precondition, Step, Subject},
};

/// What the id of a step that undoes another ends in.
const UNDO: &str = "!undo";

/// Whether a step undoes another one of its run: nothing is said of the machine by its being asked for.
pub fn is_compensation(step: &Step) -> bool {
    step.id.0.ends_with(UNDO)
}

/// The step that undoes a verified `step`; `None` where nothing was changed or it cannot be undone.
///
/// It expects what the step left and leaves what the step expected of registers and settings, so that it judges itself
/// like any other. `before` is the ledger from before the step: an entry that stood there already stays (its register
/// is not ours to call restored), one that the step made goes.
pub fn compensation(step: &Step, before: &Ledger) -> Option<Step> {
    let action = match &step.inverse {
        Inverse::Action { action } => (**action).clone(),
        Inverse::NothingChanged | Inverse::Impossible { why: _ } => return None,
    };
    let target = step.action.ledger_target();
    let known =
        target.and_then(|target| before.entries.iter().find(|entry| entry.target == target));
    let record = step.record.as_ref().map(|_| Ownership {
        owners: known.map(|entry| entry.owners.clone()).unwrap_or_default(),
        deletion: known.map_or(DeletionRule::Revert, |entry| entry.deletion),
    });
    let value = |fact: &&Precondition| match &fact.subject {
        Subject::AcsControl { port: _ }
        | Subject::Driver { name: _ }
        | Subject::Sysctl { name: _ }
        | Subject::File { file: _ } => true,
        Subject::Mdp { soc: _ }
        | Subject::Status { soc: _ }
        | Subject::Identity { soc: _ }
        | Subject::Path { port: _ }
        | Subject::Held { soc: _ }
        | Subject::Qmonitor
        | Subject::Program { key: _ }
        | Subject::Worker { id: _ }
        | Subject::Verification { group: _ }
        | Subject::Ledger { entry: _ } => false,
    };
    let same_place = step.preconditions.iter().filter(|fact| {
        matches!(
            fact.subject,
            Subject::Path { .. } | Subject::Identity { .. }
        )
    });
    Some(Step {
        id: StepId(format!("{}{UNDO}", step.id)),
        preconditions: step
            .leaves
            .iter()
            .filter(value)
            .chain(same_place)
            .cloned()
            .collect(),
        leaves: step.preconditions.iter().filter(value).cloned().collect(),
        inverse: Inverse::Action {
            action: Box::new(step.action.clone()),
        },
        action,
        record,
        depends_on: Vec::new(),
        ..step.clone()
    })
}
