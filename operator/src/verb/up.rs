//! `up`: apply, then keep it so and run the declared models, until somebody says stop.
mod again;
mod aside;
mod fell;
mod goals;
mod pass;
mod port;
mod pruned;
mod question;
mod ready;
mod refused;
mod removal;
mod repairs;
mod reread;
mod said;
mod stage;
mod turns;
mod watch;

use std::{
    collections::BTreeMap,
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use crd::declaration::Declaration;
use machine::{Clock, Happening, Machine, Roots, Timestamp};

use super::{apply, setting};
use crate::{
    cli::{Environment, Leave, UpArgs},
    console::Console,
    engine::interrupt::{StopFlag, reads_again_on_hangup},
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    room::Opening,
    supervise::{
        Event, Supervisor, TERM_LIMIT, Tended,
        control::{self, Asked, Reply, Request},
        process,
    },
};
use again::Again;
use stage::{Stage, Standing};
use turns::Waiting;

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
    let declared = reread::first(args, console)?;
    stop.takes_in_hand();
    let stage = match &declared {
        None => Stage::Standby,
        Some(_) if console.notify().is_there() => {
            Stage::Starting(Machine::linux(Roots::default()).now())
        }
        Some(_) => Stage::Keeping,
    };
    let declaration = declared.unwrap_or_default();
    if args.ask.is_some() {
        ready::model_to_ask(&declaration, args.model.as_deref())?;
    }
    let setting = setting::open(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Wall),
    )?;
    if args.ask.is_some() {
        setting.binary.path()?;
    }
    let lock = setting::lock(&setting.room, "up")?;
    process::wait_for_orphans(&setting.room.state, console, stop)?;
    let (events, received) = sync_channel(EVENTS);
    let mut socket =
        control::listen(setting.room.state.root(), events.clone()).map_err(|source| {
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
    if reads_again_on_hangup(console) {
        watch::hangups(&events)?;
    }
    let supervisor = Supervisor::new(
        setting.binary.clone(),
        setting.room.state.clone(),
        (events.clone(), received),
    );
    let mut up = Up {
        args,
        environment,
        console,
        stop,
        place: SourcePlace::new(environment.current.clone()),
        declaration,
        stage,
        standing: Standing::default(),
        supervisor,
        events,
        wall: Machine::linux(Roots::default()),
        said: BTreeMap::new(),
        blocked: BTreeMap::new(),
        waiting: Waiting::default(),
        again: Again::default(),
        asked: Answer::Waiting,
        parting: None,
        cut: None,
        setting,
    };
    let ended = up.serve();
    // Whatever ended it, no worker outlives it.
    console.notify().stopping(
        "draining workers; the machine stays as it is",
        up.drain_limit(),
    );
    let stopped = up.stop_workers();
    // In this order: nobody finds a socket where nobody answers, and whoever hears that it is over may work here at once.
    socket.close();
    drop(lock);
    if let Some((reply, ended)) = up.parting.take() {
        // Whoever went away wants no answer.
        let _ = reply.send(ended);
    }
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
    environment: &'a Environment,
    console: &'a Console,
    stop: &'a StopFlag,
    place: SourcePlace,
    declaration: Declaration,
    stage: Stage,
    standing: Standing,
    supervisor: Supervisor,
    events: SyncSender<Event>,
    wall: Machine,
    /// The last thing said of each subject, so that a timer repeats nothing.
    said: BTreeMap<&'static str, String>,
    /// Goals that were blocked when the machine was last looked at.
    blocked: goals::Blocked,
    /// What waits for workers to be ready.
    waiting: Waiting,
    /// Builds and passes that came to nothing.
    again: Again,
    asked: Answer,
    /// What whoever asked for the end is told when it is over.
    parting: Option<(SyncSender<Reply>, Reply)>,
    /// Why a later pass did not carry out all of its steps, where it was stopped in the middle.
    cut: Option<String>,
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
        let before = self.stage;
        if let Some(exit) = self.begin()? {
            return Ok(exit);
        }
        let mut next_look = self.next_look(before);
        loop {
            self.console.notify().turn(self.wall.now());
            if let Some(stop) = self.stop.asked() {
                self.console
                    .note("stopping: draining workers; the machine stays as it is");
                // Whoever asked a question has no answer.
                return Ok(match (self.args.ask.is_some(), self.cut.take()) {
                    (true, _) => stop.exit(),
                    (false, Some(why)) => {
                        self.console.note(&format!("up: {why}"));
                        Exit::Partial
                    }
                    (false, None) => Exit::Ok,
                });
            }
            let waited = self.wait(next_look)?;
            // Where a rollout has stopped, what is left to do shows at a look.
            let next = match waited {
                Next::Wait if self.gives_up_waiting() => Next::Look,
                other => other,
            };
            match next {
                Next::Wait => {}
                Next::End(exit) => return Ok(exit),
                Next::Look => {
                    let before = self.stage;
                    if let Some(exit) = self.look()? {
                        return Ok(exit);
                    }
                    next_look = self.next_look(before);
                }
            }
            let started = self.supervisor.restart_due(&self.setting.room);
            self.told("restart", started)?;
        }
    }

    /// When to look again: at once where models have their turn now, else after the interval.
    fn next_look(&self, before: Stage) -> Timestamp {
        let now = self.wall.now();
        match (before, self.stage) {
            (Stage::Starting(_), Stage::Keeping) => now,
            _ => now.plus(Duration::from_secs(self.args.interval)),
        }
    }

    /// Waits for something to happen.
    fn wait(&mut self, next_look: Timestamp) -> Result<Next, Failure> {
        let now = self.wall.now();
        let due = self
            .supervisor
            .next_start()
            .map_or(next_look, |start| start.min(next_look));
        match self.supervisor.news.next(now.until(due).min(LOOK)) {
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
                let listens = self
                    .supervisor
                    .listening(&id, generation, &address, &pids)?;
                if listens {
                    self.console
                        .note(&format!("worker {id} serves on http://{address}"));
                    self.ask(&address)?;
                }
                Ok(if listens && self.may_go_on() {
                    Next::Look
                } else {
                    Next::Wait
                })
            }
            Event::NotListening {
                id,
                generation,
                why,
            } => {
                self.cannot_listen(&id, generation, &why);
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
                match said {
                    Some(said) => self.fell(&id, Some(&said)),
                    None => Ok(Next::Wait),
                }
            }
            Event::Tended(Tended::Fell(id)) => self.fell(&id, None),
            Event::Tended(Tended::Failed(doing, failure)) => {
                self.told(doing, Err(failure))?;
                Ok(Next::Wait)
            }
            Event::Machine { node, event, heard }
                if self.supervisor.own_work.explain(&node, &event.what, heard) =>
            {
                Ok(Next::Wait)
            }
            Event::Machine { node, event, .. } => {
                self.console
                    .note(&format!("{node}: {}", ready::happening(&event.what)));
                self.is_in_doubt();
                if event.what == Happening::Rebooted {
                    // Nothing that ran before a boot holds its SoCs after it.
                    self.supervisor.stop_on(&node, &self.setting.room)?;
                }
                Ok(Next::Look)
            }
            Event::Reload => {
                self.console.note("up: reading again what is declared");
                self.again.at_once();
                match self.stage {
                    // It was never told that we are ready, and waits for that.
                    Stage::Starting(_) => {}
                    Stage::Standby | Stage::Keeping => self.console.notify().reloading(),
                }
                Ok(Next::Look)
            }
            Event::Control(Asked {
                request: Request::AsDeclared {},
                reply,
                asker: _,
            }) => Ok(self.wait_as_declared(reply)),
            Event::Control(Asked {
                request: Request::Prune { programs },
                reply,
                asker: _,
            }) => {
                self.prune(&programs, &reply);
                Ok(Next::Wait)
            }
            Event::Answered(answer) => answer.map(|()| Next::End(Exit::Ok)),
            Event::Control(Asked {
                request: Request::Status {},
                reply,
                asker: _,
            }) => {
                // Whoever went away wants no answer.
                let _ = reply.send(self.standing_now());
                Ok(Next::Wait)
            }
            Event::Control(Asked {
                request:
                    Request::Down {
                        yes,
                        approve_digest,
                        room,
                        nodes,
                    },
                reply,
                asker,
            }) => {
                let leave = Leave {
                    yes,
                    approve_digest,
                };
                Ok(self.asked_down(&leave, (&room, &nodes), reply, &asker))
            }
        }
    }

    fn stop_workers(&mut self) -> Result<(), Failure> {
        self.supervisor
            .stop_all(self.drain_seconds(), &self.setting.room)
    }

    /// How long every worker together, or one, may take to drain and stop.
    fn drain_limit(&self) -> Duration {
        let workers = u32::try_from(self.supervisor.report().len()).unwrap_or(u32::MAX);
        let each = Duration::from_secs(u64::from(self.drain_seconds())) + TERM_LIMIT * 2;
        each.saturating_mul(workers.max(1))
    }
}
