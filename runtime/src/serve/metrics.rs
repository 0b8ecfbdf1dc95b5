//! What the server counts, in the format that Prometheus reads.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::batch::Step;
use super::desk::Load;
use super::generation::{Finish, Outcome};

/// Counters and gauges of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Ended, Counter>,
    rejected: Family<Rejected, Counter>,
    connections: Gauge,
    shortages: Family<Short, Counter>,
    waiting: Gauge,
    running: Gauge,
    batch: Histogram,
    prompt_tokens: Counter,
    generated_tokens: Counter,
    first_token: Histogram,
    between_tokens: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: OutcomeLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the names are label values as they are scraped"
)]
enum OutcomeLabel {
    stop,
    length,
    cancelled,
    failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Short {
    outcome: Shortage,
}

/// What connections came to where there were too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the names are label values as they are scraped"
)]
pub(super) enum Shortage {
    /// An idle one was closed for a new one.
    idle_closed,
    /// All were at work: the new one gets answers to probes, and to everything else a refusal.
    probes_only,
    /// The system had no file or memory for it.
    accept_failed,
}

impl Metrics {
    /// All at zero. `slots` is how many sequences can run at once.
    pub fn new(slots: u32) -> Self {
        // From a step of a tiny model to a prompt that fills a large one: 1 ms to 2 min.
        let latencies = || Histogram::new(exponential_buckets(0.001, 2.0, 18));
        let mut metrics = Self {
            registry: Registry::with_prefix("shardplane"),
            requests: Family::default(),
            rejected: Family::default(),
            connections: Gauge::default(),
            shortages: Family::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 8)),
            prompt_tokens: Counter::default(),
            generated_tokens: Counter::default(),
            first_token: latencies(),
            between_tokens: latencies(),
        };
        let Self {
            registry,
            requests,
            rejected,
            connections,
            shortages,
            waiting,
            running,
            batch,
            prompt_tokens,
            generated_tokens,
            first_token,
            between_tokens,
        } = &mut metrics;
        let size = Gauge::<i64>::default();
        size.set(i64::from(slots));
        registry.register("slots", "Sequences that can run at once", size);
        registry.register("requests", "Sequences that ended, by how", requests.clone());
        registry.register(
            "rejected",
            "Requests that were not taken, by why",
            rejected.clone(),
        );
        registry.register("connections", "Connections open", connections.clone());
        registry.register(
            "connection_shortage",
            "Connections beyond those that may be open, by what came of it",
            shortages.clone(),
        );
        registry.register(
            "queue_depth",
            "Sequences that wait for a slot",
            waiting.clone(),
        );
        registry.register(
            "slots_in_use",
            "Sequences that hold a slot",
            running.clone(),
        );
        registry.register("batch_size", "Sequences fed by one step", batch.clone());
        registry.register("prompt_tokens", "Prompt tokens fed", prompt_tokens.clone());
        registry.register(
            "generated_tokens",
            "Tokens generated",
            generated_tokens.clone(),
        );
        registry.register_with_unit(
            "time_to_first_token",
            "From the request to its first token",
            Unit::Seconds,
            first_token.clone(),
        );
        registry.register_with_unit(
            "inter_token_latency",
            "From a token to the next of the same sequence",
            Unit::Seconds,
            between_tokens.clone(),
        );
        // A series that is absent until something goes wrong cannot be alerted on.
        for outcome in [
            OutcomeLabel::stop,
            OutcomeLabel::length,
            OutcomeLabel::cancelled,
            OutcomeLabel::failed,
        ] {
            drop(requests.get_or_create(&Ended { outcome }));
        }
        for outcome in [
            Shortage::idle_closed,
            Shortage::probes_only,
            Shortage::accept_failed,
        ] {
            drop(shortages.get_or_create(&Short { outcome }));
        }
        metrics
    }

    /// A step that is about to run.
    pub(super) fn step(&self, step: &Step) {
        self.batch.observe(step.feeds.len() as f64);
        self.prompt_tokens.inc_by(step.prompt_tokens as u64);
    }

    /// A token of a request that came at `arrived` and had its last token at `latest`.
    pub(super) fn token(&self, arrived: Duration, latest: Option<Duration>, now: Duration) {
        self.generated_tokens.inc();
        match latest {
            None => self
                .first_token
                .observe(now.saturating_sub(arrived).as_secs_f64()),
            Some(latest) => self
                .between_tokens
                .observe(now.saturating_sub(latest).as_secs_f64()),
        }
    }

    /// A sequence that ended.
    pub(super) fn ended(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Finished(Finish::Stop) => OutcomeLabel::stop,
            Outcome::Finished(Finish::Length) => OutcomeLabel::length,
            Outcome::Cancelled => OutcomeLabel::cancelled,
            Outcome::Failed => OutcomeLabel::failed,
        };
        self.requests.get_or_create(&Ended { outcome }).inc();
    }

    /// A request that was not taken. `reason` is the error's code or type.
    pub(super) fn rejected(&self, reason: &str) {
        let reason = reason.to_owned();
        self.rejected.get_or_create(&Rejected { reason }).inc();
    }

    /// There were too many connections.
    pub(super) fn short(&self, outcome: Shortage) {
        self.shortages.get_or_create(&Short { outcome }).inc();
    }

    /// The exposition text, with the load and the open connections of this moment.
    pub(super) fn render(&self, load: Load, connections: usize) -> Result<String, std::fmt::Error> {
        let Load { waiting, running } = load;
        self.connections.set(connections as i64);
        self.waiting.set(waiting as i64);
        self.running.set(running as i64);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
