//! Leave to go ahead: the policy's word, a digest's, or a person's.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declaration,
    id::{Digest, NodeName},
    plan::{NodePlan, Plan},
};
use machine::Timestamp;
use reconcile::{ApprovalDecision, approval, window};

use super::{Engine, interrupt::StopFlag};
use crate::{
    cli::Leave, console::Console, exit::Exit, failure::Failure, render::window::closed_until,
};

/// Who is asked, and whose word counts for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The policies, for a removal those that were; on a terminal a person sees every disruptive plan before it starts.
    Apply,
    /// The policies; on a terminal a person is asked where they want somebody's word.
    Up,
    /// The policies alone: whoever wants this is not at this terminal.
    Timer,
    /// Nobody: what is planned was approved before. A rollout that is paused waits all the same.
    Nobody,
}

/// The nodes of a plan that have to wait, and the first reason why.
#[derive(Debug, Default)]
pub struct Waiting {
    /// The nodes.
    pub nodes: BTreeSet<NodeName>,
    /// Why the first of them does; `None` where nobody waits.
    pub why: Option<Failure>,
}

/// Node digests of the plans of a run so far, and whose they were.
pub type Seen = BTreeMap<String, NodeName>;

/// Which nodes of the plan have to wait, where any may go ahead now; an error says what is missing where none may.
fn approve(
    plan: &Plan,
    asking: Asking,
    leave: &Leave,
    (console, stop): (&Console, &StopFlag),
    (now, declaration, seen): (Timestamp, &Declaration, &Seen),
) -> Result<Waiting, Failure> {
    let done = |name: &NodeName| {
        let mut left = plan.nodes.iter().filter(|node| !node.steps.is_empty());
        !left.any(|node| node.node == *name)
    };
    let offered: Vec<Digest> = leave
        .approve_digest
        .iter()
        // It was good for what was carried out.
        .filter(|text| !seen.get(*text).is_some_and(done))
        .map(|text| Digest(text.clone()))
        .collect();
    // Later the plan may be another than the one that the command line named.
    if matches!(asking, Asking::Apply | Asking::Up) {
        refuse_others(plan, &offered)?;
    }
    let mut missing: Vec<(&NodePlan, Missing)> = Vec::new();
    // In their order, so that whoever holds the others is named.
    let node = |name: &NodeName| plan.nodes.iter().find(|node| node.node == *name);
    for node in plan.order.iter().filter_map(node) {
        match waits_for(node, plan, &offered, (now, declaration)) {
            Some(Missing::Word(_)) if leave.yes => {}
            Some(Missing::Word(_) | Missing::Digest(_)) if asking == Asking::Nobody => {}
            Some(what) => missing.push((node, what)),
            None => {}
        }
    }
    let waits = |node: &NodePlan| missing.iter().any(|(waiting, _)| waiting.node == node.node);
    let word = |what: &Missing| matches!(what, Missing::Word(_));
    let unseen = asking == Asking::Apply
        && !leave.yes
        && offered.is_empty()
        && plan
            .nodes
            .iter()
            .any(|node| node.disruptive && !waits(node));
    let can_ask = matches!(asking, Asking::Apply | Asking::Up) && console.can_ask();
    if can_ask && (unseen || missing.iter().any(|(_, what)| word(what))) {
        ask(console, stop)?;
        missing.retain(|(_, what)| !word(what));
    }
    let any = missing.len() < plan.order.len();
    let nodes = missing.iter().map(|(node, _)| node.node.clone()).collect();
    let why = missing.into_iter().next().map(|(_, what)| what.said(plan));
    match why {
        // A loop goes on with the whole once leave has come for it.
        Some(why) if !any || asking != Asking::Apply => Err(why),
        why => Ok(Waiting { nodes, why }),
    }
}

impl Engine<'_> {
    /// Whether the whole of a plan may go ahead now; an error says what is missing.
    pub fn approve(&self, plan: &Plan) -> Result<(), Failure> {
        let waiting = self.leave_for(plan, &Seen::new())?;
        waiting.why.map_or(Ok(()), Err)
    }

    /// Which nodes have to wait; an error where none may go ahead.
    pub(super) fn leave_for(&self, plan: &Plan, seen: &Seen) -> Result<Waiting, Failure> {
        approve(
            plan,
            self.asking,
            self.leave,
            (self.console, self.stop),
            (self.now(), self.declaration, seen),
        )
    }
}

/// What is missing and what to do about it, in one sentence.
pub(super) fn told(missing: &Failure) -> String {
    format!("{missing}: {}", missing.hint())
}

/// Refuses a digest of another plan.
fn refuse_others(plan: &Plan, offered: &[Digest]) -> Result<(), Failure> {
    let of_nodes = plan.nodes.iter().map(|node| node.digest.0.as_str());
    let digests: Vec<&str> = of_nodes.chain([plan.digest.0.as_str()]).collect();
    match offered
        .iter()
        .find(|digest| !digests.contains(&digest.0.as_str()))
    {
        None => Ok(()),
        Some(other) => Err(Failure::said(
            Exit::Stale,
            format!(
                "{other} was approved, but the plan is now {}",
                digests.join(", ")
            ),
            "read the plan above; approve its digest, or find out what changed",
        )),
    }
}

/// What a node lacks to go ahead.
enum Missing {
    /// A person's word, for this reason.
    Word(String),
    /// A digest, for this reason.
    Digest(String),
    /// What nobody here can give: what happened, and what to do.
    Time(String, &'static str),
}

impl Missing {
    fn said(self, plan: &Plan) -> Failure {
        let exactly = format!(
            "approve exactly this plan with --approve-digest {}",
            plan.digest.0
        );
        let (message, hint) = match self {
            Self::Word(why) => (
                format!("{why}, and nobody is there to ask; nothing was touched there"),
                format!("go ahead with --yes, or {exactly}"),
            ),
            Self::Digest(why) => (format!("{why}; nothing was touched there"), exactly),
            Self::Time(message, hint) => (message, hint.to_owned()),
        };
        Failure::said(Exit::Blocked, message, hint)
    }
}

/// What a node lacks to go ahead without anybody's word.
fn waits_for(
    node: &NodePlan,
    plan: &Plan,
    offered: &[Digest],
    (now, declaration): (Timestamp, &Declaration),
) -> Option<Missing> {
    if !node.steps.is_empty()
        && let Some(policy) = window::paused(declaration, &node.governance)
    {
        return Some(Missing::Time(
            format!(
                "CardPolicy/{policy} pauses its rollout, so nothing begins on {}",
                node.node
            ),
            "take `rollout.paused` away when it is to go on",
        ));
    }
    if node.disruptive && !window::open(declaration, &node.governance, now.0) {
        let opens = window::opens(declaration, &node.governance, now.0).map(Timestamp);
        return Some(Missing::Time(
            format!(
                "the plan for {} is disruptive, and {}",
                node.node,
                closed_until(opens)
            ),
            match opens {
                Some(_) => "wait for the window, or change `rollout.windows`",
                None => "change `rollout.windows` of its policies so that they meet",
            },
        ));
    }
    match approval::decide(node, &plan.digest, offered) {
        ApprovalDecision::Automatic | ApprovalDecision::Approved { .. } => None,
        ApprovalDecision::Wanted { digest_only, why } if digest_only => Some(Missing::Digest(why)),
        ApprovalDecision::Wanted { why, .. } => Some(Missing::Word(why)),
    }
}

fn ask(console: &Console, stop: &StopFlag) -> Result<(), Failure> {
    match console.ask(
        "The plan is disruptive. Carry it out? Only `yes` goes ahead:",
        stop,
    ) {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(stop) => {
            return Err(Failure::said(
                stop.exit(),
                "stopped before anything was begun",
                "",
            ));
        }
    }
    Err(Failure::said(
        Exit::Blocked,
        "not approved; nothing was touched",
        "",
    ))
}
