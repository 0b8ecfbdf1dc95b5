//! What the cluster's objects declare, as the planner takes it.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
    kind::{CardPolicy, P2PGroup},
};
use kube_client::ResourceExt;

use super::world::{World, stays};

/// Policies and groups. One that is being deleted is declared no more.
pub fn declaration(world: &World) -> Declaration {
    Declaration {
        policies: world
            .policies
            .iter()
            .filter(|policy| stays(policy.as_ref()))
            .map(|policy| declared(policy.as_ref(), policy_ref(policy), &policy.spec))
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

/// How a plan names a policy.
pub fn policy_ref(policy: &CardPolicy) -> ObjectRef {
    cluster_scoped("CardPolicy", policy)
}

/// How a plan names a group.
pub fn group_ref(group: &P2PGroup) -> ObjectRef {
    cluster_scoped("P2PGroup", group)
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
