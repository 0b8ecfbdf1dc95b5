//! The rule that a changed group is proven: after its last change, before work comes back.
use crd::{
    kind::VerificationMode,
    plan::NodePlan,
    step::{Action, Step},
};

use super::{Findings, acs, machine::Machine};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    for (group, members) in acs::groups(node, machine) {
        let Some(declared) = machine.group(&group.name) else {
            continue;
        };
        let mode = declared
            .spec
            .verification
            .as_ref()
            .map(|verification| verification.mode);
        if mode == Some(VerificationMode::None) || members.len() < 2 {
            continue;
        }
        let ports = machine.ports_of(&members);
        let formed = |step: &Step| matches!(&step.action, Action::AssignGroup { group: formed, members } if *formed == group && !members.is_empty());
        let relaxes = |step: &Step| {
            let owned = step
                .record
                .as_ref()
                .is_some_and(|record| record.owners.contains(&declared.object));
            owned
                && matches!(&step.action, Action::ClearAcs { port, .. } if ports.contains(&port.address))
        };
        let resets = |step: &Step| match &step.action {
            Action::Reset { socs, .. } => socs.iter().any(|soc| members.contains(&soc.address)),
            _ => false,
        };
        let proof = node.steps.iter().rposition(|step| {
            matches!(&step.action, Action::VerifyP2P { group: proven, members: of, .. }
                if *proven == group && of.iter().map(|soc| soc.address).eq(members.iter().copied()))
        });
        let worked_on = node.steps.iter().any(|step| formed(step) || relaxes(step));
        let last_change = node
            .steps
            .iter()
            .rposition(|step| relaxes(step) || resets(step));
        match proof {
            Some(proof) if last_change.is_none_or(|change| change < proof) => {}
            Some(_) => found.add(
                "SP-C17",
                None,
                format!("{group} is changed after it was proven"),
            ),
            None if worked_on && !still_proven(node, &group, &members, machine) => {
                found.add(
                    "SP-C17",
                    None,
                    format!("{group} is changed and never proven"),
                );
            }
            None => {}
        }
    }
}

/// Whether the ledger's proof is of exactly the state that this plan leaves.
fn still_proven(
    node: &NodePlan,
    group: &crd::id::GroupId,
    members: &[crd::id::PciAddress],
    machine: &Machine<'_>,
) -> bool {
    let Some(proof) = machine
        .record(group)
        .and_then(|record| record.verification.as_ref())
    else {
        return false;
    };
    let word_after = |port: crd::id::PciAddress| {
        let mut word = machine.control(port)?;
        for step in &node.steps {
            if let Action::ClearAcs {
                port: cleared,
                mask,
                ..
            } = &step.action
                && cleared.address == port
            {
                word &= !mask.0;
            }
        }
        Some((port, crd::id::Word(word)))
    };
    let words: Vec<_> = machine
        .ports_of(members)
        .into_iter()
        .filter_map(word_after)
        .collect();
    let reset = node.steps.iter().any(|step| {
        matches!(&step.action, Action::Reset { socs, .. } if socs.iter().any(|soc| members.contains(&soc.address)))
    });
    let boot = machine.snapshot.boot_id.get();
    !reset
        && proof.mdp
        && proof.members == members
        && proof.acs == words
        && boot == Some(&proof.boot_id)
}
