//! What the cluster's objects declare, as the planner takes it.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::{Digest, ObjectRef},
    kind::{CardPolicy, CardPolicySpec, NodeSelector, P2PGroup},
};
use kube_client::ResourceExt;
use serde_json::{Value, json};

use super::world::{World, stays};
use crate::cluster::names::REQUESTED_AT;

/// Policies and groups. One that is being deleted is declared no more.
pub fn declaration(world: &World) -> Declaration {
    Declaration {
        policies: world
            .policies
            .iter()
            .filter(|policy| stays(policy.as_ref()))
            .map(|policy| of_policy(policy))
            .collect(),
        groups: world
            .groups
            .iter()
            .filter(|group| stays(group.as_ref()))
            .map(|group| declared(group.as_ref(), group_ref(group), &group.spec))
            .collect(),
        builds: Vec::new(),
        models: Vec::new(),
    }
}

/// Digest of what is declared, and of what somebody asked to be looked at again.
pub fn digest(declaration: &Declaration) -> Option<Digest> {
    let policies = declaration.policies.iter();
    let groups = declaration.groups.iter();
    let said: Vec<(&ObjectRef, Value, Option<&String>)> = policies
        .map(|policy| {
            (
                &policy.object,
                json!(policy.spec),
                requested(&policy.annotations),
            )
        })
        .chain(groups.map(|group| {
            (
                &group.object,
                json!(group.spec),
                requested(&group.annotations),
            )
        }))
        .collect();
    let text = crd::write::to_canonical_json(&said).ok()?;
    Some(Digest(format!(
        "b3:{}",
        blake3::hash(text.as_bytes()).to_hex()
    )))
}

/// What is declared for a node with these labels.
pub fn for_node(declaration: &Declaration, labels: &BTreeMap<String, String>) -> Declaration {
    let selects =
        |selector: Option<&NodeSelector>| selector.is_none_or(|selector| selector.matches(labels));
    let mut here = declaration.clone();
    here.policies
        .retain(|policy| selects(policy.spec.node_selector.as_ref()));
    here.groups
        .retain(|group| selects(group.spec.node_selector.as_ref()));
    here
}

fn requested(annotations: &BTreeMap<String, String>) -> Option<&String> {
    annotations.get(REQUESTED_AT)
}

/// How a plan names a policy.
pub fn policy_ref(policy: &CardPolicy) -> ObjectRef {
    cluster_scoped("CardPolicy", policy)
}

/// How a plan names a group.
pub fn group_ref(group: &P2PGroup) -> ObjectRef {
    cluster_scoped("P2PGroup", group)
}

/// A policy as the planner takes those that are declared.
pub fn of_policy(policy: &CardPolicy) -> Declared<CardPolicySpec> {
    declared(policy, policy_ref(policy), &policy.spec)
}

fn cluster_scoped(kind: &str, object: &impl ResourceExt) -> ObjectRef {
    ObjectRef {
        kind: kind.to_owned(),
        namespace: None,
        name: object.name_any(),
    }
}

fn declared<S: Clone>(object: &impl ResourceExt, named: ObjectRef, spec: &S) -> Declared<S> {
    Declared {
        object: named,
        labels: object.labels().clone(),
        annotations: object.annotations().clone(),
        spec: spec.clone(),
        spans: BTreeMap::new(),
    }
}
