//! Leave to go ahead: the policy's word, a digest's, or a person's.
use crd::{declaration::Declaration, id::Digest, plan::Plan};
use machine::Timestamp;
use reconcile::{ApprovalDecision, approval, window};

use crate::{cli::Leave, console::Console, exit::Exit, failure::Failure};

/// Who is asked, and whose word counts for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The policies, for a removal those that were; on a terminal a person sees every disruptive plan before it starts.
    Apply,
    /// The policies; on a terminal a person is asked where they want somebody's word.
    Up,
    /// The policies alone: whoever wants this is not at this terminal.
    Timer,
}

/// Whether the plan may go ahead now; an error says what is missing.
pub fn approve(
    plan: &Plan,
    asking: Asking,
    leave: &Leave,
    console: &Console,
    at: (Timestamp, &Declaration),
) -> Result<(), Failure> {
    let offered: Vec<Digest> = leave
        .approve_digest
        .iter()
        .map(|text| Digest(text.clone()))
        .collect();
    let known = |digest: &Digest| {
        digest.0 == plan.digest.0 || plan.nodes.iter().any(|node| digest.0 == node.digest.0)
    };
    if let Some(other) = offered.iter().find(|digest| !known(digest)) {
        let digests: Vec<&str> = plan
            .nodes
            .iter()
            .map(|node| node.digest.0.as_str())
            .chain([plan.digest.0.as_str()])
            .collect();
        return Err(Failure::said(
            Exit::Stale,
            format!(
                "{other} was approved, but the plan is now {}",
                digests.join(", ")
            ),
            "read the plan above; approve its digest, or find out what changed",
        ));
    }
    let (now, declaration) = at;
    let mut wanted = Vec::new();
    for node in &plan.nodes {
        if !node.steps.is_empty()
            && let Some(policy) = window::paused(declaration, &node.governance)
        {
            return Err(Failure::said(
                Exit::Blocked,
                format!(
                    "CardPolicy/{policy} pauses its rollout, so nothing begins on {}",
                    node.node
                ),
                "take `rollout.paused` away when it is to go on",
            ));
        }
        if node.disruptive && !window::open(declaration, &node.governance, now.0) {
            return Err(Failure::said(
                Exit::Blocked,
                format!(
                    "the plan for {} is disruptive and no window of its policies is open",
                    node.node
                ),
                "wait for the window, or change `rollout.windows`",
            ));
        }
        match approval::decide(node, &plan.digest, &offered) {
            ApprovalDecision::Automatic | ApprovalDecision::Approved { .. } => {}
            ApprovalDecision::Wanted {
                digest_only: false, ..
            } if leave.yes => {}
            ApprovalDecision::Wanted { digest_only, why } => wanted.push((digest_only, why)),
        }
    }
    let can_ask = asking != Asking::Timer && console.can_ask();
    let sees = can_ask && asking == Asking::Apply;
    let disruptive = plan.nodes.iter().any(|node| node.disruptive);
    match wanted.as_slice() {
        [] if !disruptive || leave.yes || !offered.is_empty() || !sees => Ok(()),
        [] => ask(console),
        [(true, why), ..] => Err(Failure::said(
            Exit::Blocked,
            format!("{why}; nothing was touched"),
            format!(
                "approve exactly this plan with --approve-digest {}",
                plan.digest.0
            ),
        )),
        [(false, _), ..] if can_ask && wanted.iter().all(|(digest_only, _)| !digest_only) => {
            ask(console)
        }
        [(false, why), ..] => Err(Failure::said(
            Exit::Blocked,
            format!("{why}, and nobody is there to ask; nothing was touched"),
            format!(
                "go ahead with --yes, or approve exactly this plan with --approve-digest {}",
                plan.digest.0
            ),
        )),
    }
}

fn ask(console: &Console) -> Result<(), Failure> {
    if console.ask("The plan is disruptive. Carry it out? Only `yes` goes ahead:") {
        return Ok(());
    }
    Err(Failure::said(
        Exit::Blocked,
        "not approved; nothing was touched",
        "",
    ))
}
