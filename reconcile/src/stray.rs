//! Requests for partitioning that may have reached other SoCs than the one that was meant: QIDs are ranks, and name another SoC
//! once one leaves the bus or joins it.
use crd::{
    id::{PciAddress, StepId},
    kind::DeletionRule,
    snapshot::{HardwareSnapshot, Ledger, LedgerEntry, LedgerTarget},
    step::{Action, Inverse, MdpSetting, Ownership, Precondition, Step, Subject},
};

use crate::{judge::identity_text, ledger::recognise, topology::identity, view::boot_id};

/// What the id of a request ends in that somebody took who was not meant.
const STRAY: &str = "!stray";

/// The requests that these SoCs may have taken instead of the one whom `step` was to ask, or beside it: as steps, so that they are
/// remembered and undone as that one is. Their rule is Revert whatever the step's is: nobody declared them. Whoever was asked for
/// the same by us before has nothing new to be remembered.
pub fn strays(step: &Step, takers: &[PciAddress], snapshot: &HardwareSnapshot) -> Vec<Step> {
    let Action::RequestMdp { soc: meant, enable } = &step.action else {
        return Vec::new();
    };
    let others = snapshot.socs.iter().filter(|soc| {
        let changes = soc.mdp.get().is_none_or(|now| !enable.is(*now));
        let asked = entry(&snapshot.ledger, soc.address)
            .is_some_and(|entry| entry.written == written(*enable));
        takers.contains(&soc.address) && soc.address != meant.address && changes && !asked
    });
    others
        .map(|soc| {
            let soc = identity(soc);
            let request = |enable| Action::RequestMdp {
                soc: soc.clone(),
                enable,
            };
            let of_the_step = step.record.iter().flat_map(|record| &record.owners);
            Step {
                id: StepId(format!("{}{STRAY}/{}", step.id, soc.address)),
                preconditions: vec![Precondition {
                    subject: Subject::Identity { soc: soc.address },
                    equals: identity_text(&soc),
                }],
                leaves: Vec::new(),
                inverse: Inverse::Action {
                    action: Box::new(request(opposite(*enable))),
                },
                action: request(*enable),
                record: Some(Ownership {
                    owners: of_the_step.cloned().collect(),
                    deletion: DeletionRule::Revert,
                }),
                depends_on: Vec::new(),
                ..step.clone()
            }
        })
        .collect()
}

/// The ledger where a SoC may have taken a request that was not meant for it. What it has of that SoC already stays: what stood
/// there before is known from it.
pub fn remembered(ledger: &Ledger, stray: &Step, snapshot: &HardwareSnapshot) -> Ledger {
    let mut next = ledger.clone();
    let (Action::RequestMdp { soc, enable }, Some(record)) = (&stray.action, &stray.record) else {
        return next;
    };
    if entry(ledger, soc.address).is_some() {
        return next;
    }
    next.entries.push(LedgerEntry {
        target: LedgerTarget::Mdp { soc: soc.address },
        owners: record.owners.clone(),
        deletion: record.deletion,
        pre_image: written(opposite(*enable)),
        written: written(*enable),
        boot_id: boot_id(snapshot),
    });
    next.entries.sort_by(|a, b| a.target.cmp(&b.target));
    recognise(&mut next, std::slice::from_ref(soc));
    next
}

fn entry(ledger: &Ledger, soc: PciAddress) -> Option<&LedgerEntry> {
    let target = LedgerTarget::Mdp { soc };
    ledger.entries.iter().find(|entry| entry.target == target)
}

/// As the ledger writes it.
fn written(setting: MdpSetting) -> String {
    (setting == MdpSetting::On).to_string()
}

fn opposite(setting: MdpSetting) -> MdpSetting {
    match setting {
        MdpSetting::On => MdpSetting::Off,
        MdpSetting::Off => MdpSetting::On,
    }
}
