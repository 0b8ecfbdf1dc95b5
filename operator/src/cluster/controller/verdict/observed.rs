//! Policies that only observe, and groups under them: what `Enforce` would do is theirs to say.
use std::collections::BTreeSet;

use crd::{
    id::{NodeName, ObjectRef},
    plan::{ReportKind, ReportLine},
};

use super::{Seen, Verdict, standing::listed};
use crate::cluster::condition::Standing;

const POLICY: &str = "CardPolicy";

impl Seen<'_> {
    /// Nodes that are not as an object declares and stay so, because their policies only observe.
    pub(super) fn observed(&self, object: &ObjectRef) -> BTreeSet<&NodeName> {
        let lines = self.survey.report.iter();
        let of_it = lines.filter(|line| differs(line, object));
        of_it.filter_map(|line| line.node.as_ref()).collect()
    }

    /// Says so of an object that is about these nodes.
    pub(super) fn only_observes(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Option<Verdict> {
        let differ: Vec<&NodeName> = (self.observed(object).into_iter())
            .filter(|name| nodes.contains(name))
            .collect();
        let first = *differ.first()?;
        let mut lines = self.survey.report.iter();
        let line = lines.find(|line| differs(line, object) && line.node.as_ref() == Some(first))?;
        Some((
            Standing::Stalled,
            "ObserveOnly".to_owned(),
            format!(
                "{} of {} nodes are not as declared ({}), and their policy only observes: on {first} {}; {}",
                differ.len(),
                nodes.len(),
                listed(&differ),
                line.message,
                line.hint
            ),
        ))
    }
}

/// Whether a line says what would be done for an object; for a policy, what its nodes' groups want too.
fn differs(line: &ReportLine, object: &ObjectRef) -> bool {
    let its = line.object.as_ref().is_none_or(|of| of == object);
    line.kind == ReportKind::Observed && (its || object.kind == POLICY)
}
