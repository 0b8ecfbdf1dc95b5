//! Whether a grant that a node carries out is asked for still: whoever deletes or changes what it was planned for wants no more of
//! it.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::{Digest, ObjectRef},
    kind::{CardPolicySpec, Enforcement, Grant, MdpMode, P2PGroupSpec},
    plan::NodePlan,
    step::{Action, Cause, MdpSetting, Step},
};

use super::{
    declared::{digest, for_node},
    sheet::Sheet,
};
use crate::cluster::packed;

/// Why the rest of a grant is not asked for any more, where that is so; a grant that cannot be read says nothing. `then` is the
/// digest of what was declared for the node when the grant was planned.
pub fn unasked(
    declaration: &Declaration,
    labels: &BTreeMap<String, String>,
    sheet: &Sheet,
    (then, grant): (Option<&Digest>, &Grant),
) -> Option<String> {
    let plan: NodePlan = packed::unpack(&grant.plan).ok()?;
    let before = &plan.governance;
    if before.policies.is_empty() {
        // Nobody's then: what is taken back may be somebody's again, who would have it done anew.
        let again = !sheet.governance.policies.is_empty();
        return again.then(|| "a policy is for it again".to_owned());
    }
    if sheet.governance.policies.is_empty() {
        return Some("no policy is for it any more".to_owned());
    }
    let observes = sheet.governance.enforcement == Enforcement::Observe;
    if observes && before.enforcement == Enforcement::Enforce {
        return Some("its policies only observe now".to_owned());
    }
    if sheet.governance.policies != before.policies {
        return Some("it is other policies' now".to_owned());
    }
    let here = for_node(declaration, labels);
    let changed = then.is_some_and(|then| digest(&here).as_ref() != Some(then));
    plan.steps.iter().find_map(|step| {
        let again = || again(&here, step).filter(|_| changed);
        against(&here, step).or_else(again)
    })
}

/// What a step takes back, where that is declared: again, if anything was declared since.
fn again(here: &Declaration, step: &Step) -> Option<String> {
    let takes_back = match &step.action {
        Action::RestoreAcs { .. } => true,
        Action::AssignGroup { members, .. } => members.is_empty(),
        _ => false,
    };
    let left = step.causes.iter().filter(|cause| !is_declared(cause));
    let mut objects = left.filter_map(|cause| cause.object.as_ref());
    let group = objects.find(|object| found(&here.groups, object).is_some());
    group
        .filter(|_| takes_back)
        .map(|object| format!("{object} is declared for it again"))
}

/// What stands against a step that was planned for what was declared then.
fn against(here: &Declaration, step: &Step) -> Option<String> {
    let declared = step.causes.iter().filter(|cause| is_declared(cause));
    let mut objects = declared.filter_map(|cause| cause.object.as_ref());
    objects.find_map(|object| match object.kind.as_str() {
        "P2PGroup" => of_group(found(&here.groups, object), object, step),
        "CardPolicy" => of_policy(found(&here.policies, object)?, object, step),
        _ => None,
    })
}

fn of_group(spec: Option<&P2PGroupSpec>, object: &ObjectRef, step: &Step) -> Option<String> {
    let Some(spec) = spec else {
        return Some(format!("{object} is not declared for it any more"));
    };
    let members = match &step.action {
        Action::AssignGroup { members, .. } | Action::VerifyP2P { members, .. } => members.len(),
        _ => return None,
    };
    let other = members > 0 && usize::try_from(spec.size) != Ok(members);
    other.then(|| format!("{object} has sets of {} SoCs now", spec.size))
}

/// Policies are the same here: one that is gone was seen before.
fn of_policy(spec: &CardPolicySpec, object: &ObjectRef, step: &Step) -> Option<String> {
    let Action::RequestMdp { enable, .. } = &step.action else {
        return None;
    };
    let mut causes = step.causes.iter().filter_map(|cause| cause.object.as_ref());
    let of_group = causes.any(|cause| cause.kind == "P2PGroup");
    let wanted = match (spec.mdp, *enable) {
        (Some(MdpMode::Enabled), asked) => asked == MdpSetting::On,
        (Some(MdpMode::Disabled), asked) => asked == MdpSetting::Off,
        (Some(MdpMode::Groups) | None, asked) => asked == MdpSetting::On && of_group,
    };
    (!wanted).then(|| format!("{object} declares another partitioning now"))
}

/// Whether a cause is a declared line, and no entry of a ledger.
fn is_declared(cause: &Cause) -> bool {
    cause.path.is_some()
}

fn found<'a, S>(all: &'a [Declared<S>], object: &ObjectRef) -> Option<&'a S> {
    let mut all = all.iter();
    let found = all.find(|declared| declared.object == *object)?;
    Some(&found.spec)
}
