//! A world that is moved by hand: `agents` say what a test has them say, `turns` put into it what each writes, and `whole`
//! holds what is worked out node by node against the planner's word on all of them.
mod agents;
mod turns;
mod whole;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crd::{
    id::{Digest, NodeName},
    kind::{ApprovalMode, CardPolicy, ChangePlan, GivenApproval, P2PGroup},
};
use k8s_openapi::{api::core::v1::Node, apimachinery::pkg::apis::meta::v1::Time, jiff};
use kube_client::ResourceExt;
use machine::Timestamp;
use serde_json::{Value, json};

use super::super::{
    maintenance::{Maintenance, Request},
    survey::Notes,
    world::World,
};
use crate::cluster::names::{RELEASE, REQUESTED_AT, REVERTS};

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
    /// The cluster.
    pub world: World,
    /// What earlier turns worked out.
    notes: Notes,
    /// What was told since somebody asked.
    told: Vec<String>,
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
        let mut policy = object("CardPolicy", "quickstart", policy);
        if policy["spec"]["deletionPolicy"]["rule"] == json!("Revert") {
            // As a first turn leaves it.
            policy["metadata"]["finalizers"] = json!([REVERTS]);
        }
        let policy: CardPolicy = serde_json::from_value(policy).unwrap();
        let group: P2PGroup = serde_json::from_value(object("P2PGroup", "quad", &group)).unwrap();
        Self {
            world: World {
                policies: vec![Arc::new(policy)],
                groups: vec![Arc::new(group)],
                unread: Vec::new(),
                nodes: BTreeMap::new(),
                card_nodes: BTreeMap::new(),
                plans: Vec::new(),
                pods: BTreeMap::new(),
                maintenance: Maintenance::Unserved,
                refusals: BTreeMap::new(),
                departures: BTreeMap::new(),
                absences: BTreeMap::new(),
                drains: BTreeMap::new(),
                epoch: 1,
                now: Timestamp(0),
            },
            notes: Notes::default(),
            told: Vec::new(),
            version: 10,
        }
    }

    /// The same with one node, whose agent has its grant.
    pub fn at_work(policy: &Value) -> Self {
        Self::new(policy).begun()
    }

    /// This world once one node has come, whose agent has its grant.
    pub fn begun(mut self) -> Self {
        self.node("n1");
        self.turn();
        self.reports("n1");
        self.turn();
        assert_eq!(self.grants(), ["n1"]);
        self.turn();
        self
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
        self.world.pods.entry(NodeName(name.into())).or_default();
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
            {
                "type": "Ready",
                "status": ready,
                "message": "the kubelet stopped posting",
                "lastTransitionTime": self.world.now.to_string(),
            },
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

    /// Somebody thinks better of an approval.
    pub fn disapprove(&mut self) {
        let mut plan = self.last_plan().clone();
        plan.status.get_or_insert_default().approval = None;
        self.world.plans.pop();
        self.world.plans.push(Arc::new(plan));
    }

    /// Somebody changes the policy.
    pub fn policy(&mut self, change: impl FnOnce(&mut CardPolicy)) {
        let mut policy = (*self.world.policies[0]).clone();
        change(&mut policy);
        self.world.policies[0] = Arc::new(policy);
    }

    /// Somebody lists a digest in the policy.
    pub fn policy_lists(&mut self, digest: &str) {
        self.policy(|policy| policy.spec.approval.digests.push(Digest(digest.to_owned())));
    }

    /// Somebody has the policy ask for another approval.
    pub fn asks_for(&mut self, mode: ApprovalMode) {
        self.policy(|policy| policy.spec.approval.mode = mode);
    }

    /// The policy hands evictions off no more.
    pub fn drains_itself(&mut self) {
        self.policy(|policy| policy.spec.drain = None);
    }

    /// Whoever serves maintenance says how a node's is.
    pub fn maintained(&mut self, name: &str, ready: bool) {
        if let Maintenance::Served(requests) = &mut self.world.maintenance {
            let request = requests
                .get_mut(&NodeName(name.into()))
                .expect("it is requested");
            request.ready = ready;
            request.phase = if ready { "Ready" } else { "Draining" }.to_owned();
        }
    }

    /// A request is made, as the next list of them shows it.
    pub(super) fn requested(&mut self, node: &NodeName) {
        if let Maintenance::Served(requests) = &mut self.world.maintenance {
            let request = Request {
                name: format!("shardplane-{node}"),
                uid: None,
                ready: false,
                phase: "nobody has taken it up".to_owned(),
            };
            requests.insert(node.clone(), request);
        }
    }

    /// A request ends.
    pub(super) fn ended(&mut self, name: &str) {
        if let Maintenance::Served(requests) = &mut self.world.maintenance {
            requests.retain(|_, request| request.name != name);
        }
    }

    /// Somebody deletes the policy and the group, now.
    pub fn deletes_all(&mut self) {
        self.world.groups.clear();
        let now = i64::try_from(self.world.now.0).unwrap();
        let now = Time(jiff::Timestamp::from_millisecond(now).unwrap());
        self.policy(|policy| policy.metadata.deletion_timestamp = Some(now));
    }

    /// Somebody changes the policy's deletion rule.
    pub fn deletion(&mut self, deletion: &Value) {
        let deletion = serde_json::from_value(deletion.clone()).unwrap();
        self.policy(|policy| policy.spec.deletion_policy = deletion);
    }

    /// Somebody has the policy go at once.
    pub fn releases(&mut self) {
        self.policy(|policy| {
            let annotations = policy.annotations_mut();
            annotations.insert(RELEASE.to_owned(), "now".to_owned());
        });
    }

    /// The group wants more SoCs than a card has.
    pub fn too_large(&mut self) {
        let mut group = (*self.world.groups[0]).clone();
        group.spec.size = 8;
        self.world.groups[0] = Arc::new(group);
    }

    /// What the policy says of itself.
    pub fn policy_says(&self) -> String {
        let said = self.policy_is("Ready");
        let (_, message) = said.split_once(": ").unwrap();
        message.to_owned()
    }

    /// One of the policy's conditions.
    pub fn policy_is(&self, about: &str) -> String {
        let status = self.world.policies[0].status.as_ref();
        let conditions = status.map(|status| &status.conditions[..]);
        let mut all = conditions.unwrap_or_default().iter();
        let said = all.find(|said| said.type_ == about).unwrap();
        format!("{} {}: {}", said.status, said.reason, said.message)
    }

    /// Somebody pauses the policy's rollout, or lets it go on.
    pub fn pauses(&mut self, paused: bool) {
        self.policy(|policy| {
            policy.spec.rollout.get_or_insert_default().paused = Some(paused);
        });
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
}
