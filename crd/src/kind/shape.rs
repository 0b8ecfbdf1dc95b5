//! Schemas of fields whose bounds or rules a derive cannot say. Everything is bounded, or the API server refuses CEL.
use schemars::{Schema, SchemaGenerator, json_schema};

use super::rule::{self, Rule};

/// Text of at most `max` bytes that a rule looks at.
fn ruled_text(max: u32, rule: &Rule) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": max,
        "x-kubernetes-validations": rule::validations(&[rule]),
    })
}

/// A whole number that rules bound, so that the limit is a sentence.
fn ruled_number(rules: &[&Rule]) -> Schema {
    json_schema!({
        "type": "integer",
        "x-kubernetes-validations": rule::validations(rules),
    })
}

/// `P2PGroup.spec.size`.
pub(crate) fn group_size(_: &mut SchemaGenerator) -> Schema {
    ruled_number(&[&rule::GROUP_SIZE])
}

/// A number of shards.
pub(crate) fn shards(_: &mut SchemaGenerator) -> Schema {
    ruled_number(&[&rule::SHARD_RANGE])
}

/// `b3:…` of a model.
pub(crate) fn model_digest(_: &mut SchemaGenerator) -> Schema {
    ruled_text(80, &rule::MODEL_DIGEST)
}

/// `node:b3:…`.
pub(crate) fn node_digest(_: &mut SchemaGenerator) -> Schema {
    ruled_text(80, &rule::NODE_DIGEST)
}

/// `rollout:b3:…`.
pub(crate) fn rollout_digest(_: &mut SchemaGenerator) -> Schema {
    ruled_text(80, &rule::ROLLOUT_DIGEST)
}

/// Either kind of digest, as approvals list them.
pub(crate) fn approved_digest(_: &mut SchemaGenerator) -> Schema {
    ruled_text(80, &rule::APPROVED_DIGEST)
}

/// Digests of an approval.
pub(crate) fn approved_digests(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": 64, "items": approved_digest(generator) })
}

/// `registry/repository@sha256:…`.
pub(crate) fn oci_reference(_: &mut SchemaGenerator) -> Schema {
    ruled_text(512, &rule::OCI_BY_DIGEST)
}

/// `registry/repository`.
pub(crate) fn oci_repository(_: &mut SchemaGenerator) -> Schema {
    ruled_text(255, &rule::OCI_REPOSITORY)
}

/// `HH:MM`.
pub(crate) fn window_start(_: &mut SchemaGenerator) -> Schema {
    ruled_text(16, &rule::WINDOW_START)
}

/// Days of the week.
pub(crate) fn window_days(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 7,
        "items": { "type": "string", "enum": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] },
        "x-kubernetes-validations": rule::validations(&[&rule::WINDOW_DAYS]),
    })
}

/// An SDK version.
pub(crate) fn sdk_version(_: &mut SchemaGenerator) -> Schema {
    ruled_text(32, &rule::SDK_VERSION)
}

/// An amount of processor or memory.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    ruled_text(32, &rule::QUANTITY)
}

/// The name of an object in the same namespace.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    ruled_text(253, &rule::OBJECT_NAME)
}

/// Secrets, each once.
pub(crate) fn pull_secrets(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": generator.subschema_for::<super::PullSecret>(),
    })
}

/// Labels to match: at most 16, keys and values as Kubernetes bounds them.
pub(crate) fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// Conditions as the ecosystem reads them: one of each type.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's state.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "type": "string", "maxLength": 316, "description": "Which aspect, such as Ready." },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds." },
                "reason": { "type": "string", "maxLength": 1024, "minLength": 1, "description": "Stable reason, one word." },
                "message": { "type": "string", "maxLength": 32768, "description": "A sentence with the object and the next step." },
                "lastTransitionTime": { "type": "string", "format": "date-time", "maxLength": 64, "description": "When the status last changed." },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0, "description": "The generation it was judged on." },
            },
        },
    })
}
