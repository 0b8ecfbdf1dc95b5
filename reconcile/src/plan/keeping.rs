//! Which SoCs card work leaves alone for now, so that enough replicas of every model go on serving.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{NodeName, ObjectRef, PciAddress, WorkerId},
    snapshot::HardwareSnapshot,
};

use super::{
    Site, canary, governance,
    replicas::{Downtime, Replicas},
};
use crate::{
    Inputs,
    view::{Spared, View},
};

/// SoCs to be left alone, by node.
type Kept = BTreeMap<NodeName, BTreeMap<PciAddress, Spared>>;

/// The nodes' needs within every model's numbers.
pub(super) struct Keeping<'a> {
    pub(super) sites: Vec<Site<'a>>,
    /// Models for whose replicas card work waits, with how many it would stop together.
    pub(super) waits: BTreeMap<ObjectRef, usize>,
}

/// Plans cards, and plans them again without what would stop too many replicas, until nothing does.
pub(super) fn keep<'a>(
    inputs: &Inputs<'a>,
    snapshots: &'a BTreeMap<NodeName, HardwareSnapshot>,
    replicas: &[Replicas<'_>],
    downtime: impl Fn(&ObjectRef) -> Downtime,
) -> Keeping<'a> {
    let mut kept = Kept::new();
    let mut waits: BTreeMap<ObjectRef, usize> = BTreeMap::new();
    let mut waiting = canary::Waiting::new();
    loop {
        let site = |snapshot: &'a HardwareSnapshot| {
            let name = &snapshot.metadata.name;
            let spared = kept.get(name).cloned();
            Site::of(
                inputs,
                snapshot,
                spared.unwrap_or_default(),
                waiting.get(name),
            )
        };
        let sites: Vec<Site<'a>> = snapshots.values().map(site).collect();
        // A canary waits for nobody, so what stands against it only grows, with what is spared.
        let found = canary::waiting(inputs, &sites);
        if found != waiting {
            waiting = found;
            continue;
        }
        let mut more = false;
        for refusal in refused(&sites, replicas, &downtime) {
            let Refusal {
                node,
                model,
                stops,
                spared,
            } = refusal;
            let least = waits.entry(model).or_insert(stops);
            *least = stops.min(*least);
            let there = kept.entry(node).or_default();
            for soc in &spared.functions {
                more |= there.insert(*soc, spared.clone()).is_none();
            }
        }
        if !more {
            return Keeping { sites, waits };
        }
    }
}

struct Refusal {
    node: NodeName,
    model: ObjectRef,
    stops: usize,
    spared: Spared,
}

/// What the cards' units would stop beyond a model's numbers. Workers come back only after all of them, so what they stop
/// adds up; canaries take their part first.
fn refused(
    sites: &[Site<'_>],
    replicas: &[Replicas<'_>],
    downtime: &impl Fn(&ObjectRef) -> Downtime,
) -> Vec<Refusal> {
    let mut serving: Vec<BTreeSet<WorkerId>> = replicas.iter().map(Replicas::serving).collect();
    let mut refused = Vec::new();
    let mut ordered: Vec<&Site<'_>> = sites.iter().collect();
    ordered.sort_by_key(|site| !governance::of(&site.view).canary);
    for site in ordered {
        for idle in site.needs.enforced.idle() {
            let stopped: Vec<Vec<WorkerId>> = replicas
                .iter()
                .zip(&serving)
                .map(|(model, serving)| {
                    let mut here = model.on(site.view.node(), &idle);
                    here.retain(|id| serving.contains(id));
                    here
                })
                .collect();
            let mut fits = true;
            for ((model, serving), stopped) in replicas.iter().zip(&serving).zip(&stopped) {
                let object = &model.model.object;
                if !model.may_stop(serving.len(), stopped.len(), downtime(object)) {
                    fits = false;
                    refused.push(Refusal {
                        node: site.view.node().clone(),
                        model: object.clone(),
                        stops: stopped.len(),
                        spared: spared(&site.view, model, stopped, serving.len()),
                    });
                }
            }
            if fits {
                for (serving, stopped) in serving.iter_mut().zip(stopped) {
                    serving.retain(|id| !stopped.contains(id));
                }
            }
        }
    }
    refused
}

fn spared(
    view: &View<'_>,
    replicas: &Replicas<'_>,
    stopped: &[WorkerId],
    serving: usize,
) -> Spared {
    let names: Vec<&str> = stopped.iter().map(WorkerId::as_str).collect();
    let held = stopped.iter().filter_map(|id| replicas.running.get(id));
    let functions: BTreeSet<PciAddress> = held
        .flat_map(|running| running.socs.iter().copied())
        .filter(|soc| view.soc(*soc).is_some())
        .collect();
    Spared {
        functions: functions.into_iter().collect(),
        message: format!(
            "its SoCs would have to be idle, and {} there would stop: {}",
            names.join(", "),
            replicas.says(serving)
        ),
        hint: replicas.hint(stopped.len()),
    }
}
