//! The controller: decides for all nodes, one leader at a time, from what the API server says and nothing else.
//!
//! `stores` follow the objects, `world` is what one turn sees of them, `decide` turns it into `writes`: `declared` (what
//! is asked), `fleet` (which nodes there are), `survey` (what each needs, of which it keeps a `sheet`), `rollout`, `progress`
//! and `opening` (what begins where, and how far it came), `drains` (who has to go first), `grants` (who may do what),
//! `in_hand` (which steps end although what was granted is taken back),
//! `leaving` (which policies stay until all is put back), `verdict` (how all stands), `events` (what of it is told).
//! `evictions` asks for pods to go, or `maintenance` somebody else; `lease` says who leads, and in which epoch; `measures`
//! and `numbers` are for those who watch.
//!
//! Level-based: nothing is remembered from turn to turn but which writes are not seen back yet, which evictions were
//! refused, and what was worked out of things that did not change.
mod asked;
mod decide;
mod declared;
mod departing;
mod drains;
mod events;
mod evictions;
mod fleet;
mod grants;
mod in_hand;
mod lease;
mod leave;
mod leaving;
mod maintenance;
mod measures;
mod numbers;
mod opening;
mod progress;
mod rollout;
mod sheet;
mod since;
mod stores;
mod survey;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;
mod world;
mod writes;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crd::{id::NodeName, kind::API_VERSION};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube_client::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use machine::{Machine, Roots};
use tokio::sync::watch;

use crate::{
    cli::{ControllerArgs, Environment},
    cluster::{
        connection,
        models::Models,
        names::CONTROLLER,
        telemetry::{
            listener,
            log::{Level, Log},
        },
        term::{LIMIT, LOOK, PATIENCE, REST, SIGHT, Term, WRITES, now},
    },
    console::Console,
    engine::interrupt::StopFlag,
    exit::Exit,
    failure::{self, Failure},
};
use decide::decide;
use events::Told;
use evictions::{AGAIN, Refusal};
use lease::Leadership;
pub use lease::Led;
pub use measures::{Lasting, since};
pub use numbers::Numbers;
use since::Since;
use stores::Stores;
pub use stores::lighten;
use survey::Notes;
pub use world::{not_ready, number, stands_there, stays};
use writes::{Write, Written, write};

/// `controller`
pub fn run(
    args: &ControllerArgs,
    environment: &Environment,
    console: &Console,
    stop: &StopFlag,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("controller")
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::said(
                Exit::Unavailable,
                format!("starting threads: {error}"),
                failure::cure(&error),
            )
        })?;
    let ended = runtime.block_on(async {
        let client = connection::client(args.cluster.kubeconfig.as_deref(), environment).await?;
        let me = args.identity.clone().unwrap_or_else(|| {
            let host = Machine::linux(Roots::default()).name();
            format!("{host}-{}", std::process::id())
        });
        let term = Duration::from_secs(args.lease_seconds);
        let leadership = Leadership::new(&client, &args.namespace, &me, term);
        let log = Log::new(console, "controller", args.telemetry.log_format);
        let numbers = Arc::new(Numbers::default());
        if let Some(address) = args.telemetry.metrics {
            let at = listener::listen(address, numbers.clone()).await?;
            log.say(
                Level::Info,
                &format!("metrics and health are asked for at {at}"),
                &[("address", &at)],
            );
        }
        let (say, led) = watch::channel(None);
        let leading = tokio::spawn(lead(leadership, say, stop.clone()));
        let models = Models {
            client: client.clone(),
            log,
            numbers: numbers.clone(),
            term: Term::new(stop, &led),
            me: me.clone(),
            image: args.worker_image.clone(),
        };
        let mut controller = Controller {
            client,
            log,
            numbers,
            term: Term::new(stop, &led),
            me,
            namespace: args.namespace.clone(),
            maintains: true,
            trouble: String::new(),
            refusals: BTreeMap::new(),
            departures: Since::default(),
            absences: Since::default(),
            drains: Since::default(),
            notes: Notes::default(),
        };
        futures::join!(controller.serve(), models.serve());
        // It gives the lease back; a server that does not answer keeps nobody waiting.
        let _ = tokio::time::timeout(PATIENCE, leading).await;
        Ok(Exit::Ok)
    });
    runtime.shutdown_background();
    ended
}

/// Keeps the lease, or waits for it, until a stop; says who leads in which epoch.
async fn lead(
    mut leadership: Leadership,
    say: watch::Sender<Option<Led>>,
    stop: StopFlag,
) -> Option<()> {
    let wall = || Machine::linux(Roots::default()).now();
    while stop.asked().is_none() {
        let turn = tokio::time::timeout(leadership.rhythm(), leadership.turn(wall)).await;
        // A server that does not answer takes the lease from nobody: what was said last holds until its time is over.
        if let Ok(Ok(led)) = turn {
            say.send_replace(led);
        }
        let mut left = leadership.rhythm();
        while !left.is_zero() && stop.asked().is_none() {
            let part = left.min(LOOK);
            tokio::time::sleep(part).await;
            left -= part;
        }
    }
    leadership.release().await.ok()
}

struct Controller<'a> {
    client: Client,
    log: Log<'a>,
    numbers: Arc<Numbers>,
    term: Term,
    me: String,
    /// Where we live.
    namespace: String,
    /// Whether requests for maintenance may stand there.
    maintains: bool,
    /// What went wrong last; told once.
    trouble: String,
    /// Evictions that were refused, by the pod's uid.
    refusals: BTreeMap<String, Refusal>,
    departures: Since<String>,
    absences: Since<NodeName>,
    drains: Since<NodeName>,
    notes: Notes,
}

impl Controller<'_> {
    async fn serve(&mut self) {
        let (log, me) = (self.log, self.me.clone());
        let say = |what: &str, epoch: i64| {
            let sentence = format!("{me} {what}");
            let fields: [(&str, &dyn std::fmt::Display); 2] =
                [("identity", &me), ("epoch", &epoch)];
            log.say(Level::Info, &sentence, &fields);
        };
        say("waits for the lease", 0);
        while !self.term.is_over() {
            let epoch = self.term.epoch();
            self.numbers.came_round(epoch.is_some());
            match epoch {
                Some(epoch) => {
                    say(&format!("leads, in epoch {epoch}"), epoch);
                    self.lead(epoch).await;
                    say("leads no more", epoch);
                }
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// One term: turn after turn while it leads. What it goes by was listed after it began to lead.
    async fn lead(&mut self, epoch: i64) {
        let recorder = Recorder::new(
            self.client.clone(),
            Reporter {
                controller: CONTROLLER.to_owned(),
                instance: Some(self.me.clone()),
            },
        );
        self.maintains = true;
        while self.term.leads(epoch) {
            let stores = Stores::follow(&self.client, &self.me, self.term.changed());
            let ready = tokio::time::timeout(LIMIT, stores.ready()).await;
            if ready != Ok(true) {
                self.numbers.failed("unanswered");
                self.told("the API server does not list our kinds; are the definitions in charts/shardplane/crds there, and may this account read them?");
                continue;
            }
            self.turns(epoch, &stores, &recorder).await;
        }
    }

    /// Turns, until it leads no more or has lost sight of its own writes.
    async fn turns(&mut self, epoch: i64, stores: &Stores, recorder: &Recorder) {
        let mut unseen: Vec<Written> = Vec::new();
        let mut since = now();
        while self.term.leads(epoch) {
            unseen.retain(|written| !stores.have_seen(written));
            if !unseen.is_empty() {
                if since.until(now()) > SIGHT {
                    return;
                }
                self.term.wait(epoch, LOOK).await;
                continue;
            }
            let began = now();
            let decision = {
                let world = self.world(epoch, stores).await;
                decide(&world, &mut self.notes)
            };
            self.evict(epoch, &decision.evict).await;
            self.numbers.came_round(true);
            self.numbers.turned(began.until(now()), &decision.measures);
            if let Some(why) = &decision.unsafe_plan {
                self.numbers.failed("unsafe-plan");
                self.told(why);
            }
            if decision.writes.is_empty() {
                let rest = if decision.drains { AGAIN } else { REST };
                self.term.wait(epoch, rest).await;
                continue;
            }
            for event in &decision.events {
                self.tell(recorder, event).await;
            }
            let (written, failed) = self.write(epoch, &decision.writes).await;
            unseen = written;
            since = now();
            match failed {
                None if decision.unsafe_plan.is_none() => self.trouble.clear(),
                None => {}
                Some(why) => {
                    self.told(&why);
                    self.term.wait(epoch, PATIENCE).await;
                }
            }
        }
    }

    /// Writes, some at once; what was written, and what went wrong with the others.
    async fn write(&self, epoch: i64, writes: &[Write]) -> (Vec<Written>, Option<String>) {
        let mut under_way = futures::stream::iter(writes)
            .map(|to| async move {
                // A leader that lost its term in the middle of a turn writes no further.
                if !self.term.leads(epoch) {
                    return None;
                }
                Some(tokio::time::timeout(LIMIT, write(&self.client, &self.namespace, to)).await)
            })
            .buffer_unordered(WRITES);
        let (mut written, mut failed) = (Vec::new(), None::<String>);
        while let Some(ended) = under_way.next().await {
            match ended {
                None => {}
                Some(Ok(Ok(one))) => {
                    self.numbers.wrote(one.kind);
                    written.push(one);
                }
                // It was decided on another version: the next turn sees that one.
                Some(Ok(Err(kube_client::Error::Api(status))))
                    if matches!(status.code, 404 | 409) =>
                {
                    self.numbers.failed("conflict");
                    failed.get_or_insert_with(String::new);
                }
                Some(Ok(Err(error))) => {
                    self.numbers.failed("refused");
                    let why = format!("writing failed: {}", connection::why(&error));
                    // The same one of several every time, so that it is told once.
                    failed = failed
                        .filter(|first| !first.is_empty() && *first < why)
                        .or(Some(why));
                }
                Some(Err(_)) => {
                    self.numbers.failed("unanswered");
                    failed = Some("writing failed: the API server does not answer".to_owned());
                }
            }
        }
        (written, failed)
    }

    /// Publishes an event; one that is lost is no harm, the conditions say all.
    async fn tell(&self, recorder: &Recorder, told: &Told) {
        let event = Event {
            type_: if told.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: told.reason.to_owned(),
            note: Some(told.note.clone()),
            action: "Rollout".to_owned(),
            // Events alike but for their note are counted as one, with the first one's note: the node tells them apart.
            secondary: (!told.node.is_empty()).then(|| ObjectReference {
                api_version: Some(API_VERSION.to_owned()),
                kind: Some("CardNode".to_owned()),
                name: Some(told.node.clone()),
                ..ObjectReference::default()
            }),
        };
        let digest = &told.digest;
        let level = if told.warning {
            Level::Warning
        } else {
            Level::Info
        };
        self.log.say(
            level,
            &format!("{digest}: {}", told.note),
            &[
                ("digest", digest),
                ("node", &told.node),
                ("reason", &told.reason),
            ],
        );
        let publishing = recorder.publish(&event, &told.about);
        let _ = tokio::time::timeout(PATIENCE, publishing).await;
    }

    fn told(&mut self, what: &str) {
        if !what.is_empty() && self.trouble != what {
            self.log.say(Level::Warning, what, &[]);
            what.clone_into(&mut self.trouble);
        }
    }
}
