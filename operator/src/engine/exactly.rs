//! A saved plan is carried out, and nothing besides: what planning again adds to it was read by nobody.
use crd::{plan::Plan, step::Step};

use crate::render::words;

/// What is still to be done and is not in the saved plan, as one sentence; none where all of it is.
pub(super) fn beyond(saved: &Plan, now: &Plan) -> Option<String> {
    let known = |step: &Step| {
        let mut steps = saved.nodes.iter().flat_map(|node| &node.steps);
        steps.any(|saved| saved.id == step.id && saved.action == step.action)
    };
    let steps = now.nodes.iter().flat_map(|node| &node.steps);
    let others: Vec<&str> = steps
        .filter(|step| !known(step))
        .map(|step| step.id.0.as_str())
        .collect();
    let (first, rest) = others.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        more => format!(" and {} more", words::counted(more, "step")),
    };
    Some(format!(
        "what is left to do is not in the saved plan: {first}{more}; look at it with `shardplane plan`, and save it anew"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crd::{id::Word, load::SourceText, step::Action};
    use reconcile::{FailedSteps, Inputs, NodeInput, Scope};

    use super::*;
    use crate::cluster::controller::tests::ultra;

    fn planned() -> Plan {
        let declared = "apiVersion: shardplane.dev/v1alpha1\nkind: CardPolicy\nmetadata: {name: lab}\nspec:\n  \
            {mdp: Groups, acs: {mode: Minimal}, enforcement: Enforce, approval: {mode: Automatic}}\n---\n\
            apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: {name: quad}\nspec: {size: 4, automatic: {per: Card}}\n";
        let loaded = crd::load::load(&[SourceText::new("declared.yaml", declared)]);
        assert!(!loaded.has_errors());
        reconcile::plan(&Inputs {
            declaration: &loaded.declaration,
            nodes: &[NodeInput::Read(ultra::machine_of("lab"))],
            models: &BTreeMap::new(),
            scope: Scope::Everything,
            unbuilt: &BTreeMap::new(),
            sources: reconcile::Sources::Paths,
            failed: &FailedSteps::new(),
        })
    }

    #[test]
    fn what_is_left_of_a_saved_plan_goes_on_and_anything_else_is_named() {
        let saved = planned();
        assert_eq!(beyond(&saved, &saved), None);
        let mut now = saved.clone();
        now.nodes[0].steps.drain(..1);
        assert_eq!(beyond(&saved, &now), None, "a part of it");
        let clears = |step: &&mut Step| matches!(step.action, Action::ClearAcs { .. });
        for step in now.nodes[0].steps.iter_mut().filter(clears).take(2) {
            if let Action::ClearAcs { before, .. } = &mut step.action {
                *before = Word(0x5d);
            }
        }
        let said = beyond(&saved, &now).unwrap();
        assert!(said.contains("lab/acs.clear/0000:"), "{said}");
        assert!(said.contains(" and 1 step more; "), "{said}");
    }
}
