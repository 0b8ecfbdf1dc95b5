//! A policy that names devices of which none of its nodes has one.
use crd::{
    id::{NodeName, ObjectRef},
    plan::{ReportKind, ReportLine},
};

use super::{Seen, Verdict, standing::listed};
use crate::cluster::condition::Standing;

impl Seen<'_> {
    /// That an object selects no SoC, where each of its nodes says so: nothing stands in its way, and nothing of it is done.
    pub(super) fn selects_nothing(
        &self,
        object: &ObjectRef,
        nodes: &[&NodeName],
    ) -> Option<Verdict> {
        let about = |line: &&ReportLine| {
            line.kind == ReportKind::Advice && line.object.as_ref() == Some(object)
        };
        let mut last = None;
        for name in nodes {
            let sheet = self.survey.sheets.get(*name)?;
            last = Some(sheet.alone.iter().find(about)?);
        }
        let line = last?;
        let on = listed(nodes);
        let said = format!("on {on} {}; {}", line.message, line.hint);
        Some((Standing::Ready, "NoSocs".to_owned(), said))
    }
}
