//! Turns: what each writes, in a word a write, put into the world.
use std::sync::Arc;

use crd::{
    id::NodeName,
    kind::{CardNode, ChangePlan, Condition},
};
use kube_client::ResourceExt;

use super::Hand;
use crate::cluster::{
    controller::{
        decide::decide,
        survey::Notes,
        world::{number, stays},
        writes::{CardNodeWrite, Write},
    },
    names::{DRAIN_TAINT, REVERTS},
    read::Unread,
};

impl Hand {
    /// One turn, of which the writes of this word do not come through.
    pub fn turn_without(&mut self, word: &str) -> Vec<String> {
        let plans = self.world.plans.clone();
        let turned = self.turn();
        let lost = |plan: &&Arc<ChangePlan>| {
            let said = format!("{word} {}", number(&plan.name_any()));
            turned.contains(&said)
        };
        self.world
            .plans
            .splice(0..0, plans.iter().filter(lost).cloned());
        turned
    }

    /// One turn, put into the world; the nodes that were granted something.
    pub fn grants(&mut self) -> Vec<String> {
        let turned = self.turn();
        turned
            .iter()
            .filter_map(|write| write.strip_prefix("grant ").map(str::to_owned))
            .collect()
    }

    /// One turn: what it writes, in a word each, put into the world.
    pub fn turn(&mut self) -> Vec<String> {
        let decision = decide(&self.world, &mut self.notes);
        // What was worked out before spares work, and decides nothing.
        let anew = decide(&self.world, &mut Notes::default());
        assert_eq!(decision.writes, anew.writes);
        assert_eq!(decision.evict, anew.evict);
        self.agrees_with_the_whole_plan();
        let told = decision.events.iter();
        self.told
            .extend(told.map(|told| format!("{} {}", told.reason, told.note)));
        let evicted = decision.evict.iter();
        let mut said: Vec<String> = evicted
            .map(|victim| format!("evict {}", victim.pod))
            .collect();
        let writes = decision.writes;
        said.extend(writes.into_iter().map(|write| self.put(write)));
        said
    }

    /// How many nodes stand where, as it is told to those who watch: what nobody stands at is left out.
    pub fn counted(&self) -> Vec<(&'static str, i64)> {
        let decision = decide(&self.world, &mut Notes::default());
        let nodes = decision.measures.nodes.into_iter();
        nodes.filter(|(_, count)| *count > 0).collect()
    }

    /// The events since this was asked last.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn put(&mut self, write: Write) -> String {
        match write {
            Write::CardNode(to) => self.put_card_node(&to),
            Write::DeleteCardNode(card_node) => {
                let name = card_node.name_any();
                self.world.card_nodes.remove(&NodeName(name.clone()));
                format!("delete {name}")
            }
            Write::OpenPlan { name, spec } => {
                let nodes: Vec<&str> = spec.nodes.iter().map(|node| node.node.as_str()).collect();
                let said = format!("open {} of {}", number(&name), nodes.join(" "));
                let mut plan = ChangePlan::new(&name, spec);
                plan.metadata.uid = Some(name);
                plan.metadata.generation = Some(1);
                plan.metadata.resource_version = Some(self.next());
                self.world.plans.push(Arc::new(plan));
                said
            }
            Write::DeletePlan(plan) => {
                self.world.plans.retain(|other| other.uid() != plan.uid());
                format!("forget {}", number(&plan.name_any()))
            }
            Write::PlanStatus { plan, status } => {
                let nodes: Vec<String> = status
                    .nodes
                    .iter()
                    .map(|node| format!(" {}:{:?}", node.node, node.outcome))
                    .collect();
                let number = number(&plan.name_any());
                let said = format!(
                    "plan {number} {}{}",
                    reason(&status.conditions),
                    nodes.concat()
                );
                for known in &mut self.world.plans {
                    if known.uid() == plan.uid() {
                        let mut told = (**known).clone();
                        told.status = Some(status.clone());
                        *known = Arc::new(told);
                    }
                }
                said
            }
            Write::PolicyStatus { policy, status } => {
                let said = format!("policy {}", reason(&status.conditions));
                if said == "policy AsDeclared" {
                    assert_eq!(status.converged_nodes, status.nodes, "{said}");
                }
                let mut of_it = self.world.policies.iter_mut();
                let of_it = of_it.find(|known| known.metadata.name == policy.metadata.name);
                Arc::make_mut(of_it.expect("it is there")).status = Some(status);
                said
            }
            Write::Keep { policy: _, keeps } => {
                self.policy(|policy| {
                    let finalizers = policy.finalizers_mut();
                    finalizers.retain(|name| name != REVERTS);
                    finalizers.extend(keeps.then(|| REVERTS.to_owned()));
                });
                self.world
                    .policies
                    .retain(|policy| stays(policy.as_ref()) || !policy.finalizers().is_empty());
                format!("{} policy", if keeps { "keep" } else { "release" })
            }
            Write::GroupStatus { group, status } => {
                let said = format!("group {}", reason(&status.conditions));
                let mut told = (*group).clone();
                told.status = Some(status);
                self.world.groups[0] = Arc::new(told);
                said
            }
            Write::Unread { object, conditions } => {
                let said = format!("{} {}", object.kind, reason(&conditions));
                let told = Unread {
                    observed: object.metadata.generation,
                    conditions,
                    ..(*object).clone()
                };
                self.world.unread = vec![Arc::new(told)];
                said
            }
            Write::Maintenance { node, seconds } => {
                self.requested(&node);
                format!("request {node} within {seconds}")
            }
            Write::EndMaintenance(request) => {
                self.ended(&request.name);
                format!("end {}", request.name)
            }
            Write::Taints { node, taints } => {
                let ours = taints.iter().any(|taint| taint.key == DRAIN_TAINT);
                let name = node.name_any();
                let mut told = (*node).clone();
                told.spec.get_or_insert_default().taints = Some(taints);
                self.world
                    .nodes
                    .insert(NodeName(name.clone()), Arc::new(told));
                format!("{} {name}", if ours { "taint" } else { "untaint" })
            }
        }
    }

    fn put_card_node(&mut self, to: &CardNodeWrite) -> String {
        let name = to.node.as_str();
        let known = self.world.card_nodes.get(&to.node).cloned();
        let mut card_node = known.as_ref().map_or_else(
            || {
                let mut made = CardNode::new(name, to.spec.clone());
                made.metadata.uid = Some(format!("card-{name}"));
                made
            },
            |known| (**known).clone(),
        );
        let before = CardNodeWrite::of(&card_node);
        let marked = before.gone_since.is_some();
        let said = match (&known, &to.gone_since) {
            (None, _) => format!("make {name}"),
            (Some(_), Some(_)) if !marked => format!("mark {name}"),
            (Some(_), None) if marked => format!("unmark {name}"),
            (Some(known), _) => match (&known.spec.grant, &to.spec.grant) {
                (Some(_), Some(_)) => format!("drained {} on {name}", to.spec.drained.len()),
                (_, Some(_)) => format!("grant {name}"),
                (None, None) if before.in_hand_until.is_some() && to.in_hand_until.is_none() => {
                    format!("wait for {name} no more")
                }
                (_, None) => match to.spec.approval {
                    Some(approval) => format!("have {name} keep {approval:?}"),
                    None => format!("withdraw {name}"),
                },
            },
        };
        assert_eq!(
            to.version,
            known.as_ref().and_then(|known| known.resource_version()),
            "{said} is decided on what is there"
        );
        card_node.spec = to.spec.clone();
        for (name, said) in to.marks() {
            match said {
                Some(said) => {
                    let annotations = card_node.annotations_mut();
                    annotations.insert(name.to_owned(), said.clone());
                }
                None => {
                    card_node.annotations_mut().remove(name);
                }
            }
        }
        card_node.metadata.resource_version = Some(self.next());
        self.world
            .card_nodes
            .insert(to.node.clone(), Arc::new(card_node));
        said
    }
}

/// The reason that Ready, Reconciling and Stalled share, of which one is True.
fn reason(conditions: &[Condition]) -> String {
    let three: Vec<&Condition> = conditions
        .iter()
        .filter(|told| matches!(told.type_.as_str(), "Ready" | "Reconciling" | "Stalled"))
        .collect();
    let holding = three.iter().filter(|told| told.status == "True").count();
    assert_eq!((three.len(), holding), (3, 1), "{three:?}");
    three[0].reason.clone()
}
