//! Which replica is stopped when, so that at every point enough of its model go on serving.
use std::collections::{BTreeMap, BTreeSet};

use crd::id::WorkerId;

use super::{
    listening::Ports,
    replicas::{Downtime, Replicas},
};

/// What the plan asks of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// It is started, or stopped and started again.
    Starts,
    /// It is only stopped: it has no place any more.
    Stops,
}

/// What one model's turns depend on.
pub(super) struct Situation<'a> {
    pub(super) replicas: &'a Replicas<'a>,
    /// Replicas with worker steps.
    pub(super) asked: &'a BTreeMap<WorkerId, Asked>,
    /// Replicas that card work of this plan stops first.
    pub(super) drained: &'a BTreeSet<WorkerId>,
    /// Who listens until now where another is to.
    pub(super) ports: &'a Ports,
    /// Whether card work waits for this model's replicas.
    pub(super) cards_wait: bool,
    pub(super) downtime: Downtime,
}

/// Who has a turn in which batch, and who has none.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) batches: Vec<Vec<WorkerId>>,
    /// Replicas that would have to stop and may not.
    pub(super) waiting: Vec<WorkerId>,
    /// Replicas that would have to start where one of these listens.
    pub(super) shut_out: Vec<WorkerId>,
    /// Whether every declared replica serves by itself or will.
    pub(super) whole: bool,
    /// Whether a serving replica has a turn.
    pub(super) stops: bool,
    /// The batch in which the surplus replica stops.
    pub(super) surplus_stops: Option<usize>,
    /// Those that serve at first, when the last batch is ready, and at least between.
    pub(super) serving: usize,
    pub(super) last: usize,
    pub(super) least: usize,
}

/// Gives turns: first what stops nobody who serves, with as many that serve as may stop now; then batch by batch, each
/// when all before are ready; at last the surplus replica.
pub(super) fn turns(situation: &Situation<'_>) -> Turns {
    let Situation {
        replicas,
        asked,
        drained,
        ports,
        cards_wait,
        downtime,
    } = situation;
    let replicas = &Replicas {
        shut_out: ports.shut_out,
        ..(*replicas).clone()
    };
    let mut serving = replicas.serving();
    serving.retain(|id| !drained.contains(id));
    let mut coming = replicas.coming();
    coming.retain(|id| !drained.contains(id) && !asked.contains_key(id));
    let (loud, quiet): (Vec<WorkerId>, Vec<WorkerId>) = replicas
        .declared
        .iter()
        .chain([&replicas.surplus])
        .filter(|id| asked.contains_key(*id) && !ports.stuck.contains(*id))
        .cloned()
        .partition(|id| serving.contains(id));
    let starts = |id: &&WorkerId| asked.get(*id) == Some(&Asked::Starts);
    let own = |ids: &BTreeSet<WorkerId>| {
        let declared = replicas.declared.iter();
        declared.filter(|id| ids.contains(*id)).count()
    };
    let (mut shut_out, quiet): (Vec<WorkerId>, Vec<WorkerId>) =
        (quiet.into_iter()).partition(|id| starts(&id) && ports.is_behind(id));
    coming.extend(quiet.iter().filter(starts).cloned());
    let known = own(&serving) + own(&coming) + shut_out.len();
    let whole = known == replicas.declared.len();
    // Those that come back first: each of the others leaves one fewer for good.
    let (back, gone): (Vec<_>, Vec<_>) = loud.into_iter().partition(|id| starts(&id));
    let mut waiting: Vec<WorkerId> = back.into_iter().chain(gone).collect();
    let mut turns = Turns {
        whole,
        serving: serving.len(),
        least: serving.len(),
        ..Turns::default()
    };
    let mut batch = quiet;
    loop {
        // What was freed by the batches before; a circle is broken somewhere.
        let before = batch.clone();
        let free = |id: &WorkerId, waiting: &[WorkerId], taken: &[WorkerId]| {
            ports.is_free(id, waiting.iter().chain(taken).chain(&before))
        };
        let mut taken: Vec<WorkerId> = Vec::new();
        while replicas.may_stop(serving.len(), 1, *downtime) {
            let next = waiting.iter().position(|id| free(id, &waiting, &taken));
            let stands_still = batch.is_empty() && coming.is_empty() && taken.is_empty();
            let any = (stands_still && !waiting.is_empty()).then_some(0);
            let Some(next) = next.or(any) else { break };
            let next = waiting.remove(next);
            serving.remove(&next);
            taken.push(next);
        }
        let (now, later) = (shut_out.into_iter()).partition(|id| free(id, &waiting, &taken));
        shut_out = later;
        let now: Vec<WorkerId> = now;
        coming.extend(now.iter().cloned());
        batch.extend(now);
        turns.stops |= !taken.is_empty();
        coming.extend(taken.iter().filter(starts).cloned());
        batch.extend(taken);
        let surplus_idle = waiting.is_empty() && shut_out.is_empty() && !cards_wait;
        if surplus_idle
            && serving.contains(&replicas.surplus)
            && replicas.may_stop(serving.len(), 1, Downtime::Refused)
        {
            serving.remove(&replicas.surplus);
            turns.surplus_stops = Some(turns.batches.len());
            batch.push(replicas.surplus.clone());
        }
        turns.least = turns.least.min(serving.len());
        if batch.is_empty() && coming.is_empty() {
            break;
        }
        turns.batches.push(std::mem::take(&mut batch));
        serving.append(&mut coming);
        let surplus_left = serving.contains(&replicas.surplus) && !cards_wait;
        let over = waiting.is_empty() && shut_out.is_empty() && !surplus_left;
        if turns.surplus_stops.is_some() || over {
            break;
        }
    }
    // Nobody needs one that does not serve and is not asked for any more.
    let stuck = replicas.running.contains_key(&replicas.surplus)
        && !serving.contains(&replicas.surplus)
        && !asked.contains_key(&replicas.surplus)
        && !drained.contains(&replicas.surplus);
    if stuck && waiting.is_empty() && !cards_wait && turns.surplus_stops.is_none() {
        if turns.batches.is_empty() {
            turns.batches.push(Vec::new());
        }
        turns.surplus_stops = Some(turns.batches.len() - 1);
        if let Some(last) = turns.batches.last_mut() {
            last.push(replicas.surplus.clone());
        }
    }
    while turns.batches.last().is_some_and(Vec::is_empty) {
        turns.batches.pop();
    }
    turns.last = serving.len();
    turns.waiting = waiting;
    turns.shut_out = shut_out;
    turns.shut_out.extend(ports.stuck.iter().cloned());
    turns
}
