//! What an agent counts, as Prometheus reads it, and whether it lives.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crd::{
    id::StepId,
    journal::{Event, Record},
    kind::NodeCounts,
};
use machine::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::cluster::{telemetry::listener::Told, term::now};

/// How many looks may be missed before an agent that carries nothing out is stuck.
const MISSED: u32 = 6;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabel {
    action: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: String,
}

/// From a register write to a reset that takes its quarter of an hour.
#[derive(Clone, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.001, 4.0, 11))
    }
}

/// Numbers of one agent.
#[derive(Debug)]
pub struct Numbers {
    registry: Registry,
    look: Histogram,
    steps: Family<StepLabel, Histogram, Durations>,
    grants: Family<StateLabel, Counter>,
    written: Counter,
    failed: Family<Reason, Counter>,
    deviations: Gauge,
    at_work: Gauge,
    /// Seconds between two looks.
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Timestamp>,
    at_work: bool,
}

impl Numbers {
    /// Of an agent that looks this often.
    pub fn new(interval: Duration) -> Self {
        let mut registry = Registry::with_prefix("shardplane_agent");
        let look = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register_with_unit(
            "look_duration",
            "How long a look at the machine takes",
            Unit::Seconds,
            look.clone(),
        );
        let steps = Family::new_with_constructor(Durations);
        registry.register_with_unit(
            "step_duration",
            "From a step's beginning to its end, by action and how it ended",
            Unit::Seconds,
            steps.clone(),
        );
        let (grants, failed) = (Family::default(), Family::default());
        registry.register("grants", "Grants that ended, by how", grants.clone());
        registry.register("errors", "What went wrong, by why", failed.clone());
        let written = Counter::default();
        registry.register("status_writes", "Statuses written", written.clone());
        let (deviations, at_work) = (Gauge::default(), Gauge::default());
        registry.register(
            "deviations",
            "What differs on the machine from what was left there",
            deviations.clone(),
        );
        registry.register("at_work", "1 while a grant is carried out", at_work.clone());
        for reason in ["refused", "unanswered"] {
            drop(failed.get_or_create(&Reason { reason }));
        }
        Self {
            registry,
            look,
            steps,
            grants,
            written,
            failed,
            deviations,
            at_work,
            interval,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: a panic leaves nothing half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine was looked at.
    pub fn looked(&self, took: Duration) {
        self.look.observe(took.as_secs_f64());
        self.state().looked = Some(now());
    }

    /// What was seen to differ.
    pub fn deviates(&self, counts: Option<&NodeCounts>) {
        let deviations = counts.map_or(0, |counts| counts.deviations);
        self.deviations.set(i64::from(deviations));
    }

    /// A grant is being carried out, or no more.
    pub fn works(&self, at_work: bool) {
        self.at_work.set(i64::from(at_work));
        let mut state = self.state();
        state.at_work = at_work;
        state.looked = Some(now());
    }

    /// A grant ended, in this word.
    pub fn ended(&self, state: &str) {
        let state = state.to_owned();
        self.grants.get_or_create(&StateLabel { state }).inc();
    }

    /// Steps that ended in these records, which are the journal's from some place on.
    pub fn recorded(&self, records: &[Record]) {
        for (action, outcome, took) in ended(records) {
            let label = StepLabel { action, outcome };
            self.steps.get_or_create(&label).observe(took.as_secs_f64());
        }
    }

    /// A status was written.
    pub fn wrote(&self) {
        self.written.inc();
    }

    /// A status could not be written.
    pub fn failed(&self, reason: &'static str) {
        self.failed.get_or_create(&Reason { reason }).inc();
    }
}

/// Every step that began and ended in these records: its action, how it ended, and how long it took.
fn ended(records: &[Record]) -> Vec<(String, &'static str, Duration)> {
    let mut begun: BTreeMap<&StepId, &str> = BTreeMap::new();
    let mut ended = Vec::new();
    for record in records {
        let (step, outcome) = match &record.event {
            Event::Intent { step, attempt: _ } => {
                begun.insert(&step.id, &record.at);
                continue;
            }
            Event::Verified { step } => (step, "verified"),
            Event::Failed { step, why: _ } => (step, "failed"),
            Event::Void { step, .. } => (step, "void"),
            Event::RunBegin { .. }
            | Event::Done { .. }
            | Event::Compensated { .. }
            | Event::RunEnd { .. } => continue,
        };
        let Some(from) = begun.remove(step) else {
            continue;
        };
        let times = Timestamp::printed(from).zip(Timestamp::printed(&record.at));
        let took = times.map_or(Duration::ZERO, |(from, to)| from.until(to));
        // `NODE/VERB/SUBJECT`.
        let action = step.0.split('/').nth(1).unwrap_or_default();
        ended.push((action.to_owned(), outcome, took));
    }
    ended
}

impl Told for Numbers {
    fn numbers(&self) -> String {
        let mut out = String::new();
        // Writing to a string fails never.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    fn stuck(&self) -> Option<String> {
        let state = self.state();
        // A step has a deadline of its own.
        let last = state.looked.filter(|_| !state.at_work)?;
        let passed = last.until(now());
        (passed > self.interval * MISSED).then(|| {
            format!(
                "it has not looked at the machine for {} s",
                passed.as_secs()
            )
        })
    }

    fn unready(&self) -> Option<String> {
        let looked = self.state().looked.is_some();
        (!looked).then(|| "it has not looked at the machine yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_as_long_as_the_journal_says() {
        let record = |at: &str, rest: &str| -> Record {
            serde_json::from_str(&format!(
                r#"{{"sequence":0,"bootId":"b","at":"2026-01-31T09:00:{at}Z",{rest}}}"#
            ))
            .unwrap()
        };
        let begins = |id: &str| {
            format!(
                r#""record":"intent","attempt":1,"step":{{"id":"{id}","verb":"qmonitor.start","symbol":"+","batch":0,"reason":"qmonitor-needed","rule":"SP-R0105","causes":[],"preconditions":[],"verify":[],"inverse":{{"kind":"nothingChanged"}},"disruption":{{"class":"node","disruptive":false}},"estimate":{{"likelyMs":1,"limitMs":1}}}}"#
            )
        };
        let ids = |record: &str, id: &str| format!(r#""record":"{record}","step":"{id}""#);
        let records = [
            record("00.000", &ids("verified", "n1/acs.clear/p0")),
            record("01.000", &begins("n1/soc.reset/s0")),
            record("02.000", &ids("done", "n1/soc.reset/s0")),
            record("03.500", &ids("verified", "n1/soc.reset/s0")),
            record("04.000", &begins("n1/soc.wait/s0")),
        ];
        let reset = (
            "soc.reset".to_owned(),
            "verified",
            Duration::from_millis(2500),
        );
        // What began before, and what has not ended, is not known.
        assert_eq!(ended(&records), [reset]);
        let numbers = Numbers::new(Duration::from_secs(10));
        numbers.recorded(&records);
        numbers.ended("Converged");
        numbers.looked(Duration::from_millis(2));
        let text = numbers.numbers();
        for line in [
            "shardplane_agent_grants_total{state=\"Converged\"} 1",
            "shardplane_agent_look_duration_seconds_count 1",
            "shardplane_agent_errors_total{reason=\"refused\"} 0",
            "shardplane_agent_status_writes_total 0",
            "shardplane_agent_step_duration_seconds_sum{action=\"soc.reset\",outcome=\"verified\"} 2.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert_eq!((numbers.stuck(), numbers.unready()), (None, None));
    }
}
