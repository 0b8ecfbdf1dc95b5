//! Custom resource definitions, as the API server takes them.
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::tidy;
use crate::kind::{
    CardNode, CardPolicy, ChangePlan, Kind, ModelBuild, P2PGroup, PerKind, ShardedModel,
};

/// The definition of a kind that the API server stores; `None` for a file kind.
pub(super) fn definition(kind: Kind) -> Option<Value> {
    let (definition, keep_default): (_, &[&str]) = match kind {
        Kind::CardPolicy => (CardPolicy::crd(), &[]),
        Kind::P2PGroup => (P2PGroup::crd(), &[]),
        Kind::ModelBuild => (ModelBuild::crd(), &[]),
        Kind::ShardedModel => (ShardedModel::crd(), &["replicas"]),
        Kind::CardNode => (CardNode::crd(), &[]),
        Kind::ChangePlan => (ChangePlan::crd(), &[]),
        Kind::HardwareSnapshot | Kind::Rack => return None,
    };
    let mut definition = serde_json::to_value(definition).ok()?;
    let schema = definition.pointer_mut(SCHEMA)?;
    tidy::structural(schema, keep_default);
    if let Some(status) = schema.pointer_mut("/properties/status") {
        status["default"] = fresh_status(kind);
        status["description"] = json!("What the controller reports. Written by it alone.");
    }
    Some(definition)
}

/// The schema of a kind as the API server holds it; `None` for a file kind.
pub(crate) fn server_schema(kind: Kind) -> Option<&'static Value> {
    static SCHEMAS: PerKind<Option<Value>> =
        PerKind::new(|kind| definition(kind)?.pointer(SCHEMA).cloned());
    SCHEMAS.of(kind).as_ref()
}

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

/// A new object is not ready until a controller says so: without a condition kstatus calls it current.
fn fresh_status(kind: Kind) -> Value {
    let whom = match kind {
        Kind::CardNode => "the agent of its node",
        _ => "the controller",
    };
    json!({
        "conditions": [{
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": format!("waiting for {whom}"),
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }]
    })
}
