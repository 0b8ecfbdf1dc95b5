//! What a turn writes: values first, then each at the API server, on the version that it was decided on.
use std::sync::Arc;

use crd::{
    id::NodeName,
    kind::{
        API_VERSION, CardNode, CardNodeSpec, CardPolicy, CardPolicyStatus, ChangePlan,
        ChangePlanSpec, ChangePlanStatus, Condition, P2PGroup, P2PGroupStatus,
    },
};
use k8s_openapi::{
    ClusterResourceScope,
    api::core::v1::{Node, Taint},
};
use kube_client::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use super::{
    maintenance::{self, Request},
    world::stays,
};
use crate::cluster::{
    names::{CONTROLLER, GONE_SINCE, IN_HAND_UNTIL, REVERTS},
    read::{Read, Unread},
};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Make or change a `CardNode`.
    CardNode(CardNodeWrite),
    /// Forget a node.
    DeleteCardNode(Arc<CardNode>),
    /// Open a rollout.
    OpenPlan {
        /// Its name.
        name: String,
        /// What it is.
        spec: ChangePlanSpec,
    },
    /// Forget a rollout.
    DeletePlan(Arc<ChangePlan>),
    /// Say how far a rollout came.
    PlanStatus {
        /// Which.
        plan: Arc<ChangePlan>,
        /// All that the controller says; the approval is somebody else's.
        status: ChangePlanStatus,
    },
    /// Say how a policy stands.
    PolicyStatus {
        /// Which.
        policy: Arc<CardPolicy>,
        /// The status.
        status: CardPolicyStatus,
    },
    /// Keep a policy until what it changed is put back, or let it go.
    Keep {
        /// Which.
        policy: Arc<CardPolicy>,
        /// Whether it is kept.
        keeps: bool,
    },
    /// Say how a group stands.
    GroupStatus {
        /// Which.
        group: Arc<P2PGroup>,
        /// The status.
        status: P2PGroupStatus,
    },
    /// Say of an object that it is not understood, and nothing else.
    Unread {
        /// Which.
        object: Arc<Unread>,
        /// What is said.
        conditions: Vec<Condition>,
    },
    /// Have somebody else evict the pods with SoCs of a node.
    Maintenance {
        /// Which.
        node: NodeName,
        /// Seconds that they have.
        seconds: u32,
    },
    /// Say that it is over.
    EndMaintenance(Request),
    /// Put our taint on a Node or take it off; the other taints stay as they are.
    Taints {
        /// Which.
        node: Arc<Node>,
        /// All of its taints from now on.
        taints: Vec<Taint>,
    },
}

/// All that the controller writes of a `CardNode`: what is left out is taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct CardNodeWrite {
    /// Which.
    pub node: NodeName,
    /// The version that it was decided on; absent makes the object.
    pub version: Option<String>,
    /// Since when its Node is gone, RFC 3339.
    pub gone_since: Option<String>,
    /// Until when its agent is waited for, which has a step of a grant in hand that is taken back, RFC 3339.
    pub in_hand_until: Option<String>,
    /// What is granted.
    pub spec: CardNodeSpec,
}

impl CardNodeWrite {
    /// An object as it stands.
    pub fn of(card_node: &CardNode) -> Self {
        Self {
            node: NodeName(card_node.name_any()),
            version: card_node.resource_version(),
            gone_since: card_node.annotations().get(GONE_SINCE).cloned(),
            in_hand_until: card_node.annotations().get(IN_HAND_UNTIL).cloned(),
            spec: card_node.spec.clone(),
        }
    }

    /// Annotations, of which those without a value are not there.
    pub fn marks(&self) -> [(&'static str, Option<&String>); 2] {
        [
            (GONE_SINCE, self.gone_since.as_ref()),
            (IN_HAND_UNTIL, self.in_hand_until.as_ref()),
        ]
    }
}

/// An object and the version that a write left it at; no version for one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// Carries one write out.
pub async fn write(
    client: &Client,
    namespace: &str,
    write: &Write,
) -> Result<Written, kube_client::Error> {
    let client = client.clone();
    match write {
        Write::CardNode(to) => {
            let mut metadata = json!({ "name": to.node });
            if let Some(version) = &to.version {
                metadata["resourceVersion"] = json!(version);
            }
            for (name, said) in to.marks() {
                if let Some(said) = said {
                    metadata["annotations"][name] = json!(said);
                }
            }
            // An empty list that is said keeps the object there: what is applied empty becomes null.
            let mut spec = json!({ "drained": to.spec.drained });
            if let Some(grant) = &to.spec.grant {
                spec["grant"] = json!(grant);
            }
            if let Some(approval) = &to.spec.approval {
                spec["approval"] = json!(approval);
            }
            if let Some(step) = &to.spec.drained_for {
                spec["drainedFor"] = json!(step);
            }
            let object = json!({
                "apiVersion": API_VERSION,
                "kind": "CardNode",
                "metadata": metadata,
                "spec": spec,
            });
            let api = Api::<CardNode>::all(client);
            let done = api
                .patch(to.node.as_str(), &owner(), &Patch::Apply(object))
                .await?;
            Ok(written("CardNode", &done))
        }
        Write::DeleteCardNode(card_node) => {
            delete(Api::all(client), card_node.as_ref(), "CardNode").await
        }
        Write::OpenPlan { name, spec } => {
            let parameters = PostParams {
                field_manager: Some(CONTROLLER.to_owned()),
                ..PostParams::default()
            };
            let plan = ChangePlan::new(name, spec.clone());
            let done = Api::<ChangePlan>::all(client)
                .create(&parameters, &plan)
                .await?;
            Ok(written("ChangePlan", &done))
        }
        Write::DeletePlan(plan) => delete(Api::all(client), plan.as_ref(), "ChangePlan").await,
        Write::PlanStatus { plan, status } => {
            let mut said = json!(status);
            // The approval belongs to whoever gave it.
            if let Value::Object(fields) = &mut said {
                fields.remove("approval");
            }
            let done = tell(
                Api::<ChangePlan>::all(client),
                plan.as_ref(),
                "ChangePlan",
                said,
            );
            Ok(written("ChangePlan", &done.await?))
        }
        Write::PolicyStatus { policy, status } => {
            let api = Api::<CardPolicy>::all(client);
            let done = tell(api, policy.as_ref(), "CardPolicy", json!(status));
            Ok(written("CardPolicy", &done.await?))
        }
        Write::Keep { policy, keeps } => {
            // What is ours of the list alone: applied empty, ours goes and what others keep it for stays.
            let ours: &[&str] = if *keeps { &[REVERTS] } else { &[] };
            let object = json!({
                "apiVersion": API_VERSION,
                "kind": "CardPolicy",
                "metadata": {
                    "name": policy.name_any(),
                    // One that has gone meanwhile is not made anew: the server calls that a conflict.
                    "uid": policy.uid(),
                    "resourceVersion": policy.resource_version(),
                    "finalizers": ours,
                },
            });
            let api = Api::<CardPolicy>::all(client);
            let done = api
                .patch(&policy.name_any(), &owner(), &Patch::Apply(object))
                .await?;
            // One that goes with this write is not seen at a version.
            let goes = !*keeps && !stays(policy.as_ref()) && done.finalizers().is_empty();
            Ok(Written {
                version: done.resource_version().filter(|_| !goes),
                ..written("CardPolicy", &done)
            })
        }
        Write::GroupStatus { group, status } => {
            let api = Api::<P2PGroup>::all(client);
            let done = tell(api, group.as_ref(), "P2PGroup", json!(status));
            Ok(written("P2PGroup", &done.await?))
        }
        Write::Unread { object, conditions } => {
            let said = json!({
                "observedGeneration": object.metadata.generation,
                "conditions": conditions,
            });
            let name = object.metadata.name.clone().unwrap_or_default();
            if object.kind == "CardPolicy" {
                unread::<CardPolicy>(client, object, "CardPolicy", &name, said).await
            } else {
                unread::<P2PGroup>(client, object, "P2PGroup", &name, said).await
            }
        }
        Write::Maintenance { node, seconds } => {
            maintenance::request(client, namespace, node, *seconds).await
        }
        Write::EndMaintenance(request) => maintenance::end(client, namespace, request).await,
        Write::Taints { node, taints } => {
            // The list is one field: applied, it would be ours as a whole.
            let patch = json!({
                "metadata": { "resourceVersion": node.resource_version() },
                "spec": { "taints": taints },
            });
            let done = Api::<Node>::all(client)
                .patch(&node.name_any(), &owner_of_nothing(), &Patch::Merge(patch))
                .await?;
            Ok(written("Node", &done))
        }
    }
}

fn owner() -> PatchParams {
    PatchParams::apply(CONTROLLER).force()
}

fn owner_of_nothing() -> PatchParams {
    PatchParams {
        field_manager: Some(CONTROLLER.to_owned()),
        ..PatchParams::default()
    }
}

/// The status of an object as it was read: the server refuses it where another version stands.
fn said(kind: &str, name: &str, version: Option<&str>, status: &Value) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": { "name": name, "resourceVersion": version },
        "status": status,
    })
}

async fn tell<K>(
    api: Api<K>,
    object: &K,
    kind: &'static str,
    status: Value,
) -> Result<K, kube_client::Error>
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let name = object.name_any();
    let said = said(kind, &name, object.resource_version().as_deref(), &status);
    api.patch_status(&name, &owner(), &Patch::Apply(said)).await
}

async fn unread<K>(
    client: Client,
    object: &Unread,
    kind: &'static str,
    name: &str,
    status: Value,
) -> Result<Written, kube_client::Error>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let version = object.metadata.resource_version.as_deref();
    let said = said(kind, name, version, &status);
    let done = Api::<Read<K>>::all(client)
        .patch_status(name, &owner(), &Patch::Apply(said))
        .await?;
    Ok(written(kind, &done))
}

async fn delete<K>(
    api: Api<K>,
    object: &K,
    kind: &'static str,
) -> Result<Written, kube_client::Error>
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let name = object.name_any();
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        }),
        ..DeleteParams::default()
    };
    api.delete(&name, &parameters).await?;
    Ok(Written {
        kind,
        name,
        version: None,
    })
}

fn written(kind: &'static str, object: &impl ResourceExt) -> Written {
    Written {
        kind,
        name: object.name_any(),
        version: object.resource_version(),
    }
}
