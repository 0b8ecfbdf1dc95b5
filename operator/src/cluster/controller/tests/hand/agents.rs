//! What agents and the kubelets beside them say of their nodes.
use std::sync::Arc;

use crd::{
    id::{BootId, NodeName, Word},
    kind::{CardNode, GrantProgress, GrantState, rack::VendorTool},
    plan::NodePlan,
    snapshot::{Acs, HardwareSnapshot, Holder},
    step::Action,
};
use k8s_openapi::api::core::v1::Pod;
use kube_client::ResourceExt;

use super::{
    super::ultra::{machine_after, machine_of},
    Hand,
};
use crate::cluster::{
    controller::evictions::Refusal,
    packed::{self, SNAPSHOT_LIMIT},
};

impl Hand {
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

    /// What was granted cannot be read any more.
    pub fn damage_grant(&mut self, name: &str) {
        self.change(name, |card_node| {
            let grant = card_node.spec.grant.as_mut().expect("it was granted");
            "of another version".clone_into(&mut grant.plan);
        });
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

    /// An agent reports a machine that is known to lack a tool, in so little room that prerequisites were left out.
    pub fn reports_without(&mut self, name: &str, tool: VendorTool) {
        self.reports(name);
        let mut snapshot = machine_of(name);
        snapshot.prerequisites = None;
        (snapshot.tools.missing).insert(tool, "/opt/qti-aic".to_owned());
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            status.snapshot = packed::pack(&snapshot, SNAPSHOT_LIMIT).ok();
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

    /// An agent says how it ended a grant that was taken back, and shows its machine, which another boot may have.
    pub fn gives_up(&mut self, name: &str, booted: bool) {
        self.reports(name);
        self.change(name, |card_node| {
            let status = card_node.status.as_mut().expect("its agent has reported");
            let progress = status.grant.as_mut().expect("it was at work");
            progress.state = GrantState::Void;
            progress.why = Some("it was withdrawn before it ended".to_owned());
            if booted {
                status.boot_id = Some(BootId("another".into()));
            }
        });
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

    /// An agent says of its node how a condition stands.
    pub fn says_of(
        &mut self,
        name: &str,
        about: &str,
        (status, reason, message): (&str, &str, &str),
    ) {
        let condition = serde_json::json!({
            "type": about, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            let condition = serde_json::from_value(condition).unwrap();
            status.conditions.push(condition);
        });
    }

    /// An agent keeps in its ledger the approval that it is asked to.
    pub fn keeps_approval(&mut self, name: &str) {
        self.change(name, |card_node| {
            let approval = card_node.spec.approval.expect("it is asked to");
            let status = card_node.status.get_or_insert_default();
            let text = status.snapshot.as_deref().unwrap();
            let mut snapshot: HardwareSnapshot = packed::unpack(text).unwrap();
            snapshot.ledger = reconcile::ledger::under(&snapshot.ledger, approval);
            status.snapshot = packed::pack(&snapshot, SNAPSHOT_LIMIT).ok();
        });
    }

    /// An agent at work tells how far its machine has come.
    pub fn comes_on(&mut self, name: &str) {
        self.says(name, GrantState::Working, |_| None);
        self.shows_it_done(name);
    }

    /// An agent stands where work is kept off its SoCs.
    pub fn awaits(&mut self, name: &str) {
        self.says(name, GrantState::Working, |plan| {
            let kept = |step: &&crd::step::Step| matches!(step.action, Action::Taint { .. });
            plan.steps.iter().find(kept).map(|step| step.id.clone())
        });
    }

    /// An agent stands where holders have to go, and sees these.
    pub fn awaits_drain(&mut self, name: &str, holders: &[Holder]) {
        self.says(name, GrantState::Working, |plan| {
            let drains = |step: &&crd::step::Step| matches!(step.action, Action::Drain { .. });
            plan.steps.iter().find(drains).map(|step| step.id.clone())
        });
        let mut snapshot = machine_of(name);
        snapshot.holders = holders.to_vec();
        self.change(name, |card_node| {
            let status = card_node.status.get_or_insert_default();
            status.snapshot = packed::pack(&snapshot, SNAPSHOT_LIMIT).ok();
        });
    }

    /// The pods of a node.
    pub fn pods(&mut self, name: &str, pods: Vec<Pod>) {
        self.world.pods.insert(NodeName(name.into()), pods);
    }

    /// The Eviction API refuses a pod.
    pub fn refuses(&mut self, uid: &str, why: &str) {
        let now = self.world.now;
        let refusal = Refusal::after(self.world.refusals.get(uid), why.to_owned(), now);
        self.world.refusals.insert(uid.to_owned(), refusal);
    }

    /// What is said of drains by the policy and by the last rollout.
    pub fn drain_blocked(&self) -> [String; 2] {
        self.said("DrainBlocked")
    }

    /// What is said of plans that wait, by the policy and by the last rollout.
    pub fn pending(&self) -> [String; 2] {
        self.said("PlanPending")
    }

    fn said(&self, about: &str) -> [String; 2] {
        let policy = self.world.policies[0].status.as_ref();
        let plan = self.last_plan().status.as_ref();
        [
            policy.map(|status| &status.conditions),
            plan.map(|status| &status.conditions),
        ]
        .map(|conditions| {
            let mut all = conditions.into_iter().flatten();
            let said = all.find(|told| told.type_ == about);
            said.map_or_else(String::new, |told| {
                format!("{} {}: {}", told.status, told.reason, told.message)
            })
        })
    }

    /// A SoC is pulled: an agent shows the machine without it.
    pub fn is_pulled_from(&mut self, name: &str) {
        self.change(name, |card_node| {
            let status = card_node.status.as_mut().expect("its agent has reported");
            let text = status.snapshot.as_deref().unwrap_or_default();
            let mut snapshot: HardwareSnapshot = packed::unpack(text).unwrap();
            let gone = snapshot.socs.remove(0).address;
            snapshot
                .functions
                .retain(|function| function.address != gone);
            status.snapshot = packed::pack(&snapshot, SNAPSHOT_LIMIT).ok();
        });
    }

    /// Somebody sets every port that was relaxed back to what a boot leaves there.
    pub fn ports_are_set_back(&mut self, name: &str) {
        self.change(name, |card_node| {
            let status = card_node.status.as_mut().expect("its agent has reported");
            let shown = status.snapshot.as_deref().expect("it shows its machine");
            let mut shown: HardwareSnapshot = packed::unpack(shown).unwrap();
            for function in &mut shown.functions {
                if let Some(Acs::Present { control, .. }) = &mut function.acs.value {
                    *control = Word(0x001d);
                }
            }
            status.snapshot = packed::pack(&shown, SNAPSHOT_LIMIT).ok();
        });
    }

    /// An agent has carried out its grant, and shows a machine on which nothing is left to do.
    pub fn converges(&mut self, name: &str) {
        self.ends(name, GrantState::Converged);
        self.shows_it_done(name);
    }

    /// The machine that a node's agent shows is the one that its grant leads to.
    fn shows_it_done(&mut self, name: &str) {
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
}
