//! Programs that could not be built: each takes only itself out of a run, and how the run ended tells of them last.
use crd::{
    id::ObjectRef,
    step::{Action, Step},
};
use reconcile::Unbuilt;

use super::{Engine, Settled};
use crate::{
    console::{Console, Tone},
    exit::Exit,
    render::words::counted,
};

/// Builds that fail, and what they do to the rest.
#[derive(Debug, Default)]
pub struct FailedBuilds {
    /// Somebody waits for this program and for nothing else: where it cannot be built, the run ends.
    awaited: Option<ObjectRef>,
    /// What is not to be built, and what failed on the way; all the rest goes on.
    pub unbuilt: Unbuilt,
    /// Who says that one has failed.
    teller: Teller,
    /// The worst outcome of what failed on the way.
    exit: Option<Exit>,
}

/// Who says that a build has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Teller {
    /// The engine, at once.
    #[default]
    Engine,
    /// Whoever called it, when the run is over.
    Caller,
}

impl FailedBuilds {
    /// Goes without `unbuilt`, and ends where `awaited` cannot be built. The caller says what failed on the way.
    pub fn going_without(unbuilt: Unbuilt, awaited: Option<ObjectRef>) -> Self {
        Self {
            awaited,
            unbuilt,
            teller: Teller::Caller,
            exit: None,
        }
    }

    /// Takes down that a program could not be built; false where the run has to end by that.
    fn set_aside(&mut self, object: &ObjectRef, why: &str, exit: Exit, console: &Console) -> bool {
        if self.awaited.as_ref() == Some(object) {
            return false;
        }
        if self.teller == Teller::Engine {
            let warning = console.err_paint().tone(Tone::Update, "warning:");
            console.note(&format!("{warning} {why}; going on without it"));
        }
        self.unbuilt.insert(object.clone(), why.to_owned());
        self.exit = Some(self.exit.map_or(exit, |worst| worst.worse(exit)));
        true
    }
}

impl Engine<'_> {
    /// A step failed: whether it was a build that the rest does without.
    pub(super) fn sets_aside(&mut self, step: &Step, why: &str, exit: Option<Exit>) -> bool {
        let Action::Build { program } = &step.action else {
            return false;
        };
        let why = format!("{}: {why}", step.id);
        let exit = exit.unwrap_or(Exit::Unavailable);
        (self.builds).set_aside(&program.object, &why, exit, self.console)
    }
}

impl Settled {
    /// The same run, told with the builds that failed beside it: where everything else was carried out, by their outcome.
    #[must_use]
    pub fn but(mut self, builds: &FailedBuilds) -> Self {
        let Some(exit) = builds.exit else {
            return self;
        };
        let failed: Vec<&str> = builds.unbuilt.values().map(String::as_str).collect();
        let failed = failed.join("; ");
        match self.exit {
            Exit::Ok | Exit::Blocked => {
                let rest = match self.steps {
                    0 => "nothing else was to be done".to_owned(),
                    steps => format!(
                        "all else that could be was carried out and verified ({})",
                        counted(steps as usize, "step")
                    ),
                };
                self.why = format!("{failed}; {rest}");
                self.exit = exit;
                self.without = builds.unbuilt.clone();
            }
            // Whoever asked for a stop is told that it was one.
            Exit::Partial | Exit::Interrupted | Exit::Terminated => {
                self.why = format!("{}; before that, {failed}", self.why);
            }
            other => {
                self.why = format!("{}; and {failed}", self.why);
                self.exit = other.worse(exit);
            }
        }
        self
    }
}
