//! The table that a run comes to, and the bounds that it promises.
use std::{fmt, time::Duration};

use super::{counted::Counted, lone::Reaction};

/// Bytes in a megabyte, as bounds are stated.
const MB: u64 = 1_000_000;
/// The most that each figure may be.
const CONVERGING: Duration = Duration::from_mins(15);
const CONTROLLER: u64 = 150 * MB;
const AGENT: u64 = 25 * MB;
const REACTION: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    /// Virtual nodes; the real agent's comes on top.
    pub nodes: usize,
    /// Nodes that were as declared in the end.
    pub converged: usize,
    /// Rollouts, the one after the event among them.
    pub rollouts: usize,
    /// From the first manifest until policy and group were Ready.
    pub converging: Duration,
    /// What was written meanwhile.
    pub stored: Counted,
    /// The same puts at a store alone.
    pub alone: Duration,
    /// Bytes that the controller had at most.
    pub controller_peak: u64,
    /// Bytes that it has at rest.
    pub controller_at_rest: u64,
    /// Bytes that the real agent had at most.
    pub agent_peak: u64,
    /// Bytes that it has at rest.
    pub agent_at_rest: u64,
    /// How long was looked whether anything is written at rest.
    pub resting: Duration,
    /// What was.
    pub idle: Counted,
    /// How soon the real agent and the controller act on an event.
    pub reacted: Reaction,
}

impl Figures {
    /// Bounds that were not kept: those of time hold for a machine that does nothing else.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = self.broken_always();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                broken.push(what.to_owned());
            }
        };
        expect(
            self.converging <= CONVERGING,
            "it converges within 15 minutes",
        );
        expect(
            self.reacted.begun <= REACTION,
            "an event is acted on within a second",
        );
        broken
    }

    /// Bounds that hold however busy the machine is.
    pub fn broken_always(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                broken.push(what.to_owned());
            }
        };
        expect(
            self.converged == self.nodes + 1,
            "every node is as declared",
        );
        expect(self.idle.total() == 0, "nothing is written at rest");
        expect(self.idle.leases > 0, "a leader renews its lease");
        expect(
            self.controller_peak < CONTROLLER,
            "the controller stays below 150 MB",
        );
        expect(self.agent_peak < AGENT, "an agent stays below 25 MB");
        broken
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / MB as f64);
        let second = |span: Duration| format!("{:.2} s", span.as_secs_f64());
        let rate = |count: u64, span: Duration| count as f64 / span.as_secs_f64().max(0.001);
        let Counted {
            writes,
            leases: _,
            puts,
            put_bytes,
        } = &self.stored;
        let mut row = |what: &str, value: String| writeln!(f, "{what:<52}{value:>14}");
        row(
            "virtual nodes of 32 SoCs, and a real one",
            self.nodes.to_string(),
        )?;
        row("  as declared in the end", self.converged.to_string())?;
        row("rollouts", self.rollouts.to_string())?;
        row("first convergence", second(self.converging))?;
        for (kind, count) in writes {
            row(&format!("  writes of {kind}"), count.to_string())?;
        }
        row(
            "  writes a second",
            format!("{:.1}", rate(self.stored.total(), self.converging)),
        )?;
        row("  puts into the store", puts.to_string())?;
        row("  bytes that it was given", mb(*put_bytes))?;
        row("the same puts at etcd alone", second(self.alone))?;
        row(
            "  its share of the convergence",
            format!(
                "{:.1} %",
                100.0 * self.alone.as_secs_f64() / self.converging.as_secs_f64()
            ),
        )?;
        row("controller, resident at most", mb(self.controller_peak))?;
        row("  at rest", mb(self.controller_at_rest))?;
        row("agent, resident at most", mb(self.agent_peak))?;
        row("  at rest", mb(self.agent_at_rest))?;
        row("looked at rest for", second(self.resting))?;
        row("  writes", self.idle.total().to_string())?;
        row("  renewals of the lease", self.idle.leases.to_string())?;
        row(
            "an event on the machine, until its status is published",
            second(self.reacted.told),
        )?;
        row(
            "  until the first step that it asks for begins",
            second(self.reacted.begun),
        )
    }
}
