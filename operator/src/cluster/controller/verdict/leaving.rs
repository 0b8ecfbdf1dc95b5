//! What is said of a policy that is deleted and waits until what it changed is put back.
use crd::{id::NodeName, kind::CardPolicy};
use kube_client::ResourceExt;

use super::{
    Seen, Verdict,
    standing::{listed, sentence},
};
use crate::cluster::{
    condition::Standing,
    controller::{
        declared::policy_ref,
        leaving::{left, until},
        sheet::is_in_the_way,
    },
    names::RELEASE,
};

/// Nodes that a sentence names, each with why it cannot be reached.
const NAMED: usize = 5;

impl Seen<'_> {
    /// How a policy stands that is being deleted: never Ready, and always with the way out.
    pub(super) fn leaves(&self, policy: &CardPolicy) -> Verdict {
        let left = left(self.world, self.survey, policy);
        let (standing, reason, how) = self.reverts(policy, &left.reached);
        let mut said =
            vec!["it is being deleted, and what it changed is put back first".to_owned()];
        said.extend(how);
        if !left.unreached.is_empty() {
            let named: Vec<String> = left
                .unreached
                .iter()
                .take(NAMED)
                .map(|(name, why)| format!("{name} ({why})"))
                .collect();
            let more = match left.unreached.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            said.push(format!(
                "waiting until {} for what cannot be reached: {}{more}",
                until(self.world, policy),
                named.join(", ")
            ));
        }
        said.push(format!(
            "`kubectl annotate cardpolicy {} {RELEASE}=now` lets it go at once, and what is left is put back when its node can be reached and may be worked on",
            policy.name_any()
        ));
        (standing, reason, said.join("; "))
    }

    /// How it goes on the nodes that can be reached.
    fn reverts(
        &self,
        policy: &CardPolicy,
        nodes: &[&NodeName],
    ) -> (Standing, String, Option<String>) {
        if nodes.is_empty() {
            return (Standing::Working, "NodesUnreachable".to_owned(), None);
        }
        let (standing, reason, message) = self.stands(&policy_ref(policy), nodes);
        if standing != Standing::Ready {
            return (standing, reason, Some(message));
        }
        // What stands in the way is said of a group, which may be gone already.
        let mut lines = self.survey.report.iter();
        let line = lines.find(|line| {
            is_in_the_way(line) && line.node.as_ref().is_some_and(|node| nodes.contains(&node))
        });
        match line {
            Some(line) => (
                Standing::Stalled,
                format!("{:?}", line.reason),
                Some(sentence(line)),
            ),
            None => (
                Standing::Working,
                "Reverting".to_owned(),
                Some(format!("not put back yet on {}", listed(nodes))),
            ),
        }
    }
}
