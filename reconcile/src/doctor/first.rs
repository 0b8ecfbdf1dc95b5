//! What a person has to do before `shardplane apply` can mend something: a plan would say that its goal is blocked.
use crd::{
    declaration::Declaration,
    id::{ObjectRef, PciAddress},
    snapshot::{HardwareSnapshot, Tools},
};

use super::seen::Seen;
use crate::{
    plan::{missing, socs},
    view::View,
};

/// Before partitioning of a SoC can be switched.
pub(super) fn for_partitioning(snapshot: &HardwareSnapshot, soc: PciAddress) -> Option<String> {
    let nothing = Declaration::default();
    let view = View::of(snapshot, &nothing);
    let asked = socs::request_obstacles(&view, soc, &nobody());
    let held = socs::held_obstacle(&view, soc, &nobody());
    let first = asked.into_iter().chain(held).next()?;
    Some(format!("{}: {}", first.message, first.hint))
}

/// Before qmonitor can be started.
pub(super) fn for_qmonitor(tools: &Tools) -> Option<String> {
    let (lacking, hint) = missing::for_qmonitor(tools)?;
    Some(format!("{lacking}: {hint}"))
}

/// On whose behalf a plan would do it is not asked here.
fn nobody() -> ObjectRef {
    ObjectRef {
        kind: String::new(),
        namespace: None,
        name: String::new(),
    }
}

impl Seen {
    /// What `shardplane apply` does about it, where nobody has to do something else before.
    pub(super) fn mended_once(self, first: Option<String>, then: &str) -> Self {
        match first {
            None => self.mended_by_apply(then),
            Some(first) => self.mended_by_somebody(format!("first: {first}; then: {then}")),
        }
    }
}
