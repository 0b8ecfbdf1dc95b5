//! Random declarations: policies that agree and disagree, groups of every sort, models and builds of every sort.
use crd::{
    declaration::Declaration,
    id::PciAddress,
    kind::{
        AcsMode, AcsPolicy, CardPolicySpec, CardRequirements, Connectivity, DeletionPolicy,
        DeletionRule, DeviceSelector, DriverPolicy, Enforcement, GroupIsolation, GroupVerification,
        MdpMode, Member, ModelBuildSpec, ModelRollout, ModelSource, P2PGroupSpec, Precision,
        ProgramShapes, ResetScope, Rollout, ShardedModelSpec, SpreadOver, Target, TopologyShape,
        UntrustedNeighbours, VerificationMode,
    },
};
use proptest::prelude::*;

use crate::declare::{automatic, model, object, persistent, policy};

prop_compose! {
    fn any_policy()(
        mdp in proptest::option::of(prop_oneof![1 => Just(MdpMode::Enabled), 1 => Just(MdpMode::Disabled), 3 => Just(MdpMode::Groups)]),
        acs in prop_oneof![1 => Just(None), 1 => Just(Some(AcsMode::Unmanaged)), 12 => Just(Some(AcsMode::Minimal))],
        neighbours in proptest::option::of(prop_oneof![Just(UntrustedNeighbours::Allow), Just(UntrustedNeighbours::Refuse)]),
        observe in proptest::bool::weighted(0.1),
        scope in prop_oneof![8 => Just(None), 1 => Just(Some(ResetScope::SoC)), 2 => Just(Some(ResetScope::Host))],
        budget in proptest::option::weighted(0.3, 1_u32..13),
        deletion in proptest::option::of((any::<bool>(), proptest::option::of(any::<bool>()))),
        devices in prop_oneof![
            6 => Just(None),
            1 => Just(Some((vec![], vec!["PCIe Ultra".to_owned()]))),
            1 => proptest::collection::vec(place(), 1..9).prop_map(|socs| Some((socs, vec![]))),
        ],
        settings in prop_oneof![1 => Just(None), 2 => Just(Some(2600_u32)), 1 => Just(Some(60))],
        persist in proptest::bool::weighted(0.4),
        require in proptest::option::weighted(0.1, (proptest::option::of(Just(2_u32)), proptest::option::of(Just("1.20".to_owned())))),
    ) -> CardPolicySpec {
        let base = if persist { persistent() } else { policy() };
        CardPolicySpec {
            mdp: if settings == Some(60) { mdp } else { mdp.or(Some(MdpMode::Groups)) },
            acs: acs.map(|mode| AcsPolicy { mode, untrusted_neighbours: neighbours }),
            enforcement: if observe { Enforcement::Observe } else { Enforcement::Enforce },
            reset_scope: scope,
            rollout: budget.map(|budget| Rollout { max_unavailable_socs: Some(budget), ..Rollout::default() }),
            deletion_policy: deletion.map(|(revert, mdp)| DeletionPolicy {
                rule: if revert { DeletionRule::Revert } else { DeletionRule::Retain },
                mdp: mdp.filter(|mdp| revert || !mdp),
                revert_timeout_seconds: None,
            }),
            devices: devices.map(|(addresses, skus)| DeviceSelector { addresses, skus }),
            driver: settings.map(|seconds| DriverPolicy {
                control_response_timeout_seconds: Some(seconds),
                persistence: base.driver.as_ref().and_then(|driver| driver.persistence),
            }),
            host: base.host.clone().filter(|_| settings.is_some()),
            require: require.map(|(bar4_gib, min_sdk)| CardRequirements { bar4_gib, min_sdk }),
            ..base
        }
    }
}

/// Where a SoC may be: few addresses, so that names often meet what is there.
fn place() -> impl Strategy<Value = PciAddress> {
    (1_u8..18).prop_map(at)
}

/// Every SoC has a bus of its own below its port.
fn at(bus: u8) -> PciAddress {
    PciAddress {
        domain: 0,
        bus,
        device: 0,
        function: 0,
    }
}

/// Sixteen different places, in any order.
fn places() -> impl Strategy<Value = Vec<PciAddress>> {
    let all: Vec<PciAddress> = (1_u8..24).map(at).collect();
    proptest::sample::subsequence(all, 16).prop_shuffle()
}

prop_compose! {
    fn any_group()(
        size in prop_oneof![1 => Just(1_u32), 3 => Just(2), 4 => Just(4), 2 => Just(8), 1 => Just(16)],
        per in prop_oneof![Just(SpreadOver::Card), Just(SpreadOver::Switch)],
        count in proptest::option::of(1_u32..3),
        named in proptest::option::weighted(0.3, places()),
        allow in proptest::option::weighted(0.4, any::<bool>()),
        unproven in proptest::bool::weighted(0.2),
    ) -> P2PGroupSpec {
        let base = automatic(size, per, count);
        let members = named.map(|places| {
            let member = |address| Member { address: Some(address), path: None, serial: None };
            places.into_iter().map(member).take(size as usize).collect::<Vec<_>>()
        });
        P2PGroupSpec {
            automatic: if members.is_some() { None } else { base.automatic.clone() },
            members,
            isolation: allow.map(|allow| GroupIsolation {
                untrusted_neighbours: if allow { UntrustedNeighbours::Allow } else { UntrustedNeighbours::Refuse },
            }),
            verification: unproven.then_some(GroupVerification { mode: VerificationMode::None }),
            ..base
        }
    }
}

prop_compose! {
    pub fn any_rollout()(
        max_unavailable in proptest::option::of(1_u32..4),
        min_available in proptest::option::of(0_u32..4),
        allow_downtime in proptest::option::of(any::<bool>()),
    ) -> ModelRollout {
        ModelRollout { max_unavailable, min_available, allow_downtime }
    }
}

prop_compose! {
    fn any_model()(
        shards in prop_oneof![Just(1_u32), Just(2), Just(3), Just(4)],
        direct in any::<bool>(),
        replicas in 0_u32..4,
        group in proptest::option::weighted(0.2, 0_usize..4),
        build in proptest::option::weighted(0.2, 0_usize..3),
        slots in 1_u32..3,
        on_cards in proptest::bool::weighted(0.1),
        rollout in proptest::option::weighted(0.6, any_rollout()),
    ) -> ShardedModelSpec {
        let mut spec = model(shards, if direct { Connectivity::P2P } else { Connectivity::ThroughHost });
        spec.replicas = replicas;
        spec.rollout = rollout;
        spec.serving.slots = slots;
        spec.group_ref = group.map(|at| format!("group-{at}"));
        if on_cards {
            spec.target = Some(Target::AI100);
            spec.precision = Some(Precision::Mxfp6);
        }
        if let Some(at) = build {
            (spec.model, spec.target, spec.precision) = (None, None, None);
            spec.build_ref = Some(format!("build-{at}"));
        }
        spec
    }
}

prop_compose! {
    fn any_build()(
        shards in prop_oneof![Just(1_u32), Just(2), Just(4)],
        direct in any::<bool>(),
        on_cards in any::<bool>(),
    ) -> ModelBuildSpec {
        ModelBuildSpec {
            source: ModelSource { path: Some("../models/tiny".into()), ..ModelSource::default() },
            target: if on_cards { Target::AI100 } else { Target::CPU },
            precision: if on_cards { Precision::Mxfp6 } else { Precision::F32 },
            shapes: ProgramShapes { context_length: 256, batch: 2, prompt_length: None },
            topology: TopologyShape {
                shards,
                cores: None,
                connectivity: if direct { Connectivity::P2P } else { Connectivity::ThroughHost },
            },
            accelerator: None,
            store: None,
            pod: None,
        }
    }
}

/// Boxed part by part: unboxed, the tree of choices is too big for a test's stack.
pub fn declaration() -> BoxedStrategy<Declaration> {
    let policies = prop_oneof![
        1 => Just(Vec::new()),
        8 => any_policy().boxed().prop_map(|one| vec![one]),
        1 => (any_policy().boxed(), any_policy().boxed()).prop_map(|(one, other)| vec![one, other]),
    ];
    (
        policies.boxed(),
        proptest::collection::vec(any_group().boxed(), 0..4),
        proptest::collection::vec(any_build().boxed(), 0..2),
        proptest::collection::vec(any_model().boxed(), 0..3),
        // Names overlap between declarations and differ, so that objects stay, come and go.
        0_usize..2,
    )
        .prop_map(|(policies, groups, builds, models, from)| Declaration {
            policies: named("CardPolicy", "policy", policies, from),
            groups: named("P2PGroup", "group", groups, from),
            builds: named("ModelBuild", "build", builds, from),
            models: named("ShardedModel", "model", models, from),
        })
        .boxed()
}

fn named<S>(
    kind: &str,
    prefix: &str,
    specs: Vec<S>,
    from: usize,
) -> Vec<crd::declaration::Declared<S>> {
    (from..)
        .zip(specs)
        .map(|(at, spec)| object(kind, &format!("{prefix}-{at}"), spec))
        .collect()
}
