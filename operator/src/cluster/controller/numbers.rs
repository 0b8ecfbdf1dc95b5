//! What the controller counts, as Prometheus reads it, and whether it lives and leads.
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use machine::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::measures::{Lasting, Measures};
use crate::cluster::{
    models::{self, Replicas},
    telemetry::listener::Told,
    term::now,
};

/// A controller that has not come round for so long is stuck: a turn over a thousand nodes takes seconds, and every
/// request has its own limit.
const STUCK: Duration = Duration::from_mins(5);
/// Why a turn's write may fail: every word is there from the start, so that an alert sees the first one.
pub const REASONS: [&str; 4] = ["conflict", "refused", "unanswered", "unsafe-plan"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StandLabel {
    stand: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Object {
    kind: &'static str,
    name: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    name: String,
}

/// Numbers of one controller.
#[derive(Debug)]
pub struct Numbers {
    registry: Registry,
    leads: Gauge,
    turn: Histogram,
    failed: Family<Reason, Counter>,
    written: Family<Kind, Counter>,
    nodes: Family<StandLabel, Gauge>,
    effects: Gauge,
    gates: Gauge,
    resets: Gauge,
    working: Gauge,
    limit: Gauge,
    blocked: Family<Object, Gauge>,
    drifted: Family<Object, Gauge>,
    stalled: Family<Object, Gauge>,
    wanted: Family<Named, Gauge>,
    ready: Family<Named, Gauge>,
    restarts: Family<Named, Gauge>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it last came round.
    came_round: Option<Timestamp>,
    waiting: Vec<Lasting>,
    drifted: Vec<Lasting>,
    models: models::Measures,
}

impl Default for Numbers {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("shardplane_controller");
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let leads = gauge(&mut registry, "leader", "1 while this replica leads");
        let effects = gauge(&mut registry, "plan_effects", "Effects that are left to do");
        let gates = gauge(&mut registry, "plan_gates", "Gates that are left to pass");
        let resets = gauge(
            &mut registry,
            "plan_resets",
            "SoC resets that are left to do",
        );
        let working = gauge(&mut registry, "budget_nodes_in_use", "Nodes at work");
        let limit = gauge(
            &mut registry,
            "budget_nodes",
            "Nodes that may be at work at once; 0 where nothing is planned",
        );
        let turn = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register_with_unit(
            "reconcile_duration",
            "From what is known to what is to be written",
            Unit::Seconds,
            turn.clone(),
        );
        let (failed, written) = (Family::default(), Family::default());
        registry.register(
            "reconcile_errors",
            "What went wrong, by why",
            failed.clone(),
        );
        registry.register("writes", "Objects written, by kind", written.clone());
        let nodes = Family::default();
        registry.register("nodes", "Nodes, by where they stand", nodes.clone());
        let (blocked, drifted, stalled) = (Family::default(), Family::default(), Family::default());
        registry.register_with_unit(
            "blocked",
            "How long an object is not Ready, by the reason now",
            Unit::Seconds,
            blocked.clone(),
        );
        registry.register_with_unit(
            "drift_age",
            "How long a node is not as it was left",
            Unit::Seconds,
            drifted.clone(),
        );
        registry.register_with_unit(
            "stalled",
            "How long nothing has moved of a model or a build without a person, by the reason now",
            Unit::Seconds,
            stalled.clone(),
        );
        let (wanted, ready, restarts) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "model_replicas_wanted",
            "Replicas of a model that are declared",
            wanted.clone(),
        );
        registry.register(
            "model_replicas_ready",
            "Replicas of a model that serve",
            ready.clone(),
        );
        registry.register(
            "model_restarts",
            "How often containers of a model's pods were started again, of the pods that are there",
            restarts.clone(),
        );
        let numbers = Self {
            registry,
            leads,
            turn,
            failed,
            written,
            nodes,
            effects,
            gates,
            resets,
            working,
            limit,
            blocked,
            drifted,
            stalled,
            wanted,
            ready,
            restarts,
            state: Mutex::default(),
        };
        for reason in REASONS {
            drop(numbers.failed.get_or_create(&Reason { reason }));
        }
        numbers
    }
}

impl Numbers {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: a panic leaves nothing half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It came round, whether it leads or waits.
    pub fn came_round(&self, leads: bool) {
        self.leads.set(i64::from(leads));
        self.state().came_round = Some(now());
        if !leads {
            // Another one tells of the cluster now.
            self.measured(&Measures::default());
            self.modelled(models::Measures::default());
        }
    }

    /// How models and builds stand.
    pub fn modelled(&self, measures: models::Measures) {
        self.state().models = measures;
    }

    /// A turn was decided on.
    pub fn turned(&self, took: Duration, measures: &Measures) {
        self.turn.observe(took.as_secs_f64());
        self.measured(measures);
    }

    fn measured(&self, measures: &Measures) {
        self.nodes.clear();
        for (stand, count) in &measures.nodes {
            self.nodes.get_or_create(&StandLabel { stand }).set(*count);
        }
        self.effects.set(measures.effects);
        self.gates.set(measures.gates);
        self.resets.set(measures.resets);
        let at_work = ["working", "begins"].map(|stand| measures.nodes.get(stand));
        self.working.set(at_work.into_iter().flatten().sum());
        self.limit.set(measures.limit);
        let mut state = self.state();
        state.waiting.clone_from(&measures.waiting);
        state.drifted.clone_from(&measures.drifted);
    }

    /// An object was written.
    pub fn wrote(&self, kind: &'static str) {
        self.written.get_or_create(&Kind { kind }).inc();
    }

    /// Something went wrong, for one of [`REASONS`].
    pub fn failed(&self, reason: &'static str) {
        self.failed.get_or_create(&Reason { reason }).inc();
    }
}

/// Sets a series for each, as old as it is at this moment. What is no more has none.
fn ages<'a>(
    family: &Family<Object, Gauge>,
    of: impl IntoIterator<Item = &'a Lasting>,
    now: Timestamp,
) {
    family.clear();
    let seconds = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
    for one in of {
        let object = Object {
            kind: one.kind,
            name: one.name.clone(),
            reason: one.reason.clone(),
        };
        let age = seconds.saturating_sub(one.since).max(0);
        family.get_or_create(&object).set(age);
    }
}

impl Told for Numbers {
    fn numbers(&self) -> String {
        {
            let state = self.state();
            let waiting = state.waiting.iter().chain(&state.models.waiting);
            ages(&self.blocked, waiting, now());
            ages(&self.drifted, &state.drifted, now());
            ages(&self.stalled, &state.models.stalled, now());
            self.wanted.clear();
            self.ready.clear();
            self.restarts.clear();
            for (name, replicas) in &state.models.replicas {
                let Replicas {
                    wanted,
                    ready,
                    restarts,
                } = replicas;
                let named = Named { name: name.clone() };
                self.wanted.get_or_create(&named).set(*wanted);
                self.ready.get_or_create(&named).set(*ready);
                self.restarts.get_or_create(&named).set(*restarts);
            }
        }
        let mut out = String::new();
        // Writing to a string fails never.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    fn stuck(&self) -> Option<String> {
        let last = self.state().came_round?;
        let passed = last.until(now());
        (passed > STUCK).then(|| format!("it has not come round for {} s", passed.as_secs()))
    }

    fn unready(&self) -> Option<String> {
        // One that waits for the lease is as ready as one that leads.
        let started = self.state().came_round.is_some();
        (!started).then(|| "it has not asked for the lease yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_scraped_has_a_series_for_everything_before_it_happens() {
        let numbers = Numbers::default();
        let since = |since| Lasting {
            kind: "CardPolicy",
            name: "quickstart".into(),
            reason: "Applying".into(),
            since,
        };
        numbers.came_round(true);
        let measures = Measures {
            nodes: [("working", 2), ("begins", 1)].into(),
            effects: 7,
            limit: 4,
            waiting: vec![since(0)],
            ..Measures::default()
        };
        numbers.turned(Duration::from_millis(3), &measures);
        numbers.wrote("CardNode");
        let text = numbers.numbers();
        for line in [
            "shardplane_controller_leader 1",
            "shardplane_controller_plan_effects 7",
            "shardplane_controller_budget_nodes_in_use 3",
            "shardplane_controller_budget_nodes 4",
            "shardplane_controller_nodes{stand=\"working\"} 2",
            "shardplane_controller_writes_total{kind=\"CardNode\"} 1",
            "shardplane_controller_reconcile_errors_total{reason=\"conflict\"} 0",
            "shardplane_controller_reconcile_duration_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let blocked = "shardplane_controller_blocked_seconds{kind=\"CardPolicy\",name=\"quickstart\",reason=\"Applying\"} ";
        let age = |text: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(blocked))?;
            line.parse().ok()
        };
        // Since 1970.
        assert!(age(&text) > Some(1_000_000_000), "{text}");
        let stalls = Lasting {
            kind: "ShardedModel",
            name: "team/tiny".into(),
            reason: "ClaimMissing".into(),
            since: 0,
        };
        let of_models = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.contains("name=\"team/"));
            // Of an age the length is told: the seconds since 1970 pass.
            let short = |line: &str| {
                line.rsplit_once(' ').map(|(series, value)| {
                    format!("{series} {}", if value.len() > 9 { "long" } else { value })
                })
            };
            lines.filter_map(short).collect()
        };
        assert_eq!(of_models(&text), [""; 0], "nothing stands there in advance");
        numbers.modelled(models::Measures {
            waiting: vec![stalls.clone()],
            stalled: vec![stalls],
            replicas: [(
                "team/tiny".to_owned(),
                Replicas {
                    wanted: 2,
                    ready: 1,
                    restarts: 7,
                },
            )]
            .into(),
        });
        let series = [
            r#"shardplane_controller_blocked_seconds{kind="ShardedModel",name="team/tiny",reason="ClaimMissing"} long"#,
            r#"shardplane_controller_stalled_seconds{kind="ShardedModel",name="team/tiny",reason="ClaimMissing"} long"#,
            r#"shardplane_controller_model_replicas_wanted{name="team/tiny"} 2"#,
            r#"shardplane_controller_model_replicas_ready{name="team/tiny"} 1"#,
            r#"shardplane_controller_model_restarts{name="team/tiny"} 7"#,
        ];
        assert_eq!(of_models(&numbers.numbers()), series);
        // What is gone has no series.
        numbers.modelled(models::Measures::default());
        assert_eq!(of_models(&numbers.numbers()), [""; 0]);
        // One that leads no more tells of nothing.
        numbers.came_round(false);
        let text = numbers.numbers();
        assert_eq!(age(&text), None);
        assert!(text.contains("shardplane_controller_plan_effects 0"));
    }
}
