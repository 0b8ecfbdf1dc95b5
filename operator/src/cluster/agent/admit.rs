//! Whether a grant may be carried out: by this agent, on this boot of this node, and not after a newer one.
use crd::{
    id::{BootId, NodeName},
    kind::{CardNode, Grant, GrantProgress, GrantState},
    plan::{NodeDigest, NodePlan},
};
use serde::{Deserialize, Serialize};

use crate::cluster::packed;

/// What tells one grant from another, and which of two is newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantId {
    /// Epoch of the lease that it was decided under.
    pub lease_epoch: i64,
    /// Resource version that it was decided on.
    pub decided_on: String,
    /// The granted plan's digest.
    pub digest: NodeDigest,
}

impl GrantId {
    /// The id of a grant.
    pub fn of(grant: &Grant) -> Self {
        Self {
            lease_epoch: grant.lease_epoch,
            decided_on: grant.decided_on.clone(),
            digest: grant.digest.clone(),
        }
    }

    /// How far it came.
    pub fn progress(&self, state: GrantState, why: Option<String>) -> GrantProgress {
        GrantProgress {
            digest: self.digest.clone(),
            decided_on: self.decided_on.clone(),
            lease_epoch: self.lease_epoch,
            state,
            awaiting: None,
            why: why.map(|why| crate::cluster::condition::shortened(&why, 512)),
        }
    }

    /// Its place among grants of one object; `None` for a resource version that is no number.
    fn order(&self) -> Option<(i64, u64)> {
        Some((self.lease_epoch, self.decided_on.parse().ok()?))
    }
}

/// The newest grant that was ever taken up here, and how it ended. Kept by the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// UID of the `CardNode` that carried it: versions of another object say nothing about this one's.
    pub card_node: String,
    /// Which.
    pub id: GrantId,
    /// How it ended; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<GrantProgress>,
}

/// Who would carry it out.
#[derive(Clone, Copy, Debug)]
pub struct Me<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// Its running boot, where it tells.
    pub boot_id: Option<&'a BootId>,
    /// UID of its Node object, where there is one.
    pub node_uid: Option<&'a str>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing is granted, or what is has ended already.
    Nothing,
    /// It may be carried out.
    CarryOut {
        /// Which.
        id: GrantId,
        /// What.
        plan: Box<NodePlan>,
    },
    /// It may not, for this reason.
    Refused(GrantProgress),
}

/// Looks at what is granted. `taken` is the newest grant that was taken up before.
pub fn admit(card_node: &CardNode, me: Me<'_>, taken: Option<&Taken>) -> Admission {
    let Some(grant) = &card_node.spec.grant else {
        return Admission::Nothing;
    };
    let id = GrantId::of(grant);
    let uid = card_node.metadata.uid.as_deref().unwrap_or_default();
    let taken = taken.filter(|taken| taken.card_node == uid);
    if taken.is_some_and(|taken| taken.id == id && taken.ended.is_some()) {
        return Admission::Nothing;
    }
    match refusal(grant, &id, me, taken) {
        Some((state, why)) => Admission::Refused(id.progress(state, Some(why))),
        None => match plan(grant, me.node) {
            Ok(plan) => Admission::CarryOut { id, plan },
            Err(why) => Admission::Refused(id.progress(GrantState::Refused, Some(why))),
        },
    }
}

/// Why a grant is not for us, where that is so.
fn refusal(
    grant: &Grant,
    id: &GrantId,
    me: Me<'_>,
    taken: Option<&Taken>,
) -> Option<(GrantState, String)> {
    let Some(order) = id.order() else {
        return Some((
            GrantState::Refused,
            format!("`{}` is no resource version", grant.decided_on),
        ));
    };
    let newest = taken.and_then(|taken| Some((taken, taken.id.order()?)));
    if let Some((taken, newest)) = newest {
        let another = order == newest && taken.id != *id;
        if order < newest || another {
            return Some((
                GrantState::Refused,
                format!(
                    "it was decided on version {} in epoch {}, and one of version {} in epoch {} was taken up already",
                    id.decided_on, id.lease_epoch, taken.id.decided_on, taken.id.lease_epoch
                ),
            ));
        }
    }
    if me.boot_id != Some(&grant.boot_id) {
        return Some((
            GrantState::Void,
            format!("{} has booted since it was planned for", me.node),
        ));
    }
    if me.node_uid != Some(grant.node_uid.as_str()) {
        return Some((
            GrantState::Void,
            format!(
                "{} is another Node than the one it was planned for",
                me.node
            ),
        ));
    }
    None
}

/// The granted plan, which must be what its digest says.
fn plan(grant: &Grant, node: &NodeName) -> Result<Box<NodePlan>, String> {
    let plan: NodePlan = packed::unpack(&grant.plan)
        .map_err(|error| format!("its plan cannot be read: {}", crate::failure::chain(&error)))?;
    if plan.node != *node {
        return Err(format!("it is a plan for {}", plan.node));
    }
    let found = reconcile::node_digest(&plan.steps);
    if found != grant.digest || plan.digest != grant.digest {
        return Err(format!(
            "its steps have the digest {}, not {}",
            found.0, grant.digest.0
        ));
    }
    Ok(Box::new(plan))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crd::{
        kind::{ApprovalMode, CardNodeSpec, Enforcement, FailurePolicy},
        plan::{Governance, RolloutDigest},
        step::DisruptionClass,
    };

    use super::*;

    fn planned(node: &str) -> NodePlan {
        NodePlan {
            node: NodeName(node.into()),
            boot_id: Some(BootId("boot".into())),
            digest: reconcile::node_digest(&[]),
            governance: Governance {
                policies: vec!["p".into()],
                enforcement: Enforcement::Enforce,
                approval: ApprovalMode::Automatic,
                approved: Vec::new(),
                on_failure: FailurePolicy::Halt,
                max_unavailable_socs: None,
                canary: false,
                failure_threshold: 1,
                max_unavailable_nodes: 1,
                batches: BTreeMap::new(),
            },
            steps: Vec::new(),
            work: Vec::new(),
            disruption: DisruptionClass::None,
            disruptive: false,
        }
    }

    fn granted(change: impl FnOnce(&mut Grant)) -> CardNode {
        let plan = planned("n1");
        let mut grant = Grant {
            digest: plan.digest.clone(),
            rollout: RolloutDigest("rollout:b3:0".into()),
            plan: packed::pack(&plan, packed::PLAN_LIMIT).unwrap(),
            boot_id: BootId("boot".into()),
            node_uid: "node".into(),
            decided_on: "100".into(),
            lease_epoch: 2,
        };
        change(&mut grant);
        let mut card_node = CardNode::new(
            "n1",
            CardNodeSpec {
                grant: Some(grant),
                drained: Vec::new(),
                drained_for: None,
                approval: None,
            },
        );
        card_node.metadata.uid = Some("object".into());
        card_node
    }

    fn taken(epoch: i64, version: &str, ended: Option<GrantState>) -> Taken {
        let id = GrantId {
            lease_epoch: epoch,
            decided_on: version.into(),
            digest: planned("n1").digest,
        };
        Taken {
            card_node: "object".into(),
            ended: ended.map(|state| id.progress(state, None)),
            id,
        }
    }

    /// What becomes of a grant, in a word or two.
    fn answer(card_node: &CardNode, taken: Option<&Taken>) -> String {
        let (node, boot) = (NodeName("n1".into()), BootId("boot".into()));
        let me = Me {
            node: &node,
            boot_id: Some(&boot),
            node_uid: Some("node"),
        };
        match admit(card_node, me, taken) {
            Admission::Nothing => "nothing".into(),
            Admission::CarryOut { .. } => "carry out".into(),
            Admission::Refused(progress) => {
                format!("{:?}: {}", progress.state, progress.why.unwrap_or_default())
            }
        }
    }

    #[test]
    fn a_grant_for_this_boot_of_this_node_is_carried_out() {
        assert_eq!(answer(&granted(|_| {}), None), "carry out");
        assert_eq!(
            answer(&CardNode::new("n1", CardNodeSpec::default()), None),
            "nothing"
        );
        let begins = [
            (
                granted(|grant| grant.boot_id = BootId("other".into())),
                "Void: n1 has booted",
            ),
            (
                granted(|grant| grant.node_uid = "other".into()),
                "Void: n1 is another Node",
            ),
            (
                granted(|grant| grant.decided_on = "soon".into()),
                "Refused: `soon` is no",
            ),
            (
                granted(|grant| grant.digest = NodeDigest("node:b3:1".into())),
                "Refused: its steps have the digest node:b3:",
            ),
            (
                granted(|grant| grant.plan = "%".into()),
                "Refused: its plan cannot be read: reading base64",
            ),
            (
                granted(|grant| {
                    grant.plan = packed::pack(&planned("n2"), packed::PLAN_LIMIT).unwrap();
                }),
                "Refused: it is a plan for n2",
            ),
            // A controller of a later version may grant what this agent has never heard of.
            (
                granted(|grant| grant.plan = of_an_unknown_kind()),
                "Refused: its plan cannot be read: reading its JSON: unknown variant `soc.polish`",
            ),
        ];
        for (card_node, begin) in begins {
            let said = answer(&card_node, None);
            assert!(
                said.starts_with(begin),
                "{said} does not begin with {begin}"
            );
        }
    }

    /// A plan whose one step is complete, but for its verb.
    fn of_an_unknown_kind() -> String {
        let mut plan = serde_json::to_value(planned("n1")).unwrap();
        plan["steps"] = serde_json::json!([{
            "id": "n1/qmonitor.start/n1", "verb": "qmonitor.start", "symbol": "+", "batch": 0,
            "reason": "qmonitor-needed", "rule": "SP-R0105", "causes": [], "preconditions": [], "verify": [],
            "inverse": { "kind": "nothingChanged" }, "disruption": { "class": "node", "disruptive": false },
            "estimate": { "likelyMs": 1, "limitMs": 1 },
        }]);
        let known: Result<NodePlan, _> = serde_json::from_value(plan.clone());
        assert!(known.is_ok(), "{known:?}");
        plan["steps"][0]["verb"] = "soc.polish".into();
        packed::pack(&plan, packed::PLAN_LIMIT).unwrap()
    }

    #[test]
    fn an_older_grant_never_follows_a_newer_one() {
        let card_node = granted(|_| {});
        for (before, expected) in [
            (taken(2, "100", None), "carry out"),
            (taken(2, "100", Some(GrantState::Halted)), "nothing"),
            (taken(2, "99", Some(GrantState::Halted)), "carry out"),
            (taken(1, "500", None), "carry out"),
            (taken(2, "101", None), "Refused"),
            // A leader that was paused and wakes: its version is fresh, its epoch is not.
            (taken(3, "50", Some(GrantState::Converged)), "Refused"),
            // As text, 99 comes after 100.
            (taken(2, "1000", None), "Refused"),
        ] {
            let said = answer(&card_node, Some(&before));
            assert!(said.starts_with(expected), "{before:?}: {said}");
        }
    }

    #[test]
    fn an_object_made_again_begins_anew() {
        let mut before = taken(9, "9000", None);
        before.card_node = "another object".into();
        assert_eq!(answer(&granted(|_| {}), Some(&before)), "carry out");
    }
}
