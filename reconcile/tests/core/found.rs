//! Worlds that random ones found at fault once: each is followed again through two declarations and a removal.
use crd::{
    declaration::Declaration,
    id::PciAddress,
    kind::{
        CardPolicySpec, Connectivity, DeletionPolicy, DeletionRule, DeviceSelector, MdpMode,
        Member, P2PGroupSpec, ResetScope, SpreadOver,
    },
    step::Action,
};

use crate::{
    declare::{automatic, model, object, policy},
    properties::settle,
    random::{Slot, World, build},
    simulate::plan_of,
    twist::{Twist, apply_twist},
};

/// One world, what is declared first, what happens then, and what is declared next.
struct Found {
    name: &'static str,
    roots: Vec<Slot>,
    at_first: Vec<Twist>,
    first: Declaration,
    then: Vec<Twist>,
    next: Declaration,
}

fn declared(policies: &[CardPolicySpec], groups: &[P2PGroupSpec], shards: u32) -> Declaration {
    let named = |prefix: &str, at: usize| format!("{prefix}-{at}");
    Declaration {
        policies: (0..)
            .zip(policies)
            .map(|(at, spec)| object("CardPolicy", &named("policy", at), spec.clone()))
            .collect(),
        groups: (0..)
            .zip(groups)
            .map(|(at, spec)| object("P2PGroup", &named("group", at), spec.clone()))
            .collect(),
        builds: Vec::new(),
        models: (shards > 0)
            .then(|| object("ShardedModel", "tiny", model(shards, Connectivity::P2P)))
            .into_iter()
            .collect(),
    }
}

/// A set of SoCs by their buses.
fn explicit(buses: &[u8]) -> P2PGroupSpec {
    let member = |bus: &u8| Member {
        address: Some(at(*bus)),
        path: None,
        serial: None,
    };
    let size = u32::try_from(buses.len()).expect("few members");
    P2PGroupSpec {
        automatic: None,
        members: Some(buses.iter().map(member).collect()),
        ..automatic(size, SpreadOver::Card, None)
    }
}

fn at(bus: u8) -> PciAddress {
    PciAddress {
        domain: 0,
        bus,
        device: 0,
        function: 0,
    }
}

fn with_mdp(rule: DeletionRule) -> CardPolicySpec {
    CardPolicySpec {
        deletion_policy: Some(DeletionPolicy {
            rule,
            mdp: (rule == DeletionRule::Revert).then_some(true),
            revert_timeout_seconds: None,
        }),
        ..policy()
    }
}

fn pairs(per: SpreadOver) -> P2PGroupSpec {
    automatic(2, per, None)
}

fn found() -> Vec<Found> {
    use Slot::{Pro, Switch, Ultra};
    let nothing = Declaration::default;
    let elsewhere = CardPolicySpec {
        devices: Some(DeviceSelector {
            addresses: vec![at(0x7f)],
            skus: Vec::new(),
        }),
        ..policy()
    };
    let whole = CardPolicySpec {
        reset_scope: Some(ResetScope::Host),
        ..with_mdp(DeletionRule::Revert)
    };
    let off = CardPolicySpec {
        mdp: Some(MdpMode::Disabled),
        ..policy()
    };
    vec![
        Found {
            name: "our worker's SoC is given to a virtual machine: it is not ours to drain",
            roots: vec![Ultra],
            at_first: vec![],
            first: declared(&[policy()], &[pairs(SpreadOver::Card)], 2),
            then: vec![Twist::Passed(0)],
            next: nothing(),
        },
        Found {
            name: "a group's SoCs are governed no more: its worker stops before its ports are restored",
            roots: vec![Switch(vec![Ultra])],
            at_first: vec![],
            first: declared(&[policy()], &[pairs(SpreadOver::Card)], 2),
            then: vec![],
            next: declared(&[elsewhere], &[pairs(SpreadOver::Card)], 2),
        },
        Found {
            name: "a set and its successor share ports: the successor's worker stops before they are restored",
            roots: vec![Switch(vec![Pro, Switch(vec![Pro]), Ultra])],
            at_first: vec![],
            first: declared(
                &[policy()],
                &[pairs(SpreadOver::Card), explicit(&[0x01, 0x09])],
                0,
            ),
            then: vec![],
            next: declared(
                &[with_mdp(DeletionRule::Retain)],
                &[explicit(&[0x02]), pairs(SpreadOver::Card)],
                1,
            ),
        },
        Found {
            name: "a port that somebody else had changed is one that a blocked set relies on",
            roots: vec![Ultra],
            at_first: vec![
                Twist::FormerSet(2, 0),
                Twist::FormerWord(1, 0x11, DeletionRule::Revert),
            ],
            first: declared(&[off], &[pairs(SpreadOver::Card)], 0),
            then: vec![],
            next: nothing(),
        },
        Found {
            name: "a member is gone, and what is left of its way is shared with another set",
            roots: vec![
                Switch(vec![Pro, Switch(vec![Ultra, Ultra])]),
                Switch(vec![Ultra]),
            ],
            at_first: vec![],
            first: declared(
                &[policy()],
                &[explicit(&[0x06, 0x10]), pairs(SpreadOver::Switch)],
                0,
            ),
            then: vec![Twist::Unplug(3)],
            next: nothing(),
        },
        Found {
            name: "a new set that is blocked takes the index of one whose members went elsewhere",
            roots: vec![Ultra, Switch(vec![Ultra])],
            at_first: vec![Twist::Mdp(7, None)],
            first: declared(&[policy()], &[pairs(SpreadOver::Card)], 0),
            then: vec![Twist::Reboot],
            next: declared(
                &[policy()],
                &[pairs(SpreadOver::Card), explicit(&[0x01, 0x03, 0x05, 0x07])],
                0,
            ),
        },
        Found {
            name: "a set across cards is declared per card, while a member cannot be switched back",
            roots: vec![Switch(vec![Ultra, Ultra])],
            at_first: vec![],
            first: declared(
                &[with_mdp(DeletionRule::Revert)],
                &[automatic(8, SpreadOver::Switch, None)],
                0,
            ),
            then: vec![Twist::Foreign(0)],
            next: declared(&[policy()], &[automatic(8, SpreadOver::Card, None)], 0),
        },
        Found {
            name: "a port is relaxed for one set while another of its group is blocked",
            roots: vec![Switch(vec![Pro, Ultra, Pro])],
            at_first: vec![Twist::Status(0, 0), Twist::FormerSet(2, 0)],
            first: declared(&[policy()], &[pairs(SpreadOver::Switch)], 0),
            then: vec![],
            next: nothing(),
        },
        Found {
            name: "two policies cancel each other over a set whose ports were relaxed for another",
            roots: vec![Switch(vec![Ultra])],
            at_first: vec![],
            first: declared(&[policy()], &[automatic(4, SpreadOver::Card, None)], 0),
            then: vec![Twist::FormerOwners],
            next: declared(
                &[policy(), policy()],
                &[automatic(4, SpreadOver::Card, None)],
                0,
            ),
        },
        Found {
            name: "the whole machine is reset for a removal: what stays is proven again",
            roots: vec![Ultra],
            at_first: vec![],
            first: declared(
                &[with_mdp(DeletionRule::Revert)],
                &[pairs(SpreadOver::Card)],
                0,
            ),
            then: vec![],
            next: declared(&[whole], &[automatic(2, SpreadOver::Card, Some(1))], 0),
        },
    ]
}

#[test]
fn what_was_found_once_stays_right() {
    let mut wrong = Vec::new();
    for found in found() {
        let world = World {
            roots: found.roots,
            twists: found.at_first,
        };
        let mut nodes = vec![build(&world, "node-a")];
        let steps = [
            (&found.first, found.then),
            (&found.next, Vec::new()),
            (&Declaration::default(), Vec::new()),
        ];
        for (declaration, then) in steps {
            if let Err(error) = settle(declaration, &mut nodes, true) {
                wrong.push(format!("{}: {error}", found.name));
            }
            for twist in then {
                apply_twist(&mut nodes[0], twist);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_removal_that_resets_the_machine_proves_what_stays() {
    let world = World {
        roots: vec![Slot::Ultra],
        twists: Vec::new(),
    };
    let mut nodes = vec![build(&world, "node-a")];
    let whole = CardPolicySpec {
        reset_scope: Some(ResetScope::Host),
        ..with_mdp(DeletionRule::Revert)
    };
    let both = declared(std::slice::from_ref(&whole), &[pairs(SpreadOver::Card)], 0);
    settle(&both, &mut nodes, false).expect("two sets");
    let one = declared(&[whole], &[automatic(2, SpreadOver::Card, Some(1))], 0);
    let plan = plan_of(&one, &nodes);
    let order = plan.nodes[0]
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Reset { socs, .. } => Some(("reset", socs.len())),
            Action::VerifyP2P { members, .. } => Some(("proof", members.len())),
            _ => None,
        });
    assert_eq!(order.collect::<Vec<_>>(), [("reset", 4), ("proof", 2)]);
}
