//! After a crash: closes what the journal left open, by looking at the machine again.
use crd::{
    Fact,
    journal::RunOutcome,
    judgement::Judgement,
    snapshot::HardwareSnapshot,
    step::{Action, Step},
};
use machine::Machine;

use super::journaled::Journaled;
use crate::{console::Console, failure::Failure};

/// What became of a step that was begun and has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// What it leaves behind is there.
    Happened,
    /// It is not.
    DidNot,
    /// It leaves nothing behind that can be seen: taken as happened where the ledger is concerned.
    Unknown,
}

/// A reset of the run that was cut off may still be going on, even one whose step has ended: waits until its SoCs are
/// Ready, so that none is reset twice. `begun` are that run's steps in this boot; another boot has ended its resets.
pub fn wait_for_resets(machine: &Machine, begun: &[Step], console: &Console) {
    for step in begun {
        let Action::Reset { scope: _, socs } = &step.action else {
            continue;
        };
        let wait = Action::WaitReady {
            socs: socs.clone(),
            timeout_seconds: RESET_LIMIT_SECONDS,
        };
        let _work = console.work("  waiting for SoCs that were reset", machine::limit(&wait));
        // A SoC that does not come back is the planner's to report: it is probed next.
        let _ = machine::perform(machine, &wait);
    }
}

/// The vendor's installer waits this long for a SoC to become Ready.
const RESET_LIMIT_SECONDS: u32 = 900;

/// Closes every open step of the journal, oldest first. `snapshot` was probed after [`wait_for_resets`]; `keep` stores
/// the ledger that follows.
pub fn close(
    machine: &Machine,
    journal: &mut Journaled<'_>,
    snapshot: &mut HardwareSnapshot,
    keep: impl Fn(&HardwareSnapshot) -> Result<(), Failure>,
) -> Result<Vec<String>, Failure> {
    let open = journal.journal().open_steps();
    let mut said = Vec::new();
    for (boot, step) in &open {
        let mut fate = fate(step, snapshot);
        if let Action::WriteFile { file, .. } = &step.action {
            // Half a text beside it is nobody's. Where it cannot be taken away, the next write does.
            let _ = machine.sweep(file.path());
        }
        // What was begun before a boot is of the boot before: a file that this boot has read is none that came after it.
        let then = HardwareSnapshot {
            boot_id: Fact::known(boot.clone(), "journal"),
            ..snapshot.clone()
        };
        // Nothing but files outlives a boot: what stands elsewhere since then tells of no write before it.
        let outlived =
            snapshot.boot_id.get() == Some(boot) || matches!(step.action, Action::WriteFile { .. });
        // The pre-image is in the step, not in the machine: recorded now, `down` still knows the exact word.
        let next = match fate {
            Fate::Happened | Fate::Unknown => {
                reconcile::ledger::after(&snapshot.ledger, step, &then)
            }
            Fate::DidNot if outlived => reconcile::ledger::begun(&snapshot.ledger, step, &then),
            Fate::DidNot => snapshot.ledger.clone(),
        };
        if next != snapshot.ledger {
            if fate == Fate::DidNot {
                fate = Fate::Unknown;
            }
            snapshot.ledger = next;
            keep(snapshot)?;
        }
        said.push(match fate {
            Fate::Happened => {
                journal.verified(&step.id)?;
                format!("{}: it had happened", step.id)
            }
            Fate::DidNot => {
                journal.failed(&step.id, "the run was cut off, and it had not happened")?;
                format!("{}: it had not happened", step.id)
            }
            Fate::Unknown => {
                journal.failed(
                    &step.id,
                    "the run was cut off, and whether it happened cannot be seen",
                )?;
                format!("{}: whether it happened cannot be seen", step.id)
            }
        });
    }
    // One that was stopped in a reset is looked at once.
    if journal.journal().run_is_open() || journal.journal().stopped_in_a_reset() {
        journal.end(RunOutcome::Recovered)?;
    }
    Ok(said)
}

fn fate(step: &Step, snapshot: &HardwareSnapshot) -> Fate {
    match reconcile::judge(step, snapshot) {
        Judgement::Done => Fate::Happened,
        Judgement::Ready | Judgement::Void { .. } => match &step.action {
            // Its request is remembered by firmware that nobody can ask; its reset takes with it what P2P had proven.
            Action::RequestMdp { .. } | Action::Reset { .. } => Fate::Unknown,
            Action::Taint { .. }
            | Action::Drain { .. }
            | Action::ClearAcs { .. }
            | Action::RestoreAcs { .. }
            | Action::StartQmonitor {}
            | Action::WaitReady { .. }
            | Action::VerifyMdp { .. }
            | Action::SetDriver { .. }
            | Action::SetSysctl { .. }
            | Action::WriteFile { .. }
            | Action::VerifyP2P { .. }
            | Action::Untaint { .. }
            | Action::AssignEntry { .. }
            | Action::AssignGroup { .. }
            | Action::Build { .. }
            | Action::StartWorker { .. }
            | Action::StopWorker { .. }
            | Action::ReplaceWorker { .. } => Fate::DidNot,
        },
    }
}
