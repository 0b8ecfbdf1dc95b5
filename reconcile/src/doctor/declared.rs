//! What a declaration asks on top: goals that cannot be reached, and what is still to be done.
use std::collections::BTreeMap;

use crd::plan::ReportKind;

use super::{
    patient::Patient,
    seen::{Seen, counted},
};
use crate::{Inputs, NodeInput};

pub(super) fn goals(patient: &Patient<'_>) -> Vec<Seen> {
    let Some(declaration) = patient.declaration else {
        return Vec::new();
    };
    let nodes = [NodeInput::Read(patient.snapshot.clone())];
    let plan = crate::plan(&Inputs {
        declaration,
        nodes: &nodes,
        models: &BTreeMap::new(),
        scope: crate::Scope::Everything,
        unbuilt: &BTreeMap::new(),
        sources: crate::Sources::Any,
        failed: &BTreeMap::new(),
    });
    let node = &patient.snapshot.metadata.name;
    // A goal that this node has no part in is another node's.
    let here = (plan.report.iter()).filter(|line| line.node.as_ref() == Some(node));
    let mut seen: Vec<Seen> = here
        .filter(|line| matches!(line.kind, ReportKind::Blocked | ReportKind::Error))
        .map(|line| {
            let object = line.object.as_ref();
            let who = object.map_or_else(String::new, |object| format!("{object}: "));
            Seen::fail(format!("{who}{}", line.message), line.hint.clone())
                .over(line.functions.iter().copied())
                .from("declaration")
        })
        .collect();
    let steps: usize = plan.nodes.iter().map(|node| node.steps.len()).sum();
    if steps > 0 {
        let fact = format!("{} to be done", counted(steps, "step"));
        let waiting = Seen::warn(fact, "")
            .mended_by_apply("`shardplane plan` shows them, `shardplane apply` does them");
        seen.push(waiting.from("declaration"));
    } else if seen.is_empty() {
        let governed = plan
            .nodes
            .iter()
            .any(|node| !node.governance.policies.is_empty());
        seen.push(if governed {
            Seen::pass("as declared").from("declaration")
        } else {
            Seen::warn(
                "no CardPolicy selects this node, so nothing is done on it",
                "declare a CardPolicy, or label the node",
            )
            .from("declaration")
        });
    }
    seen
}
