//! How an object stands that is about some nodes, with a reason and a sentence that says what to do next.
use std::collections::BTreeSet;

use crd::{
    id::{NodeName, ObjectRef},
    plan::{ReportLine, ReportReason},
};

use super::{Seen, Verdict};
use crate::{
    cluster::{
        condition::{About, Said, Standing, said},
        controller::{in_hand::is_ending, rollout::Stand, sheet::is_in_the_way},
    },
    render::window::closed_until,
};

/// Nodes that a sentence names.
pub(super) const NAMED: usize = 3;
/// The reason for what a policy holds back.
pub const PAUSED: &str = "Paused";

impl Seen<'_> {
    /// What is said of nodes that wait for a window, where some do; nothing else is in their way.
    fn shut(&self, nodes: &[&NodeName]) -> Option<String> {
        let waits = nodes
            .iter()
            .filter_map(|name| match self.course.stands.get(*name)? {
                Stand::Window(opens) => Some((*name, *opens)),
                _ => None,
            });
        let (names, opens): (Vec<&NodeName>, Vec<_>) = waits.unzip();
        let first = opens.iter().flatten().min();
        (!names.is_empty()).then(|| {
            format!(
                "the steps for {} are disruptive, and {}",
                listed(&names),
                closed_until(first.copied())
            )
        })
    }

    /// How an object stands that is about these nodes: work first, for whoever works needs nobody; then what needs a
    /// person; then what waits for leave.
    pub(super) fn stands(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Verdict {
        if let Some(why) = self.unsafe_plan {
            return (
                Standing::Stalled,
                "UnsafePlan".to_owned(),
                format!(
                    "{why}; nothing is carried out: report this with `kubectl get cnode -o yaml`"
                ),
            );
        }
        if let Some(verdict) = self.waits_for_unread() {
            return verdict;
        }
        let with = |is: &dyn Fn(&Stand) -> bool| -> Vec<&NodeName> {
            let stands = |name: &&&NodeName| self.course.stands.get(**name).is_some_and(is);
            nodes.iter().filter(stands).copied().collect()
        };
        let working = with(&|stand| matches!(stand, Stand::Working | Stand::Begins));
        let next = with(&|stand| *stand == Stand::Queued && self.moves());
        if !working.is_empty() || !next.is_empty() {
            return self.applying(object, nodes, (&working, &next));
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
            // Addresses are the same on many machines of a fleet.
            let said = match &line.node {
                Some(node) => on(node, &sentence(line)),
                None => sentence(line),
            };
            return (standing, format!("{:?}", line.reason), said);
        }
        if let Some(verdict) = self.failed(nodes) {
            return verdict;
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
        if let Some(paused) = self.paused(nodes) {
            return (Standing::Stalled, PAUSED.to_owned(), paused);
        }
        if let Some(closed) = self.shut(nodes) {
            return (Standing::Working, "AwaitingWindow".to_owned(), closed);
        }
        for name in nodes {
            if let Some(Stand::Away(why)) = self.course.stands.get(*name) {
                let next = "its steps begin when it is back";
                let said = format!("{name}: {why}; {next}");
                return (Standing::Working, "NodeNotReady".to_owned(), said);
            }
        }
        let queued = with(&|stand| *stand == Stand::Queued);
        if !queued.is_empty() {
            return self.queued(&queued);
        }
        if let Some(verdict) = self.only_observes(object, nodes) {
            return verdict;
        }
        if let Some(verdict) = self.selects_nothing(object, nodes) {
            return verdict;
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
            count => {
                // What others declare for these nodes, they say themselves.
                let blocked = |name: &&&NodeName| !self.is_converged(name);
                let blocked: Vec<&NodeName> = nodes.iter().filter(blocked).copied().collect();
                let message = if blocked.is_empty() {
                    format!("all of {count} nodes are as declared")
                } else {
                    format!(
                        "all of {count} nodes are as it declares; what others declare is blocked on {}",
                        listed(&blocked)
                    )
                };
                (Standing::Ready, "AsDeclared".to_owned(), message)
            }
        }
    }

    /// What failed on one of the nodes, or elsewhere, so that nobody goes on.
    fn failed(&self, nodes: &[&NodeName]) -> Option<Verdict> {
        let stalled = |reason: &str, said| Some((Standing::Stalled, reason.to_owned(), said));
        let (mut failed, mut held) = (None, None);
        let mut left = Vec::new();
        for name in nodes {
            match self.course.stands.get(*name) {
                Some(Stand::Failed(why)) => failed = failed.or_else(|| Some(on(name, why))),
                Some(Stand::Stopped(why)) => {
                    held = held.or(Some(why));
                    left.push(*name);
                }
                _ => {}
            }
        }
        let not_begun = || format!("not begun: {}", listed(&left));
        match (failed, held) {
            (Some(said), None) => stalled("StepFailed", said),
            (Some(said), Some(_)) => stalled("StepFailed", format!("{said}; {}", not_begun())),
            (None, Some(why)) => stalled("RolloutStopped", format!("{why}; {}", not_begun())),
            (None, None) => None,
        }
    }

    /// What a policy holds back, and until when.
    pub(super) fn paused(&self, nodes: &[&NodeName]) -> Option<String> {
        let mut pausing = None;
        let mut held = Vec::new();
        for name in nodes {
            if let Some(Stand::Paused(policy)) = self.course.stands.get(*name) {
                pausing.get_or_insert(policy);
                held.push(*name);
            }
        }
        Some(format!(
            "CardPolicy {} pauses its rollout; nothing begins on {} before `rollout.paused` is taken away",
            pausing?,
            listed(&held)
        ))
    }

    /// What is said of nodes whose agent ends a step of a grant that was taken back.
    pub(super) fn ending(&self, nodes: &[&NodeName]) -> Option<String> {
        let ending = nodes.iter().filter(|name| is_ending(self.world, name));
        let ending: Vec<&NodeName> = ending.copied().collect();
        (!ending.is_empty()).then(|| {
            format!(
                "what was granted is taken back, and the step that its agent has in hand ends first on {}",
                listed(&ending)
            )
        })
    }

    /// Whether every goal of a node is met.
    pub(super) fn is_converged(&self, node: &NodeName) -> bool {
        self.course.stands.get(node) == Some(&Stand::Converged) && !self.survey.is_blocked(node)
    }

    /// On how many of these nodes all that an object declares is so. What stands against another's goals there is that one's
    /// to say.
    pub(super) fn converged(&self, object: &ObjectRef, nodes: &[&NodeName]) -> usize {
        let lines = self.survey.report.iter();
        let blocked: BTreeSet<&NodeName> = lines
            .filter(|line| is_in_the_way(line))
            .filter(|line| line.object.as_ref().is_none_or(|of| of == object))
            .filter_map(|line| line.node.as_ref())
            .collect();
        let observed = self.observed(object);
        let is_done = |name: &&&NodeName| {
            self.course.stands.get(**name) == Some(&Stand::Converged)
                && !blocked.contains(**name)
                && !observed.contains(**name)
        };
        nodes.iter().filter(is_done).count()
    }

    /// Whether the rollout at hand moves by itself.
    pub(super) fn moves(&self) -> bool {
        self.course
            .stands
            .values()
            .any(|stand| matches!(stand, Stand::Working | Stand::Begins))
    }

    /// What stands in the way of an object, first what is about it.
    pub(super) fn blocked(&self, object: &ObjectRef, nodes: &[&NodeName]) -> Option<&ReportLine> {
        let of: BTreeSet<&NodeName> = nodes.iter().copied().collect();
        let lines = || {
            let report = self.survey.report.iter();
            report.filter(|line| is_in_the_way(line))
        };
        lines()
            .find(|line| line.object.as_ref() == Some(object))
            .or_else(|| {
                lines().find(|line| {
                    line.object.is_none()
                        && line.node.as_ref().is_some_and(|node| of.contains(node))
                })
            })
    }

    /// How to give leave.
    pub(super) fn asks(&self, nodes: &[&NodeName]) -> String {
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

    pub(super) fn pending(&self, nodes: &[&NodeName]) -> Said {
        let asks: Vec<&NodeName> = nodes
            .iter()
            .filter(|name| matches!(self.course.stands.get(**name), Some(Stand::Approval(_))))
            .copied()
            .collect();
        if !asks.is_empty() {
            let asks = self.asks(&asks);
            return said(About::PlanPending, true, "AwaitingApproval", asks);
        }
        match self.paused(nodes) {
            Some(paused) => said(About::PlanPending, true, PAUSED, paused),
            None => said(
                About::PlanPending,
                false,
                "NothingPending",
                "no plan waits for a person",
            ),
        }
    }

    /// Digest of the rollout that these nodes wait for or take part in.
    pub(super) fn open_rollout(&self, nodes: &[&NodeName]) -> Option<&str> {
        let open = nodes.iter().any(|name| {
            !is_ending(self.world, name)
                && !matches!(
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

    pub(super) fn told(
        &self,
        about: About,
        nodes: &[&NodeName],
        is: impl Fn(&ReportLine) -> bool,
        (otherwise, nothing): (&str, &str),
    ) -> Said {
        let of: BTreeSet<&NodeName> = nodes.iter().copied().collect();
        let lines: Vec<&ReportLine> = self
            .survey
            .report
            .iter()
            .filter(|line| is(line))
            .filter(|line| line.node.as_ref().is_some_and(|node| of.contains(node)))
            .collect();
        match lines.first() {
            None => said(about, false, otherwise, nothing),
            Some(line) => {
                let more = lines.len() - 1;
                let node = line.node.as_ref().map(|node| format!("{node}: "));
                let first = format!("{}{}", node.unwrap_or_default(), sentence(line));
                let message = if more == 0 {
                    first
                } else {
                    format!("{first}; and {more} more of the kind")
                };
                said(about, true, &format!("{:?}", line.reason), message)
            }
        }
    }
}

/// What is said of a node, which is named once.
pub fn on(node: &NodeName, why: &str) -> String {
    let rest = why.strip_prefix(node.as_str());
    if rest.is_some_and(|rest| rest.starts_with('/')) {
        why.to_owned()
    } else {
        format!("{node}: {why}")
    }
}

pub(super) fn sentence(line: &ReportLine) -> String {
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
