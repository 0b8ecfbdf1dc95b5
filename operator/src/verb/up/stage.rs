//! Whether the machine is as declared, and who is told: a service manager, and whoever waits at the control socket.
//!
//! Under a service manager the first looks are at cards and settings alone, so that nobody waits for a model to be built;
//! "ready" is said when they are as declared, or when waiting any longer would not change what stands in the way.
use std::{sync::mpsc::SyncSender, time::Duration};

use crd::plan::{Plan, ReportKind, ReportLine, ReportReason};
use machine::Timestamp;

use super::{Next, Up};
use crate::{engine::Settled, render::words::counted, supervise::control::Reply};

/// Who may wait at the control socket for the machine to be as declared; one too many sends the first away.
const MOST_WAITING: usize = 64;

/// How far `up` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is declared yet, and that is waited for.
    Standby,
    /// Cards and settings are looked at since then, and a service manager waits.
    Starting(Timestamp),
    /// Everything is kept as declared.
    Keeping,
}

/// Whether the machine is as declared, for those who ask.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Whether it is.
    as_declared: bool,
    /// What is the matter, or that nothing is, in one line.
    status: String,
    waiting: Vec<SyncSender<Reply>>,
}

impl Standing {
    /// What is the matter, in one line.
    pub(super) fn status(&self) -> String {
        self.status.clone()
    }
}

impl Up<'_> {
    /// Nothing is declared: ready, to touch nothing.
    pub(super) fn stand_by(&mut self) {
        let paths: Vec<String> = (self.args.files.file.iter())
            .map(|path| path.display().to_string())
            .collect();
        let status = format!(
            "nothing is declared in {}; touching nothing",
            paths.join(", ")
        );
        self.console.note(&format!("up: {status}"));
        self.console.notify().ready(&status);
        self.standing.status = status;
    }

    /// A pass has ended with nothing left that could be carried out; `but` says what else came to nothing.
    pub(super) fn stands(&mut self, settled: &Settled, but: Option<&str>) {
        let open = open_goals(&settled.plan);
        let first = open.first().map(|line| line.message.clone());
        let passing = open.iter().any(|line| passes(line.reason));
        let workers = self.supervisor.report().len();
        let status = match &first {
            None if but.is_some() => format!(
                "the machine is as declared; but {}",
                but.unwrap_or_default()
            ),
            None if workers == 0 => "the machine is as declared".to_owned(),
            None => format!("the machine is as declared; {}", counted(workers, "worker")),
            Some(first) => format!("{}: {first}", counted(open.len(), "blocked goal")),
        };
        self.tell(first.is_none(), passing, status);
    }

    /// Nothing goes on without a person, for this reason.
    pub(super) fn stands_still(&mut self, why: &str) {
        self.tell(false, false, format!("blocked: {why}"));
    }

    fn tell(&mut self, as_declared: bool, passing: bool, status: String) {
        let notify = self.console.notify();
        match self.stage {
            Stage::Starting(since) if !as_declared && passing && self.may_settle(since) => {
                notify.status(&format!("waiting for cards that boot; {status}"));
            }
            Stage::Starting(_) => {
                self.stage = Stage::Keeping;
                notify.ready(&status);
            }
            // Said again, it ends a reload.
            Stage::Standby | Stage::Keeping => notify.ready(&status),
        }
        self.standing.as_declared = as_declared;
        self.standing.status = status;
        if as_declared {
            let now = self.standing_now();
            for waiting in self.standing.waiting.drain(..) {
                answer(&waiting, now.clone());
            }
        }
    }

    /// Workers, and what came to nothing.
    pub(super) fn standing_now(&self) -> Reply {
        Reply::Status {
            workers: self.supervisor.report(),
            troubles: self.troubles(),
        }
    }

    fn may_settle(&self, since: Timestamp) -> bool {
        self.wall.now() < since.plus(Duration::from_secs(self.args.settle))
    }

    /// Something happened: whether the machine is as declared shows at the next look.
    pub(super) fn is_in_doubt(&mut self) {
        self.again.at_once();
        self.standing.as_declared = false;
    }

    /// Somebody wants to know when the machine is as declared; by what is declared when they ask, which may be younger than
    /// the last look.
    pub(super) fn wait_as_declared(&mut self, reply: SyncSender<Reply>) -> Next {
        let was = self.standing.as_declared;
        if was {
            self.read_again();
        }
        if self.standing.as_declared {
            answer(&reply, self.standing_now());
            return Next::Wait;
        }
        let text = self.standing.status.clone();
        // Whoever went away wants no answer.
        let _ = reply.try_send(Reply::Note { text });
        if self.standing.waiting.len() >= MOST_WAITING {
            self.standing.waiting.remove(0);
        }
        self.standing.waiting.push(reply);
        // What was read just now is carried out at once.
        if was { Next::Look } else { Next::Wait }
    }
}

/// That the machine is as declared says nothing of models: how they stand goes with it.
fn answer(waiting: &SyncSender<Reply>, now: Reply) {
    // Whoever went away wants no answer.
    let _ = waiting.try_send(now);
    let _ = waiting.try_send(Reply::Ended {
        code: 0,
        why: String::new(),
        hint: String::new(),
    });
}

/// What stands in the way of cards and settings; models and builds are not the machine.
fn open_goals(plan: &Plan) -> Vec<&ReportLine> {
    let about_models = |line: &ReportLine| {
        line.object
            .as_ref()
            .is_some_and(|object| matches!(object.kind.as_str(), "ShardedModel" | "ModelBuild"))
    };
    plan.report
        .iter()
        .filter(|line| matches!(line.kind, ReportKind::Blocked | ReportKind::Error))
        .filter(|line| !about_models(line))
        .collect()
}

/// Whether a goal may come to be met by itself while cards boot and drivers are loaded.
fn passes(reason: ReportReason) -> bool {
    matches!(
        reason,
        ReportReason::Initializing
            | ReportReason::NotReady
            | ReportReason::MdpUnknown
            | ReportReason::SettingMissing
            | ReportReason::SettingUnknown
    )
}
