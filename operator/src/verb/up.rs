//! `up`: apply, then keep it so and run the declared models, until somebody says stop.
mod goals;
mod question;
mod ready;
mod removal;
mod reread;
mod watch;

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use crd::{
    declaration::Declaration,
    plan::Plan,
    step::{Action, Step},
};
use machine::{Clock, Happening, Machine, Roots, Timestamp};

use super::{apply, setting};
use crate::{
    cli::{Environment, Leave, UpArgs},
    console::{Console, Tone},
    declared,
    engine::{Engine, Settled, approve::Asking, interrupt::StopFlag},
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    render::plan::{Detail, Frame},
    supervise::{
        Crew, DRAIN_SECONDS, Event, Supervisor,
        control::{self, Asked, Reply, Request},
        process,
    },
};

/// Events that may wait; senders are few and each waits for room.
const EVENTS: usize = 1024;
/// The longest wait without looking whether somebody asked for a stop.
const LOOK: Duration = Duration::from_millis(200);

/// `up`
pub fn run(
    args: &UpArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let declared = declared::declared(&args.files.file, console)?;
    if args.ask.is_some() {
        ready::model_to_ask(&declared.declaration, args.model.as_deref())?;
    }
    let setting = setting::open(&args.place, environment, console, Clock::Wall)?;
    if !declared.declaration.models.is_empty() {
        setting.binary.path()?;
    }
    let _lock = setting::lock(&setting.room, "up")?;
    process::wait_for_orphans(&setting.room.state, console)?;
    let (events, received) = sync_channel(EVENTS);
    let _socket = control::listen(setting.room.state.root(), events.clone()).map_err(|source| {
        Failure::Write {
            path: setting
                .room
                .state
                .root()
                .join("control.sock")
                .display()
                .to_string(),
            source,
        }
    })?;
    watch::machines(args, environment, console, &events)?;
    let supervisor = Supervisor::new(
        setting.binary.clone(),
        setting.room.state.clone(),
        events.clone(),
    );
    let mut up = Up {
        args,
        console,
        stop,
        place: SourcePlace::new(environment.current.clone()),
        declaration: declared.declaration,
        supervisor,
        events,
        received,
        wall: Machine::linux(Roots::default()),
        said: BTreeMap::new(),
        blocked: BTreeMap::new(),
        asked: Answer::Waiting,
        setting,
    };
    let ended = up.serve();
    // Whatever ended it, no worker outlives it.
    let stopped = up.stop_workers();
    let exit = ended?;
    stopped?;
    Ok(exit)
}

/// Where the answer to `--ask` stands.
enum Answer {
    Waiting,
    Asked,
}

struct Up<'a> {
    args: &'a UpArgs,
    console: &'a Console,
    stop: &'a StopFlag,
    place: SourcePlace,
    declaration: Declaration,
    supervisor: Supervisor,
    events: SyncSender<Event>,
    received: Receiver<Event>,
    wall: Machine,
    /// The last thing said of each subject, so that a timer repeats nothing.
    said: BTreeMap<&'static str, String>,
    /// Goals that were blocked when the machine was last looked at.
    blocked: goals::Blocked,
    asked: Answer,
    setting: setting::Setting,
}

/// What the loop does next.
enum Next {
    Wait,
    Look,
    End(Exit),
}

impl Up<'_> {
    fn serve(&mut self) -> Result<Exit, Failure> {
        let first = self.pass(true)?;
        if !matches!(first.exit, Exit::Ok | Exit::Blocked) {
            self.console
                .note(apply::outcome(&first, self.console).trim_end());
            return Ok(first.exit);
        }
        // The first plan was printed whole.
        self.blocked = goals::blocked(&first.plan);
        self.work(&first.plan)?;
        if let Some(failure) = self.nothing_to_ask(&first) {
            return Err(failure);
        }
        if self.args.ask.is_none() {
            self.console
                .note("up: keeping it so; Ctrl-C or `shardplane down` ends it");
        }
        let interval = Duration::from_secs(self.args.interval);
        let mut next_look = self.wall.now().plus(interval);
        loop {
            if self.stop.asked().is_some() {
                self.console
                    .note("stopping: draining workers; the machine stays as it is");
                return Ok(Exit::Ok);
            }
            match self.wait(next_look)? {
                Next::Wait => {}
                Next::End(exit) => return Ok(exit),
                Next::Look => {
                    self.read_again();
                    match self.pass(false) {
                        Ok(settled) => {
                            if matches!(settled.exit, Exit::Ok | Exit::Blocked) {
                                self.said.remove("pass");
                                self.goals(&settled.plan);
                                let worked = self.work(&settled.plan);
                                self.told("work", worked)?;
                            } else {
                                self.say("pass", &settled.why);
                            }
                        }
                        Err(failure) => self.say("pass", &failure.chain()),
                    }
                    next_look = self.wall.now().plus(interval);
                }
            }
            let started = self.supervisor.restart_due(&self.setting.room);
            self.told("restart", started)?;
        }
    }

    /// Waits for something to happen.
    fn wait(&mut self, next_look: Timestamp) -> Result<Next, Failure> {
        let now = self.wall.now();
        let due = self
            .supervisor
            .next_start()
            .map_or(next_look, |start| start.min(next_look));
        match self.received.recv_timeout(now.until(due).min(LOOK)) {
            Ok(event) => self.react(event),
            Err(RecvTimeoutError::Timeout) if self.wall.now() >= next_look => Ok(Next::Look),
            // The sender in `self` keeps the channel open.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(Next::Wait),
        }
    }

    fn react(&mut self, event: Event) -> Result<Next, Failure> {
        match event {
            Event::Listening {
                id,
                generation,
                address,
                pids,
            } => {
                if self.supervisor.listening(&id, generation, &address, &pids) {
                    self.console
                        .note(&format!("worker {id} serves on http://{address}"));
                    self.ask(&address)?;
                }
                Ok(Next::Wait)
            }
            Event::Ended { id, generation } => {
                let ended = self.supervisor.ended(&id, generation, &self.setting.room);
                let said = match ended {
                    Ok(said) => said,
                    Err(failure) => {
                        self.told("ended", Err(failure))?;
                        None
                    }
                };
                if let Some(said) = said {
                    if let (Some(_), Some((exit, why))) =
                        (&self.args.ask, self.supervisor.last_words(&id))
                    {
                        return Err(Failure::said(exit, format!("worker {id} ended: {why}"), ""));
                    }
                    self.console.note(&said);
                }
                Ok(Next::Wait)
            }
            Event::Machine { node, event } => {
                self.console
                    .note(&format!("{node}: {}", ready::happening(&event.what)));
                if event.what == Happening::Rebooted {
                    // Nothing that ran before a boot holds its SoCs after it.
                    self.supervisor.stop_on(&node, &self.setting.room)?;
                }
                Ok(Next::Look)
            }
            Event::Answered(answer) => answer.map(|()| Next::End(Exit::Ok)),
            Event::Control(Asked {
                request: Request::Status {},
                reply,
            }) => {
                // Whoever went away wants no answer.
                let _ = reply.send(Reply::Status {
                    workers: self.supervisor.report(),
                });
                Ok(Next::Wait)
            }
            Event::Control(Asked {
                request:
                    Request::Down {
                        yes,
                        approve_digest,
                    },
                reply,
            }) => {
                let leave = Leave {
                    yes,
                    approve_digest,
                };
                let ended = self.down(&leave, &reply);
                let (exit, why, hint) = match ended {
                    Ok(settled) => (settled.exit, settled.why, String::new()),
                    Err(failure) => (failure.exit(), failure.chain(), failure.hint().to_owned()),
                };
                let _ = reply.send(Reply::Ended {
                    code: exit.code(),
                    why,
                    hint,
                });
                if exit == Exit::Ok {
                    Ok(Next::End(Exit::Ok))
                } else {
                    Ok(Next::Look)
                }
            }
        }
    }

    /// One pass of the engine over the whole declaration.
    fn pass(&mut self, first: bool) -> Result<Settled, Failure> {
        let leave = self.args.leave.clone();
        let (console, title) = (self.console, self.setting.room.title.clone());
        let asks_only = self.args.ask.is_some();
        let mut engine = Engine {
            room: &self.setting.room,
            declaration: &self.declaration,
            place: &self.place,
            binary: &self.setting.binary,
            toolchain: self.setting.toolchain.clone(),
            console,
            stop: self.stop,
            leave: &leave,
            asking: if first { Asking::Up } else { Asking::Timer },
            crew: Crew::Supervised(&mut self.supervisor),
        };
        engine.converge(|plan: &Plan| {
            if first || plan.applyable {
                let frame = Frame {
                    observed: &title,
                    next: None,
                };
                let text =
                    crate::render::plan::text(plan, &frame, console.err_paint(), Detail::Normal);
                // The answer alone is the result of `--ask`.
                if asks_only || !first {
                    console.note(text.trim_end());
                } else {
                    console.result(&text);
                }
            }
            Ok(())
        })
    }

    /// Carries out the worker steps of a plan.
    fn work(&mut self, plan: &Plan) -> Result<(), Failure> {
        self.supervisor.set_drain(self.drain_seconds());
        for node in &plan.nodes {
            for Step { action, .. } in &node.work {
                match action {
                    Action::StartWorker { worker } => self.start(worker, &node.node)?,
                    Action::StopWorker { worker } => {
                        self.console.note(&format!("draining worker {worker}"));
                        self.supervisor
                            .stop(worker, self.drain_seconds(), &self.setting.room)?;
                    }
                    Action::ReplaceWorker { worker } => {
                        self.console
                            .note(&format!("replacing worker {}", worker.id));
                        self.supervisor.stop(
                            &worker.id,
                            self.drain_seconds(),
                            &self.setting.room,
                        )?;
                        self.start(worker, &node.node)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        worker: &crd::step::WorkerRequest,
        node: &crd::id::NodeName,
    ) -> Result<(), Failure> {
        self.console.note(&format!("starting worker {}", worker.id));
        match self.supervisor.start(worker, node, &self.setting.room) {
            Err(failure) if self.args.ask.is_none() => {
                self.console
                    .note(&format!("worker {}: {}", worker.id, failure.chain()));
                Ok(())
            }
            other => other,
        }
    }

    fn stop_workers(&mut self) -> Result<(), Failure> {
        self.supervisor
            .stop_all(self.drain_seconds(), &self.setting.room)
    }

    /// The longest drain that a policy declares.
    fn drain_seconds(&self) -> u32 {
        self.declaration
            .policies
            .iter()
            .filter_map(|policy| policy.spec.drain.as_ref())
            .map(|drain| drain.timeout_seconds)
            .max()
            .unwrap_or(DRAIN_SECONDS)
    }

    /// What goes wrong beside a pass ends `--ask`; otherwise it is told, and tried again.
    fn told(&mut self, subject: &'static str, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => {
                self.said.remove(subject);
                Ok(())
            }
            Err(failure) if self.args.ask.is_none() => {
                self.say(subject, &failure.chain());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Says something, unless it was the last thing said of its subject.
    fn say(&mut self, subject: &'static str, text: &str) {
        if self.said.get(subject).is_none_or(|last| last != text) {
            let paint = self.console.err_paint();
            self.console
                .note(&format!("{} {text}", paint.tone(Tone::Update, "warning:")));
            self.said.insert(subject, text.to_owned());
        }
    }
}
