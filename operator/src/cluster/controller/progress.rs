//! How far each node of a rollout came: from its status, from what the agents say of their grants, and from how long
//! they say nothing.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    declaration::Declaration,
    id::NodeName,
    kind::{ChangePlan, Grant, GrantState, NodeOutcome, NodeProgress, PlannedNode},
    plan::NodePlan,
};
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    asked::unasked,
    departing::rules,
    in_hand::is_of,
    leave::{is_shut, leave},
    sheet::Sheet,
    survey::Survey,
    world::World,
};
use crate::cluster::{condition, packed};

/// How long after the last deadline of its steps a node is waited for. Longer than clocks of two leaders differ.
pub const SLACK: Duration = Duration::from_mins(15);
/// How long a node at work may be away, as Kubernetes sees it, before nothing more is left to it: twice as long as Kubernetes
/// itself leaves pods where they are.
const AWAY: Duration = Duration::from_mins(10);
/// How long a node is waited for whose granted steps cannot be read, by which their deadlines are known: as long as a
/// server of the most SoCs that ship in one takes to have each reset in vain.
const UNREAD: Duration = Duration::from_hours(8);
/// How the reason begins of a grant that was not taken up, and would not be given any more.
const TAKEN_BACK: &str = "its grant was taken back before it began";

/// Why nothing is left of steps that were never granted.
pub const NEEDLESS: &str = "none of its steps was carried out: what asked for them is declared no more, or somebody else did them";

/// How each node of a rollout stood when its status was written.
pub fn written(current: &ChangePlan) -> BTreeMap<&NodeName, &NodeOutcome> {
    let nodes = current.status.iter().flat_map(|status| &status.nodes);
    nodes.map(|known| (&known.node, known)).collect()
}

/// How each node of a rollout stands, from its status and from what the agents say of their grants.
pub fn outcomes(
    world: &World,
    survey: &Survey,
    declaration: &Declaration,
    current: &ChangePlan,
) -> Vec<NodeOutcome> {
    let known = written(current);
    current
        .spec
        .nodes
        .iter()
        .filter_map(|planned| {
            let known = known.get(&planned.node).copied();
            match known {
                Some(known) if known.outcome != NodeProgress::Applying => Some(known.clone()),
                Some(_) | None => {
                    let now = live((world, survey, declaration), current, planned, known)?;
                    Some(dated(now, known, world.now))
                }
            }
        })
        .collect()
}

/// What a node that has not ended says; `None` while it has not begun.
fn live(
    (world, survey, declaration): (&World, &Survey, &Declaration),
    current: &ChangePlan,
    planned: &PlannedNode,
    known: Option<&NodeOutcome>,
) -> Option<NodeOutcome> {
    let outcome = |outcome, why: Option<&str>| {
        Some(NodeOutcome {
            node: planned.node.clone(),
            outcome,
            since: None,
            why: why.map(|why| condition::shortened(why, 256)),
        })
    };
    let card_node = world.card_nodes.get(&planned.node);
    let node = world.nodes.get(&planned.node);
    let granted = card_node
        .and_then(|card_node| {
            card_node
                .spec
                .grant
                .as_ref()
                .map(|grant| (card_node, grant))
        })
        .filter(|(_, grant)| {
            grant.rollout == current.spec.digest && grant.digest == planned.digest
        });
    let Some((card_node, grant)) = granted else {
        if known.is_some() {
            return outcome(NodeProgress::Stale, Some("its grant was taken away"));
        }
        let here = survey.sheets.get(&planned.node);
        let idle = here.is_some_and(|sheet| sheet.steps == 0);
        // A node that is blocked, or waits for a canary, has no steps either.
        return if idle && !survey.is_blocked(&planned.node) {
            outcome(NodeProgress::Stale, Some(NEEDLESS))
        } else {
            None
        };
    };
    let status = card_node.status.as_ref();
    let uid = node.and_then(|node| node.metadata.uid.as_deref());
    if uid != Some(grant.node_uid.as_str()) {
        return outcome(
            NodeProgress::Stale,
            Some("its Node is gone, or was made anew"),
        );
    }
    let at_work = || {
        if let Some(why) = world.away_for(&planned.node, AWAY) {
            let why = format!(
                "{why} for {} minutes: whatever its agent has in hand ends, and no step follows",
                AWAY.as_secs() / 60
            );
            return outcome(NodeProgress::Stale, Some(&why));
        }
        match known.and_then(|known| silence(world, known, grant)) {
            Some(why) => outcome(NodeProgress::Halted, Some(&why)),
            None => outcome(NodeProgress::Applying, None),
        }
    };
    let progress = status
        .and_then(|status| status.grant.as_ref())
        .filter(|progress| is_of(progress, grant));
    let Some(progress) = progress else {
        let booted = status.and_then(|status| status.boot_id.as_ref()) != Some(&grant.boot_id);
        if booted {
            return outcome(
                NodeProgress::Stale,
                Some("it has booted since it was planned for"),
            );
        }
        let sheet = survey.sheets.get(&planned.node);
        let back =
            sheet.and_then(|sheet| missing(world, declaration, current, grant, planned, sheet));
        return match back {
            Some(why) => outcome(NodeProgress::Stale, Some(&format!("{TAKEN_BACK}, {why}"))),
            None => at_work(),
        };
    };
    let no_longer = || {
        let labels = node?.labels();
        let sheet = survey.sheets.get(&planned.node)?;
        let then = planned.declared.as_ref();
        unasked(declaration, labels, sheet, (then, grant)).or_else(|| {
            // Between two batches, before anybody is sent away: what one has begun ends as a whole.
            let rules = rules(world, declaration, &planned.node, sheet);
            let next = progress.awaiting.is_some() && is_shut(world, &rules, sheet);
            next.then(|| "its window has closed".to_owned())
        })
    };
    let why = progress.why.as_deref();
    match progress.state {
        GrantState::Working => match no_longer() {
            Some(why) => {
                let why = format!("{why}: what it has in hand ends, and no step follows");
                outcome(NodeProgress::Stale, Some(&why))
            }
            None => at_work(),
        },
        GrantState::Converged => outcome(NodeProgress::Converged, None),
        GrantState::Halted => outcome(NodeProgress::Halted, why),
        GrantState::RolledBack => outcome(NodeProgress::RolledBack, why),
        GrantState::Void | GrantState::Refused => outcome(NodeProgress::Stale, why),
    }
}

/// Why a grant that its agent has not taken up would not be given now. An agent that was silent finds none when it is back,
/// instead of one that somebody thought better of.
fn missing(
    world: &World,
    declaration: &Declaration,
    current: &ChangePlan,
    grant: &Grant,
    planned: &PlannedNode,
    sheet: &Sheet,
) -> Option<&'static str> {
    if sheet.digest != grant.digest {
        Some("for its steps would be others now")
    } else if leave(world, current, &planned.node, sheet).is_some() {
        Some("for it has nobody's leave any more")
    } else if is_shut(
        world,
        &rules(world, declaration, &planned.node, sheet),
        sheet,
    ) {
        Some("for its window has closed")
    } else {
        None
    }
}

/// An outcome with the time since when it is so.
fn dated(now: NodeOutcome, known: Option<&NodeOutcome>, time: Timestamp) -> NodeOutcome {
    let before = known.filter(|known| known.outcome == now.outcome);
    let since = match before {
        Some(before) => before.since.clone(),
        None => Some(time.to_string()),
    };
    NodeOutcome { since, ..now }
}

/// Why a node at work is waited for no longer: every step of its grant would have failed by its own deadline since.
fn silence(world: &World, known: &NodeOutcome, grant: &Grant) -> Option<String> {
    let since = Timestamp::printed(known.since.as_deref()?)?;
    let passed = since.until(world.now);
    if passed <= SLACK {
        return None;
    }
    let most = packed::unpack::<NodePlan>(&grant.plan).map_or(UNREAD, |plan| {
        let limits = plan.steps.iter().map(|step| step.estimate.limit_ms);
        Duration::from_millis(limits.fold(0, u64::saturating_add))
    });
    (passed > most.saturating_add(SLACK)).then(|| {
        format!(
            "its agent has not said for {} minutes how its steps end; see whether it runs, and reaches the API server",
            passed.as_secs() / 60
        )
    })
}
