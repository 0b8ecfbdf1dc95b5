//! A grant is carried out, told of and counted.
use crd::{
    journal::Record,
    kind::{GrantProgress, GrantState},
    plan::NodePlan,
};

use super::{
    Agent,
    admit::{GrantId, Taken},
    drains::Drains,
};
use crate::{
    cluster::telemetry::log::Level,
    engine::{Ran, interrupt::StopFlag},
    exit::Exit,
    state::Journal,
    supervise::Crew,
};

impl Agent<'_> {
    /// Carries a plan out; `None` where it was stopped by a stop of this agent, and goes on at the next start.
    pub(super) fn carry_out(&self, id: &GrantId, plan: &NodePlan) -> Option<GrantProgress> {
        let stop = StopFlag::default();
        let running = self.orders.running(id, &stop);
        let drains = Drains {
            orders: &self.orders,
            id,
            publisher: &self.publisher,
            status: &self.status,
            stop: &stop,
        };
        let from = self.records().len();
        self.numbers.works(true);
        let ran = self.engine(&stop, Crew::Controller(&drains), |engine| {
            engine.granted(plan)
        });
        drop(running);
        self.numbers.works(false);
        self.count_steps(from);
        let (state, why) = match ran {
            Ok(Ran::All { steps: _ }) => (GrantState::Converged, None),
            Ok(Ran::Void { steps: _, why }) => (GrantState::Void, Some(why)),
            Ok(Ran::Ended {
                steps: _,
                exit: Exit::RolledBack,
                why,
            }) => (GrantState::RolledBack, Some(why)),
            Ok(Ran::Ended {
                steps: _,
                exit: Exit::Partial,
                why,
            }) => {
                if self.stop.asked().is_some() {
                    return None;
                }
                (GrantState::Void, Some(why))
            }
            Ok(Ran::Ended {
                steps: _,
                exit: _,
                why,
            }) => (GrantState::Halted, Some(why)),
            Err(failure) => (GrantState::Halted, Some(failure.chain())),
        };
        Some(id.progress(state, why))
    }

    pub(super) fn says(&self, level: Level, id: &GrantId, sentence: &str) {
        let fields: [(&str, &dyn std::fmt::Display); 2] =
            [("digest", &id.digest.0), ("node", &self.node.name)];
        self.log.say(level, sentence, &fields);
    }

    /// The journal; empty where it cannot be read, which whoever writes to it says.
    fn records(&self) -> Vec<Record> {
        let folder = self.setting.room.state.node_folder(&self.node.name);
        Journal::read(&folder.join("journal")).unwrap_or_default()
    }

    fn count_steps(&self, from: usize) {
        self.numbers
            .recorded(self.records().get(from..).unwrap_or_default());
    }
}

/// How far the newest grant came, where it is at work no more.
pub(super) fn last(taken: &Taken) -> GrantProgress {
    taken.ended.clone().unwrap_or_else(|| {
        let why = "it was withdrawn before it ended".to_owned();
        taken.id.progress(GrantState::Void, Some(why))
    })
}

pub(super) fn word(state: GrantState) -> &'static str {
    match state {
        GrantState::Working => "goes on",
        GrantState::Converged => "is carried out and verified",
        GrantState::Halted => "halted",
        GrantState::RolledBack => "failed and was undone",
        GrantState::Void => "does not fit any more",
        GrantState::Refused => "is not for this agent",
    }
}
