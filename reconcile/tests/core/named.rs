//! A model that names its group has no other: one that may run anywhere leaves it to that one, whatever the two are called.
use crd::{
    kind::{Connectivity, SpreadOver},
    plan::ReportReason,
    step::Action,
};

use crate::{
    declare::{automatic, model, object, quickstart},
    simulate::plan_of,
    world::two_ultras,
};

#[test]
fn whoever_may_run_anywhere_leaves_a_named_group_to_its_model() {
    for [bound, free] in [["a", "b"], ["b", "a"]] {
        for named in ["first", "second"] {
            let mut declared = quickstart();
            let group = || automatic(4, SpreadOver::Card, Some(1));
            declared.groups = vec![
                object("P2PGroup", "first", group()),
                object("P2PGroup", "second", group()),
            ];
            let mut bound_to = model(4, Connectivity::P2P);
            bound_to.group_ref = Some(named.to_owned());
            // Of fewer shards, so that it finds its place last as well.
            let anywhere = model(2, Connectivity::P2P);
            declared.models = vec![
                object("ShardedModel", bound, bound_to),
                object("ShardedModel", free, anywhere),
            ];
            for model in &mut declared.models {
                model.object.namespace = Some("default".to_owned());
            }
            declared.models.sort_by(|a, b| a.object.cmp(&b.object));
            let plan = plan_of(&declared, &[two_ultras("lab")]);
            let homeless =
                |line: &&crd::plan::ReportLine| line.reason == ReportReason::NoFittingGroup;
            assert_eq!(plan.report.iter().find(homeless), None, "{bound} {named}");
            let starts = plan.nodes[0]
                .work
                .iter()
                .filter_map(|step| match &step.action {
                    Action::StartWorker { worker } => Some(worker.id.0.clone()),
                    _ => None,
                });
            assert_eq!(starts.count(), 2, "{bound} {named}");
        }
    }
}
