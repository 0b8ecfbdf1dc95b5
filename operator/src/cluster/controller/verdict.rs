//! How policies, groups and rollouts stand, in conditions that a person and kstatus can read.
use std::sync::Arc;

use crd::{
    id::{NodeName, ObjectRef},
    kind::{
        CardPolicy, CardPolicyStatus, ChangePlan, ChangePlanStatus, NodeOutcome, NodeProgress,
        P2PGroup, P2PGroupStatus,
    },
    plan::{Plan, ReportKind, ReportLine, ReportReason},
};
use kube_client::ResourceExt;
use reconcile::NodeInput;

use super::{
    declared::{group_ref, policy_ref},
    rollout::{Course, Stand, is_blocked},
    world::{World, stays},
    writes::Write,
};
use crate::cluster::condition::{self, About, Said, Standing, said};

/// Nodes that a sentence names.
const NAMED: usize = 3;

/// How an object stands, with a reason and a sentence.
type Verdict = (Standing, String, String);

/// Everything that statuses are made of.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub world: &'a World,
    /// The plan for now.
    pub plan: &'a Plan,
    /// What the planner was given.
    pub inputs: &'a [NodeInput],
    /// What becomes of rollouts.
    pub course: &'a Course,
    /// The safety rule that the plan breaks, where it does.
    pub unsafe_plan: Option<&'a str>,
}

/// The statuses that differ from what stands there.
pub fn verdicts(seen: &Seen<'_>) -> Vec<Write> {
    let policies = seen
        .world
        .policies
        .iter()
        .filter(|policy| stays(policy.as_ref()));
    let groups = seen
        .world
        .groups
        .iter()
        .filter(|group| stays(group.as_ref()));
    policies
        .filter_map(|policy| seen.policy(policy))
        .chain(groups.filter_map(|group| seen.group(group)))
        .chain(
            seen.world
                .plans
                .iter()
                .filter_map(|plan| seen.rollout(plan)),
        )
        .collect()
}

impl Seen<'_> {
    fn policy(&self, policy: &Arc<CardPolicy>) -> Option<Write> {
        let before = policy.status.clone().unwrap_or_default();
        let nodes = self.world.selected(policy);
        let object = policy_ref(policy);
        let (standing, reason, message) = self.stands(&object, &nodes);
        let converged = nodes.iter().filter(|name| self.is_converged(name)).count();
        let mut words = condition::standing(standing, &reason, message);
        words.push(self.pending(&nodes));
        words.push(self.told(
            About::Drifted,
            &nodes,
            |line| line.kind == ReportKind::Drift,
            "AsLeft",
        ));
        words.push(self.told(
            About::IsolationReduced,
            &nodes,
            |line| line.reason == ReportReason::IsolationReduced,
            "Isolated",
        ));
        let status = CardPolicyStatus {
            observed_generation: policy.metadata.generation,
            nodes: Some(count(nodes.len())),
            converged_nodes: Some(count(converged)),
            pending: self
                .open_rollout(&nodes)
                .map(|digest| crd::id::Digest(digest.to_owned())),
            conditions: condition::conditions(
                &before.conditions,
                words,
                policy.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::PolicyStatus {
            policy: policy.clone(),
            status,
        })
    }

    fn group(&self, group: &Arc<P2PGroup>) -> Option<Write> {
        let before = group.status.clone().unwrap_or_default();
        let object = group_ref(group);
        let records: Vec<(&NodeName, bool)> = self
            .inputs
            .iter()
            .filter_map(|input| match input {
                NodeInput::Read(snapshot) => Some(snapshot),
                NodeInput::Unreadable { .. } => None,
            })
            .flat_map(|snapshot| {
                let name = &snapshot.metadata.name;
                let of_group = snapshot
                    .ledger
                    .groups
                    .iter()
                    .filter(|record| record.group.name == object.name);
                of_group.map(move |record| (name, record.verification.is_some()))
            })
            .collect();
        let mut nodes: Vec<&NodeName> = records
            .iter()
            .map(|(name, _)| *name)
            .chain(self.nodes_of(&object))
            .chain(self.silent_for(group))
            .collect();
        nodes.sort();
        nodes.dedup();
        let (standing, reason, message) = self.stands(&object, &nodes);
        let mut words = condition::standing(standing, &reason, message);
        words.push(self.pending(&nodes));
        let status = P2PGroupStatus {
            observed_generation: group.metadata.generation,
            sets: Some(count(records.len())),
            verified_sets: Some(count(
                records.iter().filter(|(_, verified)| *verified).count(),
            )),
            conditions: condition::conditions(
                &before.conditions,
                words,
                group.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::GroupStatus {
            group: group.clone(),
            status,
        })
    }

    /// Nodes that the group selects and a policy governs, and that nothing is known of yet.
    fn silent_for(&self, group: &P2PGroup) -> Vec<&NodeName> {
        let selector = group.spec.node_selector.as_ref();
        let selects = |name: &NodeName| {
            let node = self.world.nodes.get(name);
            let labels = node.map(|node| node.labels());
            selector.is_none_or(|selector| labels.is_some_and(|labels| selector.matches(labels)))
        };
        self.world
            .policies
            .iter()
            .filter(|policy| stays(policy.as_ref()))
            .flat_map(|policy| self.world.selected(policy))
            .filter(|name| !self.course.stands.contains_key(*name) && selects(name))
            .collect()
    }

    /// Nodes with steps for an object.
    fn nodes_of(&self, object: &ObjectRef) -> Vec<&NodeName> {
        let steps = self
            .plan
            .objects
            .iter()
            .find(|planned| planned.object == *object)
            .map(|planned| planned.step_ids.as_slice())
            .unwrap_or_default();
        let has =
            |node: &&crd::plan::NodePlan| node.steps.iter().any(|step| steps.contains(&step.id));
        self.plan
            .nodes
            .iter()
            .filter(has)
            .map(|node| &node.node)
            .collect()
    }

    /// How an object stands that is about these nodes: work first, for whoever works needs nobody; then what needs a
    /// person; then what waits for leave.
    fn stands(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Verdict {
        if let Some(why) = self.unsafe_plan {
            return (
                Standing::Stalled,
                "UnsafePlan".to_owned(),
                format!(
                    "{why}; nothing is carried out: report this with `kubectl get cnode -o yaml`"
                ),
            );
        }
        let with = |is: &dyn Fn(&Stand) -> bool| -> Vec<&NodeName> {
            let stands = |name: &&&NodeName| self.course.stands.get(**name).is_some_and(is);
            nodes.iter().filter(stands).copied().collect()
        };
        let working = with(&|stand| {
            matches!(stand, Stand::Working | Stand::Begins)
                || (*stand == Stand::Queued && self.moves())
        });
        if !working.is_empty() {
            let all = nodes.len();
            let done = nodes.iter().filter(|name| self.is_converged(name)).count();
            return (
                Standing::Working,
                "Applying".to_owned(),
                format!(
                    "{done} of {all} nodes are as declared; at work: {}",
                    listed(&working)
                ),
            );
        }
        let silent: Vec<&NodeName> = nodes
            .iter()
            .filter(|name| !self.course.stands.contains_key(**name))
            .copied()
            .collect();
        // What is said of no node in particular may change once the silent ones have spoken.
        let blocked = self
            .blocked(object, nodes)
            .filter(|line| silent.is_empty() || line.node.is_some());
        if let Some(line) = blocked {
            let unread = line.reason == ReportReason::NodeUnreadable;
            let standing = if unread {
                Standing::Working
            } else {
                Standing::Stalled
            };
            return (standing, format!("{:?}", line.reason), sentence(line));
        }
        for name in nodes {
            match self.course.stands.get(*name) {
                Some(Stand::Failed(why)) => {
                    return (
                        Standing::Stalled,
                        "StepFailed".to_owned(),
                        format!("{name}: {why}"),
                    );
                }
                Some(Stand::Stopped(why)) => {
                    return (Standing::Stalled, "RolloutStopped".to_owned(), why.clone());
                }
                Some(
                    Stand::Converged
                    | Stand::Working
                    | Stand::Begins
                    | Stand::Queued
                    | Stand::Approval(_)
                    | Stand::Window,
                )
                | None => {}
            }
        }
        if !silent.is_empty() {
            return (
                Standing::Working,
                "AgentSilent".to_owned(),
                format!(
                    "no agent has reported yet from {}; one runs on every Node with cards",
                    listed(&silent)
                ),
            );
        }
        let asks = with(&|stand| matches!(stand, Stand::Approval(_)));
        if !asks.is_empty() {
            return (
                Standing::Working,
                "AwaitingApproval".to_owned(),
                self.asks(&asks),
            );
        }
        let closed = with(&|stand| *stand == Stand::Window);
        if !closed.is_empty() {
            return (
                Standing::Working,
                "AwaitingWindow".to_owned(),
                format!(
                    "the steps for {} are disruptive, and no window of their policies is open",
                    listed(&closed)
                ),
            );
        }
        let queued = with(&|stand| *stand == Stand::Queued);
        if !queued.is_empty() {
            return (
                Standing::Working,
                "Planning".to_owned(),
                format!("a rollout is being opened for {}", listed(&queued)),
            );
        }
        match nodes.len() {
            0 => (
                Standing::Ready,
                "NoNodes".to_owned(),
                format!(
                    "no Node is concerned: one counts when it has the label {} and is selected",
                    crate::cluster::names::CARDS_LABEL
                ),
            ),
            count => (
                Standing::Ready,
                "AsDeclared".to_owned(),
                format!("all of {count} nodes are as declared"),
            ),
        }
    }

    /// Whether every goal of a node is met.
    fn is_converged(&self, node: &NodeName) -> bool {
        self.course.stands.get(node) == Some(&Stand::Converged) && !is_blocked(self.plan, node)
    }

    /// Whether the rollout at hand moves by itself.
    fn moves(&self) -> bool {
        self.course
            .stands
            .values()
            .any(|stand| matches!(stand, Stand::Working | Stand::Begins))
    }

    /// What stands in the way of an object, first what is about it.
    fn blocked(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Option<&ReportLine> {
        let lines = || {
            self.plan
                .report
                .iter()
                .filter(|line| matches!(line.kind, ReportKind::Blocked | ReportKind::Error))
        };
        lines()
            .find(|line| line.object.as_ref() == Some(object))
            .or_else(|| {
                lines().find(|line| {
                    line.object.is_none()
                        && line.node.as_ref().is_some_and(|node| nodes.contains(&node))
                })
            })
    }

    /// How to give leave.
    fn asks(&self, nodes: &[&NodeName]) -> String {
        let why = nodes
            .iter()
            .find_map(|name| match self.course.stands.get(*name) {
                Some(Stand::Approval(why)) => Some(why.as_str()),
                _ => None,
            });
        let digest = self
            .course
            .current
            .as_ref()
            .map(|current| current.spec.digest.0.as_str())
            .unwrap_or_default();
        format!(
            "{}; `shardplane approve {digest}` lets it go ahead on {}",
            why.unwrap_or("somebody has to approve it"),
            listed(nodes)
        )
    }

    fn pending(&self, nodes: &[&NodeName]) -> Said {
        let asks: Vec<&NodeName> = nodes
            .iter()
            .filter(|name| matches!(self.course.stands.get(**name), Some(Stand::Approval(_))))
            .copied()
            .collect();
        if asks.is_empty() {
            said(
                About::PlanPending,
                false,
                "NothingPending",
                "no plan waits for approval",
            )
        } else {
            said(
                About::PlanPending,
                true,
                "AwaitingApproval",
                self.asks(&asks),
            )
        }
    }

    /// Digest of the rollout that these nodes wait for or take part in.
    fn open_rollout(&self, nodes: &[&NodeName]) -> Option<&str> {
        let open = nodes.iter().any(|name| {
            !matches!(
                self.course.stands.get(*name),
                None | Some(Stand::Converged | Stand::Failed(_))
            )
        });
        let current = self.course.current.as_ref().filter(|_| open)?;
        nodes
            .iter()
            .any(|name| {
                current
                    .spec
                    .nodes
                    .iter()
                    .any(|planned| planned.node == **name)
            })
            .then_some(current.spec.digest.0.as_str())
    }

    fn told(
        &self,
        about: About,
        nodes: &[&NodeName],
        is: impl Fn(&ReportLine) -> bool,
        otherwise: &str,
    ) -> Said {
        let lines: Vec<&ReportLine> = self
            .plan
            .report
            .iter()
            .filter(|line| is(line))
            .filter(|line| line.node.as_ref().is_some_and(|node| nodes.contains(&node)))
            .collect();
        match lines.first() {
            None => said(about, false, otherwise, "nothing of the kind is known"),
            Some(line) => {
                let more = lines.len() - 1;
                let message = if more == 0 {
                    sentence(line)
                } else {
                    format!("{}; and {more} more", sentence(line))
                };
                said(about, true, &format!("{:?}", line.reason), message)
            }
        }
    }

    fn rollout(&self, plan: &Arc<ChangePlan>) -> Option<Write> {
        let before = plan.status.clone().unwrap_or_default();
        let is_current = self
            .course
            .current
            .as_ref()
            .is_some_and(|current| current.uid() == plan.uid());
        let nodes = if is_current {
            self.course.outcomes.clone()
        } else {
            before.nodes.clone()
        };
        let (standing, reason, message) = self.rollout_stands(plan, &nodes, is_current);
        let mut words = condition::standing(standing, &reason, message);
        if is_current {
            let names: Vec<&NodeName> = plan.spec.nodes.iter().map(|node| &node.node).collect();
            words.push(self.pending(&names));
        } else {
            words.push(said(
                About::PlanPending,
                false,
                "NothingPending",
                "no plan waits for approval",
            ));
        }
        let status = ChangePlanStatus {
            observed_generation: plan.metadata.generation,
            approval: before.approval.clone(),
            nodes,
            conditions: condition::conditions(
                &before.conditions,
                words,
                plan.metadata.generation,
                self.world.now,
            ),
        };
        (status != before).then(|| Write::PlanStatus {
            plan: plan.clone(),
            status,
        })
    }

    fn rollout_stands(
        &self,
        plan: &ChangePlan,
        nodes: &[NodeOutcome],
        is_current: bool,
    ) -> Verdict {
        let ended = |outcome: &NodeOutcome| outcome.outcome == NodeProgress::Converged;
        let failed = nodes.iter().find(|outcome| {
            matches!(
                outcome.outcome,
                NodeProgress::Halted | NodeProgress::RolledBack
            )
        });
        let planned: Vec<&NodeName> = plan.spec.nodes.iter().map(|node| &node.node).collect();
        if nodes.len() == planned.len() && nodes.iter().all(ended) {
            return (
                Standing::Ready,
                "Converged".to_owned(),
                format!("every step was verified on {}", listed(&planned)),
            );
        }
        if is_current {
            let moving = planned.iter().any(|name| {
                matches!(
                    self.course.stands.get(*name),
                    Some(Stand::Working | Stand::Begins)
                )
            });
            if failed.is_none() || moving {
                // Nothing is said of it but by its own name.
                let object = ObjectRef {
                    kind: "ChangePlan".to_owned(),
                    namespace: None,
                    name: plan.name_any(),
                };
                let (standing, reason, message) = self.stands(&object, &planned);
                if standing != Standing::Ready {
                    return (standing, reason, message);
                }
            }
        }
        match failed {
            Some(outcome) => (
                Standing::Stalled,
                "StepFailed".to_owned(),
                format!(
                    "{}: {}; look at the card, then `kubectl delete changeplan {}` tries again",
                    outcome.node,
                    outcome.why.as_deref().unwrap_or("a step failed"),
                    plan.name_any()
                ),
            ),
            None => (
                Standing::Stalled,
                "Superseded".to_owned(),
                "nodes or declarations changed; another ChangePlan has what is left to do"
                    .to_owned(),
            ),
        }
    }
}

fn sentence(line: &ReportLine) -> String {
    if line.hint.is_empty() {
        line.message.clone()
    } else {
        format!("{}; {}", line.message, line.hint)
    }
}

/// `n1, n2, n3 and 4 more`.
pub fn listed(nodes: &[&NodeName]) -> String {
    let mut names: Vec<String> = nodes.iter().take(NAMED).map(ToString::to_string).collect();
    let more = nodes.len().saturating_sub(NAMED);
    if more > 0 {
        let last = names.pop().unwrap_or_default();
        names.push(format!("{last} and {more} more"));
    }
    names.join(", ")
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
