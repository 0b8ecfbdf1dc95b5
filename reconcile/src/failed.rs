//! Steps that failed a while ago: what each was about is left alone until it is tried again, and all else goes on.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{NodeName, ObjectRef, PciAddress},
    plan::ReportReason,
    snapshot::{HardwareSnapshot, SettingsFile, SocIdentity},
    step::{Action, Precondition, Step, Subject},
};

use crate::{judge, placement::Obstacle};

/// What is left alone on each node, and because of which step.
pub type FailedSteps = BTreeMap<NodeName, BTreeMap<Concern, FailedStep>>;

/// What a step is about, and what its failure says nothing good of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// A SoC: its partitioning, its resets, and proofs that reach it.
    Soc(PciAddress),
    /// A port's ACS control word.
    Port(PciAddress),
    /// A driver or kernel setting, by name.
    Setting(String),
    /// A settings file.
    File(SettingsFile),
    /// qmonitor, without which no SoC's partitioning is switched.
    Qmonitor,
}

/// A step that failed, and when it has its turn again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedStep {
    /// Which, and why, in one sentence.
    pub why: String,
    /// How often it failed so far.
    pub times: u32,
    /// When it is tried again, as RFC 3339 writes it; `None` as soon as all else is done.
    pub next_try: Option<String>,
}

impl FailedStep {
    /// That a goal has to wait for it.
    pub(crate) fn obstacle(
        &self,
        object: &ObjectRef,
        pointer: &str,
        functions: Vec<PciAddress>,
    ) -> Obstacle {
        let times = match self.times {
            1 => "it failed once".to_owned(),
            times => format!("it failed {times} times"),
        };
        let again = self.next_try.as_ref().map_or_else(
            || "as soon as all else is done".to_owned(),
            |at| format!("at {at}, or at once after an edit, a boot or SIGHUP"),
        );
        Obstacle {
            reason: ReportReason::StepFailed,
            object: object.clone(),
            pointer: pointer.into(),
            functions,
            message: self.why.clone(),
            hint: format!(
                "{times} and is tried again {again}; until then what it is about is left alone, and all else goes on"
            ),
        }
    }
}

/// What a step that failed was about. Where it was about several SoCs and some of them are as it was to leave them, the
/// others are meant: of many that were asked together one is broken. Empty for steps that touch no card and no setting.
pub fn concerns(step: &Step, after: &HardwareSnapshot) -> BTreeSet<Concern> {
    let identities = |socs: &[SocIdentity]| -> BTreeSet<Concern> {
        socs.iter().map(|soc| Concern::Soc(soc.address)).collect()
    };
    match &step.action {
        Action::ClearAcs { port, .. } | Action::RestoreAcs { port, .. } => {
            BTreeSet::from([Concern::Port(port.address)])
        }
        Action::StartQmonitor {} => BTreeSet::from([Concern::Qmonitor]),
        Action::RequestMdp { soc, .. } => BTreeSet::from([Concern::Soc(soc.address)]),
        Action::Reset { socs, .. } => identities(socs),
        Action::WaitReady { socs, .. } | Action::VerifyMdp { socs, .. } => {
            let short = step
                .leaves
                .iter()
                .filter_map(|fact| falls_short(fact, after));
            let short: BTreeSet<Concern> = short.map(Concern::Soc).collect();
            if short.is_empty() {
                identities(socs)
            } else {
                short
            }
        }
        Action::VerifyP2P { members, .. } => identities(members),
        Action::Taint { socs, .. } | Action::Drain { socs, .. } | Action::Untaint { socs, .. } => {
            socs.iter().copied().map(Concern::Soc).collect()
        }
        Action::SetDriver { name, .. } | Action::SetSysctl { name, .. } => {
            BTreeSet::from([Concern::Setting(name.clone())])
        }
        Action::WriteFile { file, .. } => BTreeSet::from([Concern::File(*file)]),
        Action::AssignEntry { .. }
        | Action::AssignGroup { .. }
        | Action::Build { .. }
        | Action::StartWorker { .. }
        | Action::StopWorker { .. }
        | Action::ReplaceWorker { .. } => BTreeSet::new(),
    }
}

/// The SoC of which a fact does not hold.
fn falls_short(fact: &Precondition, after: &HardwareSnapshot) -> Option<PciAddress> {
    match &fact.subject {
        Subject::Mdp { soc } | Subject::Status { soc } => {
            (!judge::holds(fact, after)).then_some(*soc)
        }
        _ => None,
    }
}
