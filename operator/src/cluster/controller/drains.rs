//! Drains: who has to go before SoCs are free, and what becomes of each: evicted, waited for, or named as what blocks.
//!
//! Holders are those that the agent saw while it waited, so after our taint. Only their pods are evicted, never by name
//! alone; a pod that may have SoCs and is not told of yet is waited for, and is not evicted: it may be a bystander.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    id::{NodeName, PciAddress, StepId},
    kind::{CardNode, Grant, GrantState},
    plan::NodePlan,
    snapshot::{Holder, HolderKind, PodName},
    step::Action,
};
use k8s_openapi::api::core::v1::Pod;
use kube_client::ResourceExt;
use machine::Timestamp;

use super::{
    evictions::Refusal,
    in_hand::is_of,
    maintenance::{Evictor, evictor},
    survey::{Notes, Survey},
    world::World,
};
use crate::cluster::{
    agent::tenants::is_of_socs,
    names::{AGENT, DRAIN_EFFECT, DRAIN_TAINT},
    packed,
};

/// On the mirror of a static pod, which the kubelet makes again whatever becomes of it: the static pod's uid.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// How long a pod may be late to end, or a kubelet to say that it has, before it is named as what blocks.
const LATE: Duration = Duration::from_mins(1);

/// What an agent waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The step that it stands at.
    pub step: StepId,
    /// The SoCs of it.
    pub socs: Vec<PciAddress>,
    /// What is to be true of them.
    pub until: Until,
}

/// What is to be true before a step goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Nothing new is placed there.
    KeptOff,
    /// Nobody holds one.
    Free,
}

/// A drain as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// What is waited for.
    pub awaited: Awaited,
    /// Whether it is done.
    pub done: bool,
    /// Pods to evict now.
    pub evict: Vec<Victim>,
    /// Who blocks it.
    pub blockers: Vec<Blocker>,
}

/// A pod to evict: this one, and not another that has its name by then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Victim {
    /// Its name.
    pub pod: PodName,
    /// Its uid.
    pub uid: String,
}

/// Somebody who blocks a drain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    /// Stable reason.
    pub reason: Obstinacy,
    /// Who, and why.
    pub sentence: String,
}

/// Why somebody does not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstinacy {
    /// Its eviction was refused: by a disruption budget, nearly always.
    PodDisruptionBudget,
    /// It is a pod that must not be evicted, or does not end.
    PodNotEvictable,
    /// Nobody knows whose it is, or it is no pod.
    HolderUnknown,
    /// Its eviction is somebody else's, who has not done it.
    NodeMaintenance,
}

/// Every drain that an agent waits for, as far as the pods of its node are known.
pub fn drains(
    world: &World,
    survey: &Survey,
    waiting: &BTreeMap<NodeName, Awaited>,
) -> BTreeMap<NodeName, Drain> {
    waiting
        .iter()
        .filter_map(|(name, awaited)| {
            let sheet = survey.sheets.get(name)?;
            let pods = world.pods.get(name)?;
            let since = world.drains.get(name);
            let late = since.is_some_and(|since| since.until(world.now) > LATE);
            let mut drain = drain(
                (awaited.clone(), late),
                &sheet.holders,
                pods,
                &world.refusals,
                world.now,
            );
            if awaited.until == Until::Free {
                drain.handed(&evictor(world, survey, name));
            }
            Some((name.clone(), drain))
        })
        .collect()
}

/// Nodes whose agent waits for a drain: whose pods have to be known.
pub fn waiting(world: &World, notes: &mut Notes) -> BTreeMap<NodeName, Awaited> {
    let nodes = world.card_nodes.iter();
    nodes
        .filter_map(|(name, card_node)| {
            let grant = card_node.spec.grant.as_ref()?;
            let step = awaited_step(card_node, grant)?;
            let gates = notes.gates(name, grant);
            Some((name.clone(), gates.0.get(step)?.clone()))
        })
        .collect()
}

/// Where a granted plan stops for drains, by step.
#[derive(Debug, Default)]
pub struct Gates(BTreeMap<StepId, Awaited>);

impl Gates {
    /// Reads the plan. One that cannot be read has none: no agent carries it out.
    pub fn of(grant: &Grant) -> Self {
        let plan: Option<NodePlan> = packed::unpack(&grant.plan).ok();
        let steps = plan.map(|plan| plan.steps).unwrap_or_default().into_iter();
        let gates = steps.filter_map(|planned| {
            let (socs, until) = match planned.action {
                Action::Taint { socs } => (socs, Until::KeptOff),
                Action::Drain { socs, .. } => (socs, Until::Free),
                _ => return None,
            };
            let step = planned.id.clone();
            Some((planned.id, Awaited { step, socs, until }))
        });
        Self(gates.collect())
    }
}

/// The step that the agent waits at: where work is kept off, or where holders have to go.
fn awaited_step<'a>(card_node: &'a CardNode, grant: &Grant) -> Option<&'a StepId> {
    let progress = card_node.status.as_ref()?.grant.as_ref()?;
    let waits = is_of(progress, grant) && progress.state == GrantState::Working;
    progress.awaiting.as_ref().filter(|_| waits)
}

/// How one drain stands; `late` where it is waited for so long that whoever has ended should be known to have.
pub fn drain(
    (awaited, late): (Awaited, bool),
    holders: &[Holder],
    pods: &[Pod],
    refusals: &BTreeMap<String, Refusal>,
    now: Timestamp,
) -> Drain {
    let mut drain = Drain {
        done: true,
        evict: Vec::new(),
        blockers: Vec::new(),
        awaited,
    };
    for pod in pods.iter().filter(|pod| is_untold(pod, holders)) {
        drain.blocks(
            Obstinacy::HolderUnknown,
            format!(
                "pod {} asks for SoCs, and the kubelet has not said yet which it has",
                name(pod)
            ),
        );
    }
    if drain.awaited.until == Until::Free {
        let socs = drain.awaited.socs.clone();
        for holder in holders.iter().filter(|holder| socs.contains(&holder.soc)) {
            drain.done = false;
            match pod_of(holder, pods) {
                Some(pod) if is_over(pod) => {
                    drain.lingers(&name(pod), holder.soc, late, "has ended");
                }
                Some(pod) => drain.pod_goes(pod, refusals, now),
                None => drain.stranger(holder, late),
            }
        }
    }
    drain.evict.sort();
    drain.evict.dedup();
    drain.blockers.sort();
    drain.blockers.dedup();
    drain
}

impl Drain {
    /// Leaves evictions to whoever they are handed to, and waits for them.
    fn handed(&mut self, to: &Evictor) {
        let theirs = match to {
            Evictor::Us => return,
            Evictor::Awaited(why) => Some(why.clone()),
            Evictor::Done(request) => self.evict.first().map(|victim| {
                format!(
                    "NodeMaintenance {request} is ready, and pod {} holds a SoC still",
                    victim.pod
                )
            }),
        };
        self.evict.clear();
        if let Some(why) = theirs {
            self.blocks(Obstinacy::NodeMaintenance, why);
        }
    }

    fn blocks(&mut self, reason: Obstinacy, sentence: String) {
        self.done = false;
        self.blockers.push(Blocker { reason, sentence });
    }

    /// Decides what becomes of a pod that holds a SoC.
    fn pod_goes(&mut self, pod: &Pod, refusals: &BTreeMap<String, Refusal>, now: Timestamp) {
        let who = name(pod);
        if let Some(why) = stays(pod) {
            return self.blocks(Obstinacy::PodNotEvictable, format!("pod {who} {why}"));
        }
        if let Some(by) = &pod.metadata.deletion_timestamp {
            let seconds = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
            if seconds
                > by.0
                    .as_second()
                    .saturating_add(LATE.as_secs().cast_signed())
            {
                let since = by.0;
                self.blocks(
                    Obstinacy::PodNotEvictable,
                    format!("pod {who} was to have ended by {since} and holds SoCs still"),
                );
            }
            return;
        }
        let victim = Victim {
            pod: who.clone(),
            uid: pod.uid().unwrap_or_default(),
        };
        match refusals.get(&victim.uid) {
            None => self.evict.push(victim),
            Some(refusal) => {
                if now >= refusal.until {
                    self.evict.push(victim);
                }
                self.blocks(
                    Obstinacy::PodDisruptionBudget,
                    format!("pod {who} ({})", refusal.why),
                );
            }
        }
    }

    /// A pod that the kubelet tells of and that is no more: its next word, and the agent's next look, show its SoCs free.
    fn lingers(&mut self, who: &PodName, soc: PciAddress, late: bool, what: &str) {
        if late {
            let sentence = format!(
                "pod {who} {what}, and the kubelet says still that it has {soc}: restart the kubelet of its node if it goes on so"
            );
            self.blocks(Obstinacy::HolderUnknown, sentence);
        }
    }

    /// Somebody who is no pod that the API server knows.
    fn stranger(&mut self, holder: &Holder, late: bool) {
        let named = match holder.pid {
            Some(pid) => format!("pid {pid} ({})", holder.name),
            None => holder.name.clone(),
        };
        let soc = holder.soc;
        let sentence = match (&holder.kind, &holder.pod) {
            (HolderKind::Pod { named: Some(pod) }, _) => {
                return self.lingers(pod, soc, late, "is not there any more");
            }
            (HolderKind::Pod { named: None }, Some(uid)) => format!(
                "{named} holds {soc} for pod {uid}, which the API server does not know on this node"
            ),
            (HolderKind::Unseen { .. }, _) => format!("nobody can tell who holds {soc}: {named}"),
            (HolderKind::Worker { id }, _) => format!("worker {id} holds {soc}"),
            (HolderKind::Pod { named: None } | HolderKind::Foreign, _) => {
                format!("{named} holds {soc} and is no pod")
            }
        };
        self.blocks(Obstinacy::HolderUnknown, sentence);
    }
}

/// The pod that a holder is, or that its process belongs to.
fn pod_of<'a>(holder: &Holder, pods: &'a [Pod]) -> Option<&'a Pod> {
    let HolderKind::Pod { named } = &holder.kind else {
        return None;
    };
    let uid = holder.pod.as_deref();
    let of_uid =
        |pod: &&Pod| uid.is_some() && (pod.metadata.uid.as_deref() == uid || mirrored(pod) == uid);
    let of_name = |pod: &&Pod| named.as_ref().is_some_and(|named| name(pod) == *named);
    pods.iter().find(|pod| of_name(pod) || of_uid(pod))
}

/// Why a pod must not be evicted, where that is so.
fn stays(pod: &Pod) -> Option<&'static str> {
    if mirrored(pod).is_some() {
        return Some("is static: its kubelet starts it again; take its manifest off the node");
    }
    let spec = pod.spec.as_ref()?;
    if spec.service_account_name.as_deref() == Some(AGENT) {
        return Some("is our own agent, which is never evicted");
    }
    let owners = pod.owner_references();
    let of_every_node = owners
        .iter()
        .any(|owner| owner.kind == "DaemonSet" && owner.controller == Some(true));
    let tolerates = spec.tolerations.iter().flatten().any(|toleration| {
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let exists = toleration.operator.as_deref() == Some("Exists");
        (key == DRAIN_TAINT || (key.is_empty() && exists))
            && (effect.is_empty() || effect == DRAIN_EFFECT)
    });
    (of_every_node && tolerates)
        .then_some("is of a DaemonSet that tolerates our taint, and would be back at once")
}

/// The uid of the static pod that this one mirrors.
fn mirrored(pod: &Pod) -> Option<&str> {
    pod.annotations().get(MIRROR).map(String::as_str)
}

/// An amount that asks for nothing, as the API server writes every such.
const NONE: &str = "0";

/// A pod that may have SoCs of its node, and that neither the kubelet nor a process tells of.
fn is_untold(pod: &Pod, holders: &[Holder]) -> bool {
    let spec = pod.spec.as_ref();
    let containers = spec.into_iter().flat_map(|spec| {
        let first = spec.init_containers.iter().flatten();
        first.chain(&spec.containers)
    });
    let asks = containers
        .filter_map(|container| container.resources.as_ref())
        .flat_map(|resources| [&resources.limits, &resources.requests])
        .flatten()
        .flatten()
        .any(|(resource, amount)| is_of_socs(resource) && amount.0 != NONE);
    let told = holders.iter().any(|holder| {
        let alone = std::slice::from_ref(pod);
        pod_of(holder, alone).is_some()
    });
    asks && !told && !is_over(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether every container of it has ended.
fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn name(pod: &Pod) -> PodName {
    PodName {
        namespace: pod.namespace().unwrap_or_default(),
        name: pod.name_any(),
    }
}
