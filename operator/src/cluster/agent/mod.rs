//! The agent of one node: looks, says what it sees, and carries out what was granted to it and nothing else.
//!
//! `watches` fill `orders`, which the loop here waits on; `admit` decides on a grant, `taken` keeps the newest one on
//! the node, `carrying` does what it says, `drains` wait for the controller, `tenants` are whoever holds SoCs, as the machine
//! shows and the `kubelet` says (`pod_resources`), `report` says what was seen and `publisher` writes it, `numbers` are for
//! those who watch.
//!
//! The API server may be away: what was begun goes on, what was seen is published when it is back. Nothing is begun without
//! it: an agent that was silent may hear of a grant that was taken back since.
mod admit;
mod carrying;
pub mod drains;
mod kubelet;
#[cfg(test)]
mod kubelet_tests;
mod numbers;
mod orders;
mod pod_resources;
mod publisher;
mod report;
mod taken;
pub mod tenants;
#[cfg(test)]
mod tenants_tests;
mod watches;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crd::{
    declaration::Declaration,
    kind::{CardNodeStatus, GrantProgress, GrantState},
    snapshot::HardwareSnapshot,
};
use machine::{Clock, Machine, Roots};
use reconcile::Scope;

use crate::{
    cli::{AgentArgs, Environment, Leave},
    cluster::telemetry::{
        listener,
        log::{Level, Log},
    },
    console::Console,
    engine::{
        Engine, FailedBuilds, SetAside,
        approve::Asking,
        interrupt::StopFlag,
        observe::{self, Surroundings},
    },
    exit::Exit,
    failure::Failure,
    place::SourcePlace,
    room::{Node, Opening},
    state::{EngineLock, Journal, LockError, ledger},
    supervise::Crew,
    verb::setting::{self, Setting},
};
use admit::{Admission, Me, Taken, admit};
use carrying::{last, word};
use kubelet::Kubelet;
use numbers::Numbers;
use orders::{Latest, Orders};
use publisher::Publisher;
use report::Seen;
use tenants::{Tenants, Word};

/// `agent`
pub fn run(
    args: &AgentArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let setting = setting::open(
        &args.place,
        environment,
        console,
        Opening::Work(Clock::Wall),
    )?;
    let [node] = setting.room.nodes.as_slice() else {
        return Err(Failure::said(
            Exit::Usage,
            format!(
                "{} has several servers, and an agent works on one",
                setting.room.title
            ),
            "name it with --node",
        ));
    };
    setting.room.state.make()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("api-server")
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::said(
                Exit::Unavailable,
                format!("starting a thread for the API server: {error}"),
                crate::failure::cure(&error),
            )
        })?;
    let client = runtime.block_on(crate::cluster::connection::client(
        args.cluster.kubeconfig.as_deref(),
        environment,
    ))?;
    let log = Log::new(console, "agent", args.telemetry.log_format);
    let numbers = Arc::new(Numbers::new(Duration::from_secs(args.interval)));
    if let Some(address) = args.telemetry.metrics {
        let at = runtime.block_on(listener::listen(address, numbers.clone()))?;
        log.say(
            Level::Info,
            &format!("metrics and health are asked for at {at}"),
            &[("address", &at)],
        );
    }
    let orders = Orders::default();
    watches::start(&runtime, &client, node.name.as_str(), &orders);
    watches::machine(&args.place, environment, console, &orders)?;
    watches::stops(&runtime, stop, &orders);
    let publisher = Publisher::new(
        runtime.handle().clone(),
        client,
        node.name.as_str(),
        log,
        numbers.clone(),
    );
    // A rack has no kubelet, but one that is named.
    let socket = match &node.machine {
        Machine::Linux(_) => Some(PathBuf::from(kubelet::SOCKET)),
        Machine::Rack(_) => None,
    };
    let kubelet = args
        .pod_resources
        .clone()
        .or(socket)
        .map(|socket| Kubelet::new(runtime.handle().clone(), socket));
    let agent = Agent {
        args,
        environment,
        console,
        log,
        numbers,
        stop,
        node,
        setting: &setting,
        orders,
        publisher,
        kubelet,
    };
    let ended = agent.serve();
    // The watches wait for the server for ever.
    runtime.shutdown_background();
    ended
}

struct Agent<'a> {
    args: &'a AgentArgs,
    environment: &'a Environment,
    console: &'a Console,
    log: Log<'a>,
    numbers: Arc<Numbers>,
    stop: &'a StopFlag,
    node: &'a Node,
    setting: &'a Setting,
    orders: Orders,
    publisher: Publisher<'a>,
    /// Absent on a virtual node.
    kubelet: Option<Kubelet>,
}

/// Whether this agent may work here.
enum Right {
    Work {
        _lock: EngineLock,
    },
    /// Somebody else works on the machine: it only looks.
    Look(String),
}

impl Agent<'_> {
    fn serve(&self) -> Result<Exit, Failure> {
        let name = &self.node.name;
        self.log.say(
            Level::Info,
            &format!("reporting {name} of {}", self.setting.room.title),
            &[("node", name)],
        );
        let mut right = self.take()?;
        if let Right::Work { .. } = right {
            self.engine(&StopFlag::default(), Crew::Nobody, |engine| {
                engine.recovered()
            })?;
        }
        loop {
            let (latest, turn) = self.orders.latest();
            if self.stop.asked().is_some() {
                return Ok(Exit::Ok);
            }
            if let Right::Look(_) = right {
                right = self.take()?;
            }
            let again = match &right {
                Right::Work { .. } => self.work(&latest)?,
                Right::Look(why) => {
                    self.report(&latest, None, Some(why))?;
                    false
                }
            };
            if !again {
                self.orders
                    .wait(turn, Duration::from_secs(self.args.interval));
            }
        }
    }

    /// Takes the engine's lock. Where somebody has it, this agent only looks.
    fn take(&self) -> Result<Right, Failure> {
        let root = self.setting.room.state.root();
        match EngineLock::take(root, &setting::holder("agent")) {
            Ok(lock) => Ok(Right::Work { _lock: lock }),
            Err(error @ LockError::Held { .. }) => Ok(Right::Look(format!(
                "{}, so that nothing is carried out for the cluster",
                crate::failure::chain(&error)
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// One turn. Whether something was carried out, after which it looks again at once.
    fn work(&self, latest: &Latest) -> Result<bool, Failure> {
        let folder = self.setting.room.state.node(&self.node.name)?;
        let before = taken::read(&folder)?;
        let asked = latest
            .card_node
            .as_ref()
            .and_then(|node| node.spec.approval);
        if let Some(approval) = asked {
            let kept = ledger::read(&folder)?;
            let governed = reconcile::ledger::under(&kept, approval);
            if governed != kept {
                ledger::write(&folder, &governed)?;
            }
        }
        let snapshot = self.look()?;
        let Some(card_node) = &latest.card_node else {
            self.tell(latest, &snapshot, None, None)?;
            return Ok(false);
        };
        let me = Me {
            node: &self.node.name,
            boot_id: snapshot.boot_id.get(),
            node_uid: latest.node_uid.as_deref(),
        };
        let uid = card_node.metadata.uid.clone().unwrap_or_default();
        let known = before.as_ref().filter(|taken| taken.card_node == uid);
        match admit(card_node, me, before.as_ref()) {
            Admission::Nothing => {
                let ended = known.map(last);
                self.tell(latest, &snapshot, ended.as_ref(), None)?;
                Ok(false)
            }
            Admission::Refused(progress) => {
                self.tell(latest, &snapshot, Some(&progress), None)?;
                Ok(false)
            }
            Admission::CarryOut { id, plan } => {
                let working = id.progress(GrantState::Working, None);
                let status = self.status(latest, &snapshot, Some(&working), None)?;
                if known.is_some_and(|taken| taken.id == id) {
                    self.publisher.publish(latest, status);
                } else if !self.publisher.take_up(latest, status) {
                    return Ok(false);
                }
                let mut record = Taken {
                    card_node: uid,
                    id: id.clone(),
                    ended: None,
                };
                // Before the first step: no older grant may follow this one, whatever becomes of it.
                taken::write(&folder, &record)?;
                self.says(Level::Info, &id, &format!("carrying out {}", id.digest.0));
                if let Some(ended) = self.carry_out(&id, &plan) {
                    self.numbers.ended(&format!("{:?}", ended.state));
                    let why = ended.why.as_ref();
                    let why = why.map_or_else(String::new, |why| format!(": {why}"));
                    let sentence = format!("{} {}{why}", id.digest.0, word(ended.state));
                    let level = match ended.state {
                        GrantState::Working | GrantState::Converged => Level::Info,
                        _ => Level::Warning,
                    };
                    self.says(level, &id, &sentence);
                    record.ended = Some(ended);
                    taken::write(&folder, &record)?;
                }
                Ok(self.stop.asked().is_none())
            }
        }
    }

    fn engine<T>(
        &self,
        stop: &StopFlag,
        crew: Crew<'_>,
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        let (declaration, leave) = (Declaration::default(), Leave::default());
        let place = SourcePlace::new(self.environment.current.clone());
        let mut engine = Engine {
            room: &self.setting.room,
            declaration: &declaration,
            scope: Scope::Cards,
            place: &place,
            binary: &self.setting.binary,
            toolchain: self.setting.toolchain.clone(),
            console: self.console,
            stop,
            leave: &leave,
            asking: Asking::Timer,
            builds: FailedBuilds::default(),
            aside: SetAside::default(),
            crew,
        };
        work(&mut engine)
    }

    fn look(&self) -> Result<HardwareSnapshot, Failure> {
        let began = Machine::linux(Roots::default()).now();
        let seen = self.seen();
        let took = began.until(Machine::linux(Roots::default()).now());
        self.numbers.looked(took);
        seen
    }

    fn seen(&self) -> Result<HardwareSnapshot, Failure> {
        let around = Surroundings {
            worker: self.setting.toolchain.clone(),
            workers: BTreeMap::new(),
            tenants: self.tenants(),
        };
        observe::node(&self.setting.room, self.node, &around)
    }

    /// Who else may hold SoCs, asked anew.
    fn tenants(&self) -> Tenants {
        let word = self.kubelet.as_ref().map_or(Word::NotAsked, Kubelet::ask);
        Tenants::Pods(word)
    }

    fn report(
        &self,
        latest: &Latest,
        grant: Option<&GrantProgress>,
        idle: Option<&str>,
    ) -> Result<(), Failure> {
        let snapshot = self.look()?;
        self.tell(latest, &snapshot, grant, idle)
    }

    /// Publishes what was seen.
    fn tell(
        &self,
        latest: &Latest,
        snapshot: &HardwareSnapshot,
        grant: Option<&GrantProgress>,
        idle: Option<&str>,
    ) -> Result<(), Failure> {
        let status = self.status(latest, snapshot, grant, idle)?;
        self.publisher.publish(latest, status);
        Ok(())
    }

    /// What is to be said of what was seen.
    fn status(
        &self,
        latest: &Latest,
        snapshot: &HardwareSnapshot,
        grant: Option<&GrantProgress>,
        idle: Option<&str>,
    ) -> Result<CardNodeStatus, Failure> {
        let folder = self.setting.room.state.node_folder(&self.node.name);
        // All that is told of it: the whole of a journal is a megabyte, and what follows takes another.
        let last_steps = report::last_steps(&Journal::read(&folder.join("journal"))?);
        let seen = Seen {
            snapshot,
            last_steps: &last_steps,
            node_uid: latest.node_uid.as_deref(),
            generation: latest
                .card_node
                .as_ref()
                .and_then(|node| node.metadata.generation),
            grant,
            idle,
        };
        let now = Machine::linux(Roots::default()).now();
        let status = report::status(&seen, &self.publisher.before(latest), now);
        self.numbers.deviates(status.counts.as_ref());
        Ok(status)
    }
}
