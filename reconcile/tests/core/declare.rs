//! Declarations for tests, as values.
use std::collections::BTreeMap;

use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
    kind::{
        AcsMode, AcsPolicy, Approval, ApprovalMode, AutomaticMembers, CardPolicySpec, Connectivity,
        DeletionPolicy, DeletionRule, DriverPolicy, Enforcement, HostPolicy, MdpMode, ModelSource,
        P2PGroupSpec, Persistence, Precision, Serving, ShardedModelSpec, SpreadOver, Target,
    },
};

pub fn object<S>(kind: &str, name: &str, spec: S) -> Declared<S> {
    let namespace = matches!(kind, "ShardedModel" | "ModelBuild").then(|| "default".to_owned());
    Declared {
        object: ObjectRef {
            kind: kind.into(),
            namespace,
            name: name.into(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec,
        spans: BTreeMap::new(),
    }
}

/// Automatic, enforced, everything on, reverted at the end.
pub fn policy() -> CardPolicySpec {
    CardPolicySpec {
        mdp: Some(MdpMode::Groups),
        acs: Some(AcsPolicy {
            mode: AcsMode::Minimal,
            untrusted_neighbours: None,
        }),
        driver: Some(DriverPolicy {
            control_response_timeout_seconds: Some(2600),
            persistence: None,
        }),
        host: Some(HostPolicy {
            max_map_count: Some(2_048_000),
            persistence: None,
        }),
        enforcement: Enforcement::Enforce,
        approval: Approval {
            mode: ApprovalMode::Automatic,
            digests: Vec::new(),
        },
        deletion_policy: Some(DeletionPolicy {
            rule: DeletionRule::Revert,
            mdp: None,
            revert_timeout_seconds: None,
        }),
        ..CardPolicySpec::default()
    }
}

pub fn automatic(size: u32, per: SpreadOver, count: Option<u32>) -> P2PGroupSpec {
    P2PGroupSpec {
        size,
        node_selector: None,
        members: None,
        automatic: Some(AutomaticMembers { per, count }),
        isolation: None,
        verification: None,
    }
}

pub fn model(shards: u32, connectivity: Connectivity) -> ShardedModelSpec {
    ShardedModelSpec {
        build_ref: None,
        model: Some(ModelSource {
            path: Some("../models/tiny".into()),
            ..ModelSource::default()
        }),
        target: Some(Target::CPU),
        precision: Some(Precision::F32),
        shards,
        connectivity,
        group_ref: None,
        replicas: 1,
        serving: Serving {
            context_length: 256,
            slots: 2,
            queue: None,
            port: None,
            request_seconds: None,
        },
        accelerator: None,
        store: None,
        pod: None,
        rollout: None,
    }
}

/// As [`policy`], and its settings outlive boots.
pub fn persistent() -> CardPolicySpec {
    let mut spec = policy();
    for persistence in [
        spec.driver.as_mut().map(|driver| &mut driver.persistence),
        spec.host.as_mut().map(|host| &mut host.persistence),
    ]
    .into_iter()
    .flatten()
    {
        *persistence = Some(Persistence::Persist);
    }
    spec
}

pub fn quickstart() -> Declaration {
    Declaration {
        policies: vec![object("CardPolicy", "cards", policy())],
        groups: vec![object(
            "P2PGroup",
            "quad",
            automatic(4, SpreadOver::Card, None),
        )],
        builds: Vec::new(),
        models: vec![object("ShardedModel", "tiny", model(4, Connectivity::P2P))],
    }
}
