//! What a recording says and a rack cannot show: told when one is made of the other, never left out in silence.
use crd::{
    Unknown,
    kind::rack::{Access, VendorTool},
    snapshot::{HardwareSnapshot, HolderKind},
};

use super::{PARAMETERS, access, is_short, missing};

/// What plans are made by, where it is known to be missing.
const CALLED: [VendorTool; 5] = [
    VendorTool::QaicMonitorJson,
    VendorTool::QaicMonitorGrpcServer,
    VendorTool::QmonitorFirmware,
    VendorTool::QaicRunner,
    VendorTool::P2PTest,
];

/// What the rack made of a recording will show otherwise, a sentence each.
pub fn losses(snapshot: &HardwareSnapshot) -> Vec<String> {
    let mut said = Vec::new();
    let ours = snapshot
        .holders
        .iter()
        .filter(|holder| matches!(holder.kind, HolderKind::Worker { .. }));
    if ours.count() > 0 || !snapshot.workers.is_empty() {
        said.push("our own workers do not run there, and hold nothing".to_owned());
    }
    let nameless = snapshot.holders.iter().filter(|holder| {
        holder.kind == HolderKind::Foreign && holder.pid.is_none() && holder.name != "vfio"
    });
    for holder in nameless {
        said.push(format!(
            "{} holds {} without a process, and does not there",
            holder.name, holder.soc
        ));
    }
    let unseen = snapshot
        .holders
        .iter()
        .any(|holder| matches!(holder.kind, HolderKind::Unseen { .. }));
    if unseen && access(snapshot) == Access::Root {
        said.push("who holds SoCs could not be seen, and can be there".to_owned());
    }
    for unread in &snapshot.unread {
        said.push(format!(
            "{} could not be read, and can be there",
            unread.path
        ));
    }
    let tools = &snapshot.tools;
    if tools.qmonitor_running.get() == Some(&true) && tools.qmonitor_owner.is_none() {
        said.push("who listens where qmonitor does is not in it, and is qmonitor there".to_owned());
    }
    let unsaid: Vec<&str> = missing(snapshot)
        .into_iter()
        .filter(|tool| CALLED.contains(tool) && !tools.missing.contains_key(tool))
        .map(VendorTool::name)
        .collect();
    if !unsaid.is_empty() {
        said.push(format!(
            "that {} is not installed blocks nothing that is planned of it, and does there",
            unsaid.join(", ")
        ));
    }
    if !snapshot.programs.is_empty() {
        said.push("compiled programs are not there, and would be built anew".to_owned());
    }
    for function in &snapshot.functions {
        if function.acs.unknown.is_some_and(|why| !is_short(Some(why))) {
            said.push(format!(
                "the ACS of {} could not be read, and can be there",
                function.address
            ));
        }
    }
    let waiting = |why: Option<Unknown>| why == Some(Unknown::ToolFailed);
    let silent = snapshot
        .socs
        .iter()
        .filter(|soc| waiting(soc.status.unknown));
    for soc in silent {
        said.push(format!(
            "the vendor's tool left {} out, and does so there until it is reset",
            soc.address
        ));
    }
    let settings = &snapshot.settings.driver;
    if settings.len() > 1 {
        said.push(
            "the driver has one timeout parameter there, the first of those recorded".to_owned(),
        );
    }
    for (name, unit) in PARAMETERS {
        let value = settings.get(name).and_then(|fact| fact.get());
        if value.is_some_and(|value| value % unit != 0) {
            said.push(format!("{name} is rounded down to whole seconds"));
        }
    }
    said
}
