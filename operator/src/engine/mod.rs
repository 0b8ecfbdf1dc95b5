//! The engine: observe, plan, check, approve, journal, perform, verify, until nothing is left to do.
//!
//! `observe` looks, `approve` asks, `run` carries out a node's steps through `step`, `undo` compensates, `build` compiles,
//! `failed_builds` goes on without a program, `failed_steps` without what a step failed on, `granted` carries out what a controller decided, `in_hand` tells others of
//! the step at work, `watch` of SoCs that leave the bus, `recover` closes what a crash left open, `journaled` writes the journal,
//! `interrupt` listens for Ctrl-C.
pub mod approve;
pub mod beside;
mod build;
mod exactly;
mod failed_builds;
mod failed_steps;
mod granted;
pub mod in_hand;
pub mod interrupt;
pub mod journaled;
pub mod observe;
pub mod recover;
mod run;
mod step;

mod undo;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Fact,
    declaration::Declaration,
    id::NodeName,
    kind::ApprovalMode,
    plan::Plan,
    snapshot::{HardwareSnapshot, WorkerToolchain},
};
use machine::{Machine, Roots, Timestamp};
use reconcile::{Inputs, NodeInput, Scope, Unbuilt};

use crate::{
    cli::Leave,
    console::Console,
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    room::{Node, Room},
    state::{Journal, ledger, left::Left, programs::ProgramStore},
    supervise::Crew,
    toolchain::WorkerBinary,
};
use approve::Asking;
pub use failed_builds::FailedBuilds;
pub use failed_steps::{Fault, SetAside, StepFailure};
use interrupt::StopFlag;
use journaled::Journaled;
use observe::{Effort, Surroundings};
use run::Failures;
pub use run::Ran;

/// Rounds after which a machine that still wants steps is given up: one for the plan, one for what only shows after it,
/// and some for a machine that changes under us.
const ROUNDS: u32 = 8;

/// Bytes after which a journal with nothing open starts over: some ten runs of a large machine.
const JOURNAL_LIMIT: u64 = 1 << 20;

/// One command's engine.
pub struct Engine<'a> {
    /// The machines.
    pub room: &'a Room,
    /// What is declared.
    pub declaration: &'a Declaration,
    /// What of it is worked on.
    pub scope: Scope,
    /// Builds that fail, and what they do to the rest.
    pub builds: FailedBuilds,
    /// Steps that failed, and what is left alone for them.
    pub aside: SetAside,
    /// Where declared paths start.
    pub place: &'a SourcePlace,
    /// The worker binary.
    pub binary: &'a WorkerBinary,
    /// What it says of itself.
    pub toolchain: Fact<WorkerToolchain>,
    /// Where words go.
    pub console: &'a Console,
    /// Whether somebody asked for a stop.
    pub stop: &'a StopFlag,
    /// The leave given on the command line.
    pub leave: &'a Leave,
    /// Whose word counts.
    pub asking: Asking,
    /// Who runs our workers.
    pub crew: Crew<'a>,
}

/// How a run of the engine ended.
#[derive(Debug)]
pub struct Settled {
    /// The outcome.
    pub exit: Exit,
    /// The last plan: empty of card and machine steps when everything was done.
    pub plan: Plan,
    /// The nodes as last seen.
    pub nodes: Vec<NodeInput>,
    /// Steps that were carried out.
    pub steps: u32,
    /// Why it ended so, in one sentence; empty when everything was done.
    pub why: String,
    /// Programs that could not be built, where all else was carried out.
    pub without: Unbuilt,
    /// Steps that failed on something in particular, which the next pass can leave alone.
    pub failed: Vec<StepFailure>,
}

impl Settled {
    /// Ended so, with nothing to be left out or alone.
    fn so(
        exit: Exit,
        (plan, nodes): (Plan, Vec<NodeInput>),
        steps: u32,
        why: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            plan,
            nodes,
            steps,
            why: why.into(),
            without: Unbuilt::new(),
            failed: Vec::new(),
        }
    }
}

impl Engine<'_> {
    /// Plans for what was seen, and checks the plan.
    fn plan(&mut self, nodes: &[NodeInput], effort: Effort<'_>) -> Result<Plan, Failure> {
        let (declaration, place, room) = (self.declaration, self.place, self.room);
        let models = match self.scope {
            // Weights are read as long as they are large.
            Scope::Everything | Scope::Kept => {
                let crew = (&mut self.crew, self.stop);
                let read = || observe::models(declaration, place, room, effort);
                beside::workers(crew, (room, self.console), read)?
            }
            // No model is built, so none has to be read.
            Scope::Cards | Scope::Repairs => BTreeMap::new(),
        };
        let inputs = Inputs {
            declaration: self.declaration,
            nodes,
            models: &models,
            scope: self.scope,
            unbuilt: &self.builds.unbuilt,
            sources: reconcile::Sources::Paths,
            failed: &self.left_alone(nodes)?,
        };
        let plan = reconcile::plan(&inputs);
        checked(plan, self.declaration, nodes)
    }

    /// Works until nothing is left to do, a step fails, or somebody asks for a stop. `first` sees the first plan, and may
    /// refuse it before anything is touched.
    pub fn converge(
        &mut self,
        first: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Settled, Failure> {
        self.within(None, first)
    }

    /// The same for a saved plan, if there is one: nothing besides it is carried out.
    pub fn within(
        &mut self,
        saved: Option<&Plan>,
        first: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Settled, Failure> {
        let mut begun = 0;
        self.rounds(saved, first, &mut begun)
            .map_err(|failure| failure.after(begun))
    }

    /// The rounds of [`Self::within`]; `begun` counts steps that change the machine from before each acts.
    fn rounds(
        &mut self,
        saved: Option<&Plan>,
        first: impl FnOnce(&Plan) -> Result<(), Failure>,
        begun: &mut u32,
    ) -> Result<Settled, Failure> {
        self.recover()?;
        let mut first = Some(first);
        let mut steps = 0;
        let mut failures = Failures::default();
        let mut seen = approve::Seen::new();
        for round in 0..ROUNDS {
            let (plan, nodes) = self.look(Effort::Read(self.stop))?;
            match first.take() {
                Some(first) => first(&plan)?,
                None if plan.applyable => self.console.note("planned again, for what is there now"),
                None => {}
            }
            if !plan.applyable {
                self.govern(&plan, &BTreeSet::new())?;
                if matches!(self.scope, Scope::Everything | Scope::Cards) {
                    Left::new(self.place.base(), self.declaration).keep(&self.room.state)?;
                }
                let exit = if plan.complete && !plan.errored {
                    Exit::Ok
                } else {
                    Exit::Blocked
                };
                return Ok(Settled::so(exit, (plan, nodes), steps, ""));
            }
            if let Some(stop) = self.stop.asked() {
                let exit = stop_exit(stop.exit(), steps);
                let why = "stopped before anything was begun";
                return Ok(Settled::so(exit, (plan, nodes), steps, why));
            }
            if let Some(why) = saved.and_then(|saved| exactly::beyond(saved, &plan)) {
                return Ok(Settled::so(Exit::Stale, (plan, nodes), steps, why));
            }
            let waiting = match self.leave_for(&plan, &seen) {
                Ok(waiting) => waiting,
                // Others went ahead, and what they did is told with it.
                Err(failure) if steps > 0 && failure.exit() == Exit::Blocked => {
                    return Ok(Settled::so(
                        Exit::Blocked,
                        (plan, nodes),
                        steps,
                        approve::told(&failure),
                    ));
                }
                Err(failure) => return Err(failure),
            };
            let digests = plan.nodes.iter();
            seen.extend(digests.map(|node| (node.digest.0.clone(), node.node.clone())));
            self.govern(&plan, &waiting.nodes)?;
            match self.run(&plan, &waiting.nodes, &mut failures, begun)? {
                Ran::All { steps: 0 } if let Some(why) = &waiting.why => {
                    return Ok(Settled::so(
                        Exit::Blocked,
                        (plan, nodes),
                        steps,
                        approve::told(why),
                    ));
                }
                Ran::All { steps: ran } => steps += ran,
                Ran::Void { steps: ran, why } => {
                    steps += ran;
                    self.console
                        .note(&format!("{why} (round {} of {ROUNDS})", round + 1));
                }
                Ran::Ended {
                    steps: ran,
                    exit,
                    why,
                } => {
                    steps += ran;
                    let exit = if exit == Exit::Partial {
                        stop_exit(self.stop.asked().map_or(exit, interrupt::Stop::exit), steps)
                    } else {
                        exit
                    };
                    return Ok(Settled {
                        failed: std::mem::take(&mut self.aside.since),
                        ..Settled::so(exit, (plan, nodes), steps, why)
                    });
                }
            }
        }
        Err(Failure::said(
            Exit::Partial,
            format!("the machine still wants steps after {ROUNDS} rounds"),
            "something else changes it at the same time; find out what, then run again",
        ))
    }

    /// Keeps in each node's ledger what governs the removal of what it holds; of a node that waits for leave, what did.
    fn govern(&self, plan: &Plan, waits: &BTreeSet<NodeName>) -> Result<(), Failure> {
        // What is declared now may wait for leave.
        if matches!(self.scope, Scope::Repairs | Scope::Kept) {
            return Ok(());
        }
        let nodes = plan.nodes.iter();
        for node_plan in nodes.filter(|node| !waits.contains(&node.node)) {
            let folder = self.room.state.node(&node_plan.node)?;
            let kept = ledger::read(&folder)?;
            let governed = reconcile::ledger::governed(&kept, node_plan);
            if governed != kept {
                ledger::write(&folder, &governed)?;
            }
        }
        Ok(())
    }

    /// Closes what a crash left open on any node.
    fn recover(&mut self) -> Result<(), Failure> {
        ProgramStore::new(self.room.state.programs()).sweep()?;
        for node in &self.room.nodes {
            let folder = self.room.state.node(&node.name)?;
            ledger::begin(&folder)?;
            let mut journal = Journal::open(&folder.join("journal"))?;
            let open = journal.open_steps();
            let stopped = journal.stopped_in_a_reset();
            if open.is_empty() && !journal.run_is_open() && !stopped {
                journal.compact(JOURNAL_LIMIT)?;
                continue;
            }
            let what = if stopped { "stopped" } else { "cut off" };
            let said = "looking at what became of it";
            (self.console).note(&format!("the last run on {} was {what}; {said}", node.name));
            let around = self.surroundings();
            let before = observe::node(self.room, node, &around)?;
            let Some(boot_id) = before.boot_id.get().cloned() else {
                return Err(boot_unknown(node));
            };
            let begun = journal.begun_by_last_run(&boot_id);
            recover::wait_for_resets(&node.machine, &begun, self.console);
            let mut snapshot = watch::after_crash(self, node, &begun, journal.there_at_last_run())?;
            let mut journal = Journaled::new(&node.machine, journal, boot_id);
            let said = recover::close(&node.machine, &mut journal, &mut snapshot, |snapshot| {
                keep(self.room, node, snapshot)
            })?;
            for line in said {
                self.console.note(&format!("  {line}"));
            }
        }
        Ok(())
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            worker: self.toolchain.clone(),
            workers: self.crew.known(),
            tenants: self.crew.tenants(),
        }
    }

    /// The time that windows are about: the first node's, which on a rack is the rack's.
    fn now(&self) -> Timestamp {
        self.room.nodes.first().map_or_else(
            || Machine::linux(Roots::default()).now(),
            |node| node.machine.now(),
        )
    }
}

/// Stores the ledger that a snapshot carries.
fn keep(room: &Room, node: &Node, snapshot: &HardwareSnapshot) -> Result<(), Failure> {
    Ok(ledger::write(
        &room.state.node(&node.name)?,
        &snapshot.ledger,
    )?)
}

fn boot_unknown(node: &Node) -> Failure {
    Failure::said(
        Exit::Unavailable,
        format!(
            "{} does not tell its boot id, without which no step can be journalled",
            node.name
        ),
        "",
    )
}

/// A stop with nothing carried out is the signal's own code; with something carried out it is resumable.
fn stop_exit(signal: Exit, steps: u32) -> Exit {
    if steps == 0 { signal } else { Exit::Partial }
}

/// A finished plan, unless the second reader objects.
pub fn checked(
    plan: Plan,
    declaration: &Declaration,
    nodes: &[NodeInput],
) -> Result<Plan, Failure> {
    let violations = reconcile::check(&plan, declaration, nodes);
    let Some(first) = violations.first() else {
        return Ok(plan);
    };
    let step = first
        .step
        .as_ref()
        .map_or_else(String::new, |step| format!(" (step {step})"));
    Err(Failure::said(
        Exit::Internal,
        format!(
            "the plan breaks safety rule {}{step}: {}",
            first.rule, first.message
        ),
        "nothing was touched; please report this with `shardplane snapshot` and the declared files",
    ))
}

/// Whether any policy of the plan wants its digest approved.
pub fn wants_digest(plan: &Plan) -> bool {
    plan.nodes
        .iter()
        .any(|node| !node.steps.is_empty() && node.governance.approval == ApprovalMode::Manual)
}
