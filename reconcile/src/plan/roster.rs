//! Worker steps of all nodes in their models' turns, with surplus replicas, downtime, and what may not go on.
mod occupied;

use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{NodeName, ObjectRef, PciAddress, StepId, WorkerId},
    plan::{ModelTurns, ReportReason},
    step::{Action, Disruption, DisruptionClass, Step, StepReason, Subject},
};

use super::{
    draft::{Draft, declared, fact, verb},
    listening::Ports,
    replicas::{Downtime, Replicas},
    turns::{Asked, Situation, Turns, turns},
    work::NodeWork,
};
use crate::placement::{Obstacle, is_of};

/// One model's turns, before they are written into steps.
pub(super) struct Role<'a> {
    pub(super) replicas: &'a Replicas<'a>,
    pub(super) turns: Turns,
    drained: BTreeSet<WorkerId>,
    downtime: Downtime,
    /// How many replicas card work would have to stop together and may not.
    cards: Option<usize>,
    /// Replicas that wait for another worker to leave their SoCs, each with that worker.
    held: BTreeMap<WorkerId, WorkerId>,
}

/// What the turns say beside steps.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) turns: Vec<ModelTurns>,
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) advice: Vec<Obstacle>,
}

/// Gives every model its turns. Whoever has to wait for a worker of another model has none, and others may wait for it.
pub(super) fn roles<'a>(
    replicas: &'a [Replicas<'a>],
    works: &[NodeWork],
    cards: &BTreeMap<ObjectRef, usize>,
    downtime: impl Fn(&ObjectRef) -> Downtime,
) -> Vec<Role<'a>> {
    let mut held = BTreeMap::new();
    loop {
        let roles = roles_but(replicas, works, (cards, &held), &downtime);
        let before = held.len();
        held.extend(occupied::held(&roles, works));
        if held.len() == before {
            return roles;
        }
    }
}

fn roles_but<'a>(
    replicas: &'a [Replicas<'a>],
    works: &[NodeWork],
    (cards, held): (&BTreeMap<ObjectRef, usize>, &BTreeMap<WorkerId, WorkerId>),
    downtime: &impl Fn(&ObjectRef) -> Downtime,
) -> Vec<Role<'a>> {
    let role = |replicas: &'a Replicas<'a>| {
        let object = &replicas.model.object;
        let drained = drained(replicas, works);
        let own = held.iter().filter(|(id, _)| is_of(id, object));
        let held: BTreeMap<WorkerId, WorkerId> =
            own.map(|(id, by)| (id.clone(), by.clone())).collect();
        let mut ports = Ports::of(replicas, works);
        ports.stuck.extend(held.keys().cloned());
        let situation = Situation {
            replicas,
            asked: &asked(replicas, works),
            drained: &drained,
            ports: &ports,
            cards_wait: cards.contains_key(object),
            downtime: downtime(object),
        };
        Role {
            replicas,
            turns: turns(&situation),
            drained,
            downtime: downtime(object),
            cards: cards.get(object).copied(),
            held,
        }
    };
    replicas.iter().map(role).collect()
}

fn drained(replicas: &Replicas<'_>, works: &[NodeWork]) -> BTreeSet<WorkerId> {
    let running = replicas.running.iter();
    running
        .filter(|(_, running)| {
            let there = works.iter().filter(|work| work.node == running.node);
            let mut freed = there.flat_map(|work| &work.drained);
            freed.any(|soc: &PciAddress| running.socs.contains(soc))
        })
        .map(|(id, _)| id.clone())
        .collect()
}

fn asked(replicas: &Replicas<'_>, works: &[NodeWork]) -> BTreeMap<WorkerId, Asked> {
    let mut asked = BTreeMap::new();
    for step in works
        .iter()
        .filter(|work| work.enforced)
        .flat_map(|work| &work.steps)
    {
        match &step.action {
            Action::StartWorker { worker } | Action::ReplaceWorker { worker }
                if worker.model == replicas.model.object =>
            {
                asked.insert(worker.id.clone(), Asked::Starts);
            }
            Action::StopWorker { worker } if replicas.declared.contains(worker) => {
                asked.entry(worker.clone()).or_insert(Asked::Stops);
            }
            _ => {}
        }
    }
    asked
}

impl Role<'_> {
    /// How many replicas would have to stop together for something that waits.
    fn short(&self) -> Option<usize> {
        let worker = (!self.turns.waiting.is_empty()).then_some(1);
        worker.into_iter().chain(self.cards).min()
    }

    /// Whether one replica more would let go on what waits.
    pub(super) fn wants_surplus(&self) -> bool {
        let surplus = &self.replicas.surplus;
        let serves = self.replicas.serving().contains(surplus) && !self.drained.contains(surplus);
        let helps = |stops| self.replicas.surplus_helps(stops);
        self.downtime == Downtime::Refused
            && self.turns.whole
            && !serves
            && self.short().is_some_and(helps)
    }

    /// Whether nothing but downtime lets go on what waits, and it is permitted and not chosen yet, or not without so many
    /// that have no place.
    pub(super) fn wants_downtime(&self, homeless: usize) -> bool {
        let replicas = Replicas {
            homeless,
            ..self.replicas.clone()
        };
        let never = |stops| replicas.is_out_of_reach(stops);
        let surplus = &self.replicas.surplus;
        // One that serves already and does not help is no reason to wait.
        let helps = |stops| self.replicas.surplus_helps(stops);
        let has_surplus = self.replicas.running.contains_key(surplus)
            && self.short().is_some_and(helps)
            || self.turns.batches.iter().flatten().any(|id| id == surplus);
        let more = self.downtime == Downtime::Refused || homeless > self.replicas.homeless;
        more && self.replicas.allows_downtime() && !has_surplus && self.short().is_some_and(never)
    }

    fn batch(&self, id: &WorkerId) -> Option<usize> {
        let batches = self.turns.batches.iter();
        batches
            .enumerate()
            .find(|(_, batch)| batch.contains(id))
            .map(|(at, _)| at)
    }

    fn describe(&self, said: &mut Said) {
        let Self {
            replicas,
            turns,
            drained,
            downtime,
            cards: _,
            held,
        } = self;
        let (model, surplus) = (&replicas.model.object, &replicas.surplus);
        let has_surplus = turns.batches.iter().flatten().any(|id| id == surplus);
        let fewer = turns.least < replicas.floor()
            && *downtime == Downtime::Chosen
            && (turns.stops || !drained.is_empty());
        if turns.stops || has_surplus {
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            said.turns.push(ModelTurns {
                model: model.clone(),
                replicas: replicas.model.spec.replicas,
                serving: count(turns.serving),
                least: count(turns.least),
                batches: turns.batches.clone(),
                surplus: has_surplus.then(|| surplus.clone()),
                downtime: fewer,
            });
        }
        if fewer {
            said.advice.push(self.line(
                ReportReason::Downtime,
                format!(
                    "down to {}, and `allowDowntime` permits fewer: there is no place for a surplus replica",
                    replicas.says(turns.least)
                ),
                "declare room for a surplus replica where none may be missing".into(),
            ));
        }
        for (id, by) in held {
            said.obstacles.push(Obstacle {
                pointer: "/spec".into(),
                ..self.line(
                    ReportReason::NoFittingGroup,
                    format!("{id} waits for its SoCs: {by} has them, and goes on there"),
                    format!("it goes on when {by} has another place, or is declared no more"),
                )
            });
        }
        if !turns.waiting.is_empty() {
            let names = names(&turns.waiting);
            let verb = if turns.waiting.len() == 1 {
                "goes on as it was"
            } else {
                "go on as they were"
            };
            said.obstacles.push(self.line(
                ReportReason::TooFewServing,
                format!("{names} {verb} started: {}", replicas.says(turns.last)),
                replicas.hint(1),
            ));
        }
    }

    fn line(&self, reason: ReportReason, message: String, hint: String) -> Obstacle {
        Obstacle {
            reason,
            object: self.replicas.model.object.clone(),
            pointer: "/spec/rollout".into(),
            functions: Vec::new(),
            message,
            hint,
        }
    }
}

/// Writes the turns into the steps: each gets its batch, and what has no turn goes.
pub(super) fn assign(roles: &[Role<'_>], works: &mut [NodeWork]) -> Said {
    let mut said = Said::default();
    for role in roles {
        for work in works.iter_mut().filter(|work| work.enforced) {
            seat(role, work);
        }
        if let Some(batch) = role.turns.surplus_stops {
            stop_surplus(role, batch, works);
        }
        role.describe(&mut said);
    }
    for work in works.iter_mut() {
        let build = |step: &Step| matches!(step.action, Action::Build { .. });
        work.steps.sort_by_key(|step| (!build(step), step.batch));
    }
    said
}

/// The replica that a step is about.
fn about(step: &Step) -> Option<&WorkerId> {
    match &step.action {
        Action::StartWorker { worker } | Action::ReplaceWorker { worker } => Some(&worker.id),
        Action::StopWorker { worker } => Some(worker),
        _ => None,
    }
}

fn seat(role: &Role<'_>, work: &mut NodeWork) {
    let turns = &role.turns;
    let waits = |step: &Step| {
        about(step).is_some_and(|id| turns.waiting.contains(id) || turns.shut_out.contains(id))
    };
    work.steps.retain(|step| !waits(step));
    let place = |step: &Step| role.batch(about(step)?);
    let places: Vec<(usize, StepId)> = work
        .steps
        .iter()
        .filter_map(|step| Some((place(step)?, step.id.clone())))
        .collect();
    for step in &mut work.steps {
        let Some(batch) = place(step) else { continue };
        step.batch = u32::try_from(batch).unwrap_or(u32::MAX);
        step.depends_on.extend(before(&places, batch));
    }
}

/// Steps of the batch before one.
fn before(places: &[(usize, StepId)], batch: usize) -> impl Iterator<Item = StepId> {
    let before = places.iter().filter(move |(at, _)| at + 1 == batch);
    before.map(|(_, id)| id.clone())
}

fn stop_surplus(role: &Role<'_>, batch: usize, works: &mut [NodeWork]) {
    let (model, id) = (role.replicas.model, &role.replicas.surplus);
    let starts = |step: &Step| match &step.action {
        Action::StartWorker { worker } | Action::ReplaceWorker { worker } if worker.id == *id => {
            Some(worker.socs.clone())
        }
        _ => None,
    };
    let started = works.iter().find_map(|work| {
        let socs = work.steps.iter().find_map(starts)?;
        Some((work.node.clone(), socs))
    });
    let runs = role.replicas.running.get(id);
    let place: Option<(NodeName, Vec<PciAddress>)> =
        started.or_else(|| runs.map(|running| (running.node.clone(), running.socs.clone())));
    let Some((node, socs)) = place else { return };
    let Some(work) = works
        .iter_mut()
        .find(|work| work.node == node && work.enforced)
    else {
        return;
    };
    let draft = Draft::new(
        id.0.clone(),
        Action::StopWorker { worker: id.clone() },
        StepReason::SurplusDone,
        vec![declared(model, "/spec/rollout")],
    )
    .leaves([fact(Subject::Worker { id: id.clone() }, "absent")])
    .never_undone("nothing needs it any more")
    .disturbs(Disruption {
        class: DisruptionClass::Worker,
        disruptive: true,
        socs,
        workers: vec![id.clone()],
        isolation: None,
    });
    let Draft { target, mut step } = draft;
    step.id = StepId(format!("{node}/{}/{target}", verb(&step.action)));
    step.batch = u32::try_from(batch).unwrap_or(u32::MAX);
    let places: Vec<(usize, StepId)> = work
        .steps
        .iter()
        .filter_map(|step| Some((role.batch(about(step)?)?, step.id.clone())))
        .collect();
    step.depends_on = before(&places, batch).collect();
    work.steps.push(step);
}

fn names(ids: &[WorkerId]) -> String {
    let names: Vec<&str> = ids.iter().map(WorkerId::as_str).collect();
    names.join(", ")
}
