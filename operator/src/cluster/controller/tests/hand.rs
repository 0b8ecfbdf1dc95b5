//! A world that is moved by hand: what a turn writes is put into it, and agents say what a test has them say.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crd::{
    id::{BootId, Digest, NodeName},
    kind::{
        CardNode, CardPolicy, ChangePlan, Condition, GivenApproval, GrantProgress, GrantState,
        P2PGroup,
    },
    plan::NodePlan,
    step::Action,
};
use k8s_openapi::api::core::v1::Node;
use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::{Value, json};

use super::super::{
    decide::decide,
    world::{World, number},
    writes::{CardNodeWrite, Write},
};
use super::ultra::{machine_after, machine_of};
use crate::cluster::{
    names::{DRAIN_TAINT, GONE_SINCE, REQUESTED_AT},
    packed::{self, SNAPSHOT_LIMIT},
};

/// The quickstart's policy.
pub fn automatic() -> Value {
    json!({
        "mdp": "Groups",
        "acs": { "mode": "Minimal" },
        "enforcement": "Enforce",
        "approval": { "mode": "Automatic" },
        "deletionPolicy": { "rule": "Revert" },
    })
}

/// The same, and somebody has to approve.
#[expect(non_snake_case, reason = "the mode's own name")]
pub fn MANUAL() -> Value {
    let mut policy = automatic();
    policy["approval"]["mode"] = json!("Manual");
    policy
}

/// The world.
pub struct Hand {
    world: World,
    /// Versions that were given away.
    version: u64,
}

impl Hand {
    /// A world with a policy, and a group of four.
    pub fn new(policy: &Value) -> Self {
        let object = |kind: &str, name: &str, spec: &Value| {
            json!({
                "apiVersion": "shardplane.dev/v1alpha1",
                "kind": kind,
                "metadata": { "name": name, "uid": name, "generation": 1, "resourceVersion": "1" },
                "spec": spec,
            })
        };
        let group = json!({ "size": 4, "automatic": { "per": "Card" } });
        let policy: CardPolicy =
            serde_json::from_value(object("CardPolicy", "quickstart", policy)).unwrap();
        let group: P2PGroup = serde_json::from_value(object("P2PGroup", "quad", &group)).unwrap();
        Self {
            world: World {
                policies: vec![Arc::new(policy)],
                groups: vec![Arc::new(group)],
                nodes: BTreeMap::new(),
                card_nodes: BTreeMap::new(),
                plans: Vec::new(),
                epoch: 1,
                now: Timestamp(0),
            },
            version: 10,
        }
    }

    fn next(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// A Node with cards comes.
    pub fn node(&mut self, name: &str) {
        self.labelled(
            name,
            &json!({ "qualcomm.com/qaic": "true", "kubernetes.io/hostname": name }),
        );
    }

    /// A Node with these labels comes.
    pub fn labelled(&mut self, name: &str, labels: &Value) {
        let version = self.next();
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": name, "uid": format!("node-{name}-{}", self.version), "resourceVersion": version, "labels": labels },
        }))
        .unwrap();
        self.world
            .nodes
            .insert(NodeName(name.into()), Arc::new(node));
    }

    /// Kubernetes says whether a Node is ready.
    pub fn readiness(&mut self, name: &str, ready: &str) {
        let version = self.next();
        let at = self.world.nodes.get_mut(&NodeName(name.into()));
        let node = at.expect("the Node is there");
        let mut text = json!(**node);
        text["metadata"]["resourceVersion"] = json!(version);
        text["status"]["conditions"] = json!([
            { "type": "MemoryPressure", "status": "False" },
            { "type": "Ready", "status": ready, "message": "the kubelet stopped posting" },
        ]);
        *node = Arc::new(serde_json::from_value(text).unwrap());
    }

    /// A Node goes.
    pub fn loses(&mut self, name: &str) {
        self.world.nodes.remove(&NodeName(name.into()));
    }

    /// A Node goes and comes back.
    pub fn is_made_anew(&mut self, name: &str) {
        self.loses(name);
        self.node(name);
    }

    /// Time passes.
    pub fn later(&mut self, by: Duration) {
        self.world.now = self.world.now.plus(by);
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut CardNode)) {
        let version = self.next();
        let at = self.world.card_nodes.get_mut(&NodeName(name.into()));
        let mut card_node = (**at.as_deref().expect("the CardNode is there")).clone();
        card_node.metadata.resource_version = Some(version);
        change(&mut card_node);
        if let Some(at) = at {
            *at = Arc::new(card_node);
        }
    }

    fn node_uid(&self, name: &str) -> Option<String> {
        self.world.nodes.get(&NodeName(name.into()))?.uid()
    }

    /// An agent reports a machine as it is after a boot.
    pub fn reports(&mut self, name: &str) {
        let uid = self.node_uid(name);
        let snapshot = machine_of(name);
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            status.boot_id = snapshot.boot_id.get().cloned();
            status.snapshot = packed::pack(&snapshot, SNAPSHOT_LIMIT).ok();
            status.node_uid = uid;
        });
    }

    /// The machine boots: the agent has begun nothing yet.
    pub fn boots(&mut self, name: &str) {
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            status.boot_id = Some(BootId("another".into()));
        });
    }

    /// An agent says how its grant stands.
    pub fn ends(&mut self, name: &str, state: GrantState) {
        self.says(name, state, |_| None);
    }

    fn says(
        &mut self,
        name: &str,
        state: GrantState,
        awaits: impl FnOnce(&NodePlan) -> Option<crd::id::StepId>,
    ) {
        self.change(name, |card_node| {
            let grant = card_node.spec.grant.as_ref().expect("it has a grant");
            let plan: NodePlan = packed::unpack(&grant.plan).unwrap();
            let progress = GrantProgress {
                digest: grant.digest.clone(),
                decided_on: grant.decided_on.clone(),
                lease_epoch: grant.lease_epoch,
                state,
                awaiting: awaits(&plan),
                why: None,
            };
            card_node.status.get_or_insert_default().grant = Some(progress);
        });
    }

    /// An agent stands where work is kept off its SoCs.
    pub fn awaits(&mut self, name: &str) {
        self.says(name, GrantState::Working, |plan| {
            let kept = |step: &&crd::step::Step| matches!(step.action, Action::Taint { .. });
            plan.steps.iter().find(kept).map(|step| step.id.clone())
        });
    }

    /// An agent has carried out its grant, and shows a machine on which nothing is left to do.
    pub fn converges(&mut self, name: &str) {
        self.ends(name, GrantState::Converged);
        let grant = self.world.card_nodes[&NodeName(name.into())]
            .spec
            .grant
            .clone();
        let plan: NodePlan = packed::unpack(&grant.expect("it has a grant").plan).unwrap();
        let done = machine_after(name, &plan);
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            status.snapshot = packed::pack(&done, SNAPSHOT_LIMIT).ok();
        });
    }

    fn last_plan(&self) -> &ChangePlan {
        self.world.plans.last().expect("a rollout is open")
    }

    /// The digest of the rollout at hand.
    pub fn rollout_digest(&self) -> String {
        self.last_plan().spec.digest.0.clone()
    }

    /// The digest of a node of it.
    pub fn node_digest(&self, name: &str) -> String {
        let mut nodes = self.last_plan().spec.nodes.iter();
        let node = nodes.find(|node| node.node.as_str() == name);
        node.expect("the rollout has the node").digest.0.clone()
    }

    /// Somebody approves the rollout at hand.
    pub fn approve(&mut self, digest: &str) {
        let mut plan = self.last_plan().clone();
        plan.status.get_or_insert_default().approval = Some(GivenApproval {
            digest: Digest(digest.to_owned()),
            by: "somebody".to_owned(),
        });
        self.world.plans.pop();
        self.world.plans.push(Arc::new(plan));
    }

    fn policy(&mut self, change: impl FnOnce(&mut CardPolicy)) {
        let mut policy = (*self.world.policies[0]).clone();
        change(&mut policy);
        self.world.policies[0] = Arc::new(policy);
    }

    /// Somebody lists a digest in the policy.
    pub fn policy_lists(&mut self, digest: &str) {
        self.policy(|policy| policy.spec.approval.digests.push(Digest(digest.to_owned())));
    }

    /// Somebody asks for another look.
    pub fn request(&mut self, at: &str) {
        self.policy(|policy| {
            let annotations = policy.annotations_mut();
            annotations.insert(REQUESTED_AT.to_owned(), at.to_owned());
        });
    }

    /// Somebody declares a setting in place of the group.
    pub fn forget_group(&mut self) {
        self.world.groups.clear();
        self.policy(|policy| {
            policy.spec.driver = Some(crd::kind::DriverPolicy {
                control_response_timeout_seconds: Some(2600),
                persistence: None,
            });
        });
    }

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
        let decision = decide(&self.world);
        let writes = decision.writes;
        writes.into_iter().map(|write| self.put(write)).collect()
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
            Write::PolicyStatus { policy: _, status } => {
                let said = format!("policy {}", reason(&status.conditions));
                self.policy(|policy| policy.status = Some(status));
                said
            }
            Write::GroupStatus { group, status } => {
                let said = format!("group {}", reason(&status.conditions));
                let mut told = (*group).clone();
                told.status = Some(status);
                self.world.groups[0] = Arc::new(told);
                said
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
        let marked = card_node.annotations().contains_key(GONE_SINCE);
        let said = match (&known, &to.gone_since) {
            (None, _) => format!("make {name}"),
            (Some(_), Some(_)) if !marked => format!("mark {name}"),
            (Some(_), None) if marked => format!("unmark {name}"),
            (Some(known), _) => match (&known.spec.grant, &to.spec.grant) {
                (Some(_), Some(_)) => format!("drained {} on {name}", to.spec.drained.len()),
                (_, Some(_)) => format!("grant {name}"),
                (_, None) => format!("withdraw {name}"),
            },
        };
        assert_eq!(
            to.version,
            known.as_ref().and_then(|known| known.resource_version()),
            "{said} is decided on what is there"
        );
        card_node.spec = to.spec.clone();
        match &to.gone_since {
            Some(since) => {
                let annotations = card_node.annotations_mut();
                annotations.insert(GONE_SINCE.to_owned(), since.clone());
            }
            None => {
                card_node.annotations_mut().remove(GONE_SINCE);
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
