//! A second, independent reader of finished plans: the safety rules, worked out anew from snapshot and declaration.
//!
//! Nothing of the planner is used here but the digest: a mistake there must not hide itself.
mod acs;
mod edges;
mod flow;
mod kept;
mod machine;
mod order;
mod paper;
mod partitioning;
mod proof;
mod serving;

use crd::{
    declaration::Declaration,
    id::StepId,
    plan::{NodePlan, Plan},
    snapshot::told_by_place,
    step::Step,
};

use crate::NodeInput;
use machine::Machine;

/// Every rule: its id, and what it holds.
pub const RULES: [(&str, &str); 28] = [
    (
        "SP-C01",
        "a SoC is reset only when nobody holds it, or our own workers on it were drained",
    ),
    (
        "SP-C02",
        "ACS is relaxed only on divergence ports of declared groups",
    ),
    (
        "SP-C03",
        "only redirect and egress bits that are set are cleared, from the word that stands there",
    ),
    (
        "SP-C04",
        "ACS is otherwise written only to restore a ledger pre-image that no declared group's port needs relaxed",
    ),
    (
        "SP-C05",
        "the budget of drained SoCs is exceeded at no point",
    ),
    ("SP-C06", "every effect has an inverse or says why not"),
    (
        "SP-C07",
        "every disturbance is named with its class, SoCs and isolation",
    ),
    (
        "SP-C08",
        "what disturbs a SoC happens while it is tainted and drained",
    ),
    (
        "SP-C09",
        "a partitioning request is followed by a reset, a wait and a look, and no reset comes without one",
    ),
    ("SP-C10", "steps of a batch come in the order of the engine"),
    ("SP-C11", "a SoC that is not Ready is never reset"),
    (
        "SP-C12",
        "every taint ends in one untaint, and none is needless",
    ),
    ("SP-C13", "what is unknown or locked is not written"),
    (
        "SP-C14",
        "only governed, enforced and recognised SoCs are touched, but for what the ledger removes",
    ),
    (
        "SP-C15",
        "ids are unique and of their node, and a step depends on earlier ones only, and on all that it relies on",
    ),
    ("SP-C16", "every step says why: a rule and a cause"),
    ("SP-C17", "a group that was changed is proven afterwards"),
    (
        "SP-C18",
        "SoCs and ports are the ones the snapshot shows at that address and path",
    ),
    ("SP-C19", "digests are those of the steps"),
    ("SP-C20", "counts and flags are those of the steps"),
    (
        "SP-C21",
        "an untrusted neighbour loses isolation only where every stated rule allows it",
    ),
    (
        "SP-C22",
        "partitioning and settings are switched to what is declared, or to what the ledger recorded",
    ),
    (
        "SP-C23",
        "an effect expects the value that it replaces, and leaves the one that it writes",
    ),
    (
        "SP-C24",
        "an effect on a register or setting records for whom it was written",
    ),
    (
        "SP-C25",
        "every node with something to run is in the order once, canaries before the others, and where a canary has not converged nothing new happens on the others",
    ),
    (
        "SP-C26",
        "at no point do fewer replicas of a model serve than its rollout asks for, unless that can never be and downtime is allowed",
    ),
    (
        "SP-C27",
        "no SoC is reset, nor asked to change with its next reset, where somebody else resets SoCs or may do so",
    ),
    (
        "SP-C28",
        "no SoC is reset while one is away that left the bus as SoCs of its machine were reset in this boot",
    ),
];

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Stable id of [`RULES`].
    pub rule: &'static str,
    /// The step that breaks it, where one does.
    pub step: Option<StepId>,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Reads a finished plan against what it was made from; empty when every rule holds.
pub fn check(plan: &Plan, declaration: &Declaration, nodes: &[NodeInput]) -> Vec<Violation> {
    let mut found = Findings::default();
    for node in &plan.nodes {
        let snapshot = nodes.iter().find_map(|input| match input {
            NodeInput::Read(snapshot) if snapshot.metadata.name == node.node => Some(snapshot),
            NodeInput::Read(_) | NodeInput::Unreadable { .. } => None,
        });
        let Some(snapshot) = snapshot else {
            found.add(
                "SP-C14",
                None,
                format!("{} has a plan and no snapshot", node.node),
            );
            continue;
        };
        let mut snapshot = snapshot.clone();
        told_by_place(&mut snapshot.functions);
        let machine = Machine::of(&snapshot, declaration);
        partitioning::read(node, &machine, &mut found);
        acs::read(node, &machine, &mut found);
        flow::read(node, &machine, &mut found);
        edges::read(node, &mut found);
        kept::read(node, &machine, &mut found);
        paper::read(node, &machine, &mut found);
        proof::read(node, &machine, &mut found);
        order::read(node, plan, &machine, &mut found);
        order::waits(node, plan, &machine, nodes, &mut found);
    }
    paper::totals(plan, &mut found);
    let read = nodes.iter().filter_map(|input| match input {
        NodeInput::Read(snapshot) => Some((&snapshot.metadata.name, snapshot)),
        NodeInput::Unreadable { .. } => None,
    });
    serving::read(plan, &declaration.models, &read.collect(), &mut found);
    found.list.sort();
    found.list
}

/// Violations while they are collected.
#[derive(Default)]
struct Findings {
    list: Vec<Violation>,
}

impl Findings {
    fn add(&mut self, rule: &'static str, step: Option<&Step>, message: String) {
        self.list.push(Violation {
            rule,
            step: step.map(|step| step.id.clone()),
            message,
        });
    }

    /// Adds a violation unless `holds`.
    fn expect(
        &mut self,
        rule: &'static str,
        step: &Step,
        holds: bool,
        message: impl FnOnce() -> String,
    ) {
        if !holds {
            self.add(rule, Some(step), message());
        }
    }
}

/// A node's steps with their places.
fn steps(node: &NodePlan) -> impl Iterator<Item = (usize, &Step)> {
    node.steps.iter().enumerate()
}
