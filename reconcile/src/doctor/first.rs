//! What a person has to do before `shardplane apply` can mend something: a plan would say that its goal is blocked.
use crd::{
    declaration::Declaration,
    id::{ObjectRef, PciAddress},
    snapshot::{HardwareSnapshot, Lockdown},
};

use super::seen::Seen;
use crate::{plan::socs, view::View};

/// Before control words of ports can be written.
pub(super) fn for_ports(snapshot: &HardwareSnapshot) -> Option<String> {
    match snapshot.host.lockdown.get()? {
        Lockdown::Integrity | Lockdown::Confidentiality => Some(
            "kernel lockdown forbids writing it: boot without Secure Boot, or relax the ports at boot"
                .to_owned(),
        ),
        Lockdown::None => None,
    }
}

/// Before partitioning of a SoC can be switched.
pub(super) fn for_partitioning(snapshot: &HardwareSnapshot, soc: PciAddress) -> Option<String> {
    let nothing = Declaration::default();
    let view = View::of(snapshot, &nothing);
    let nobody = ObjectRef {
        kind: String::new(),
        namespace: None,
        name: String::new(),
    };
    let asked = socs::request_obstacles(&view, soc, &nobody);
    let held = socs::held_obstacle(&view, soc, &nobody);
    let first = asked.into_iter().chain(held).next()?;
    Some(format!("{}: {}", first.message, first.hint))
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
