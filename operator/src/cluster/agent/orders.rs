//! What the API server last said to this agent: its `CardNode`, and the UID of its Node. The engine waits on it.
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crd::kind::CardNode;

use super::admit::GrantId;
use crate::engine::interrupt::{Stop, StopFlag};

/// Shared between the watches, which write it, and the engine, which reads it.
#[derive(Clone, Debug, Default)]
pub struct Orders(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    latest: Latest,
    /// Counts changes, so that none between two waits is missed.
    turn: u64,
    /// The grant at work, and how to stop it between two steps.
    running: Option<(GrantId, StopFlag)>,
}

/// What was said last.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// The agent's own object; absent while there is none.
    pub card_node: Option<Arc<CardNode>>,
    /// UID of its Node; absent while there is none.
    pub node_uid: Option<String>,
}

impl Orders {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written by a panic: every change is one assignment.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said last, and which turn that is.
    pub fn latest(&self) -> (Latest, u64) {
        let state = self.state();
        (state.latest.clone(), state.turn)
    }

    /// Says what the object is now. A grant at work that is not what is granted any more stops between two steps.
    pub fn set_card_node(&self, card_node: Option<CardNode>) {
        let mut state = self.state();
        let granted = card_node
            .as_ref()
            .and_then(|node| node.spec.grant.as_ref())
            .map(GrantId::of);
        if let Some((running, stop)) = &state.running
            && granted.as_ref() != Some(running)
        {
            stop.ask(Stop::Terminate);
        }
        state.latest.card_node = card_node.map(Arc::new);
        self.turn(state);
    }

    /// Says which Node it is now.
    pub fn set_node_uid(&self, uid: Option<String>) {
        let mut state = self.state();
        if state.latest.node_uid != uid {
            state.latest.node_uid = uid;
            self.turn(state);
        }
    }

    /// Wakes whoever waits: the machine tells of something, or somebody asked for a stop.
    pub fn nudge(&self) {
        self.turn(self.state());
    }

    /// Stops the grant at work between two steps, where there is one.
    pub fn stop_running(&self) {
        if let Some((_, stop)) = &self.state().running {
            stop.ask(Stop::Terminate);
        }
    }

    fn turn(&self, mut state: MutexGuard<'_, State>) {
        state.turn += 1;
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until something was said after `turn`, at most so long.
    pub fn wait(&self, turn: u64, most: Duration) {
        let state = self.state();
        // Woken for nothing or at the end of the wait, the caller looks all the same.
        let _ = self
            .0
            .changed
            .wait_timeout_while(state, most, |state| state.turn == turn);
    }

    /// Notes which grant is at work, for as long as the answer lives.
    pub fn running(&self, id: &GrantId, stop: &StopFlag) -> Running<'_> {
        self.state().running = Some((id.clone(), stop.clone()));
        Running(self)
    }
}

/// A grant is at work.
#[derive(Debug)]
pub struct Running<'a>(&'a Orders);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().running = None;
    }
}

#[cfg(test)]
mod tests {
    use crd::{
        id::BootId,
        kind::{CardNodeSpec, Grant},
        plan::{NodeDigest, RolloutDigest},
    };

    use super::*;

    fn with_grant(version: &str) -> CardNode {
        let grant = Grant {
            digest: NodeDigest("node:b3:0".into()),
            rollout: RolloutDigest("rollout:b3:0".into()),
            plan: String::new(),
            boot_id: BootId("boot".into()),
            node_uid: "node".into(),
            decided_on: version.into(),
            lease_epoch: 1,
        };
        CardNode::new(
            "n1",
            CardNodeSpec {
                grant: Some(grant),
                drained: Vec::new(),
                drained_for: None,
                approval: None,
            },
        )
    }

    #[test]
    fn a_grant_that_is_replaced_or_withdrawn_stops() {
        for (next, stops) in [
            (Some(with_grant("1")), false),
            (Some(with_grant("2")), true),
            (Some(CardNode::new("n1", CardNodeSpec::default())), true),
            (None, true),
        ] {
            let orders = Orders::default();
            orders.set_card_node(Some(with_grant("1")));
            let (latest, _) = orders.latest();
            let id = GrantId::of(latest.card_node.unwrap().spec.grant.as_ref().unwrap());
            let stop = StopFlag::default();
            let running = orders.running(&id, &stop);
            orders.set_card_node(next);
            assert_eq!(stop.asked().is_some(), stops);
            drop(running);
        }
    }

    #[test]
    fn a_change_before_the_wait_is_not_missed() {
        let orders = Orders::default();
        let (_, turn) = orders.latest();
        orders.set_node_uid(Some("uid".into()));
        // Returns at once, or the test would take a day.
        orders.wait(turn, Duration::from_hours(24));
        let (latest, next) = orders.latest();
        assert_eq!(latest.node_uid.as_deref(), Some("uid"));
        orders.set_node_uid(Some("uid".into()));
        assert_eq!(orders.latest().1, next, "the same again is no change");
    }
}
