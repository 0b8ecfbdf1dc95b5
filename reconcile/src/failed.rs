//! Steps that failed a while ago: what each was about is left alone until it is tried again, and all else goes on.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{NodeName, ObjectRef, PciAddress},
    plan::ReportReason,
    snapshot::{HardwareSnapshot, SettingsFile, SocIdentity},
    step::{Action, Precondition, Step, Subject},
};

use crate::{NodeInput, judge, placement::Obstacle};

/// What is left alone on each node, and because of which step.
pub type FailedSteps = BTreeMap<NodeName, BTreeMap<Concern, FailedStep>>;

/// SoCs of each node whose resets in this boot did not help, each with how many there were: as many as one boot is given.
pub type SpentResets = BTreeMap<NodeName, BTreeMap<PciAddress, u32>>;

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
    /// When it is tried again.
    pub next_try: NextTry,
}

/// When something that failed is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// As soon as all else is done.
    AfterTheRest,
    /// Then, as RFC 3339 writes it, or at once where somebody gives the word.
    At(String, Word),
    /// Never in this boot.
    NextBoot,
}

/// What ends a pause at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// An edit of what is declared, or a boot.
    EditOrBoot,
    /// These, and SIGHUP.
    Hangup,
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
        let hint = match &self.next_try {
            NextTry::AfterTheRest => format!(
                "{times} and is tried again as soon as all else is done; until then what it is about is left alone, and all else goes on"
            ),
            NextTry::At(at, word) => format!(
                "{times} and is tried again at {at}, or at once after {}; until then what it is about is left alone, and all else goes on",
                match word {
                    Word::EditOrBoot => "an edit or a boot",
                    Word::Hangup => "an edit, a boot or SIGHUP",
                }
            ),
            NextTry::NextBoot => "look at the card, then boot the machine, best with its power off in between: a new boot allows more; until then it is left alone, and all else goes on".to_owned(),
        };
        Obstacle {
            reason: ReportReason::StepFailed,
            object: object.clone(),
            pointer: pointer.into(),
            functions,
            message: self.why.clone(),
            hint,
        }
    }
}

/// Leaves alone the SoCs that were reset as often as one boot is given, whatever else failed on them: it holds for longest.
pub fn leave_spent(failed: &mut FailedSteps, spent: &SpentResets, nodes: &[NodeInput]) {
    for node in nodes {
        let NodeInput::Read(snapshot) = node else {
            continue;
        };
        let name = &snapshot.metadata.name;
        let (Some(boot), Some(socs)) = (snapshot.boot_id.get(), spent.get(name)) else {
            continue;
        };
        let there = failed.entry(name.clone()).or_default();
        there.extend(socs.iter().map(|(soc, times)| {
            let step = FailedStep {
                why: format!("{times} resets of {soc} in this boot ({boot}) did not help"),
                times: *times,
                next_try: NextTry::NextBoot,
            };
            (Concern::Soc(*soc), step)
        }));
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
