//! Plans of ours with what they were made from, to be changed in one place.
use crd::{
    Fact,
    declaration::Declaration,
    kind::{GroupVerification, ModelRollout, VerificationMode},
    plan::Plan,
    snapshot::HardwareSnapshot,
    step::Step,
};
use reconcile::{NodeInput, check};

use crate::{
    declare::{persistent, quickstart},
    simulate::{apply, plan_of},
    world::{Builder, two_ultras},
};

/// A plan with what it was made from, all of which a mutation may change.
pub struct Case {
    pub plan: Plan,
    pub declaration: Declaration,
    pub snapshot: HardwareSnapshot,
}

impl Case {
    /// The quickstart's first plan.
    pub fn fresh() -> Self {
        Self::of(quickstart(), two_ultras("lab"))
    }

    /// The plan that takes the quickstart back.
    pub fn removal() -> Self {
        let mut nodes = vec![two_ultras("lab")];
        assert!(apply(&plan_of(&quickstart(), &nodes), &mut nodes, false).is_empty());
        let [snapshot] = nodes.try_into().expect("one node");
        Self::of(Declaration::default(), snapshot)
    }

    pub fn of(declaration: Declaration, snapshot: HardwareSnapshot) -> Self {
        let plan = plan_of(&declaration, std::slice::from_ref(&snapshot));
        Self {
            plan,
            declaration,
            snapshot,
        }
    }

    pub fn steps(&mut self) -> &mut Vec<Step> {
        &mut self.plan.nodes[0].steps
    }

    /// The first step with this verb.
    pub fn step(&mut self, verb: &str) -> &mut Step {
        let middle = format!("/{verb}/");
        let found = self
            .steps()
            .iter_mut()
            .find(|step| step.id.0.contains(&middle));
        found.expect("the plan has such a step")
    }

    pub fn remove(&mut self, verb: &str) {
        let middle = format!("/{verb}/");
        let at = self
            .steps()
            .iter()
            .position(|step| step.id.0.contains(&middle));
        self.steps().remove(at.expect("the plan has such a step"));
    }

    pub fn rules(&self) -> Vec<&'static str> {
        let nodes = [NodeInput::Read(self.snapshot.clone())];
        let found = check(&self.plan, &self.declaration, &nodes);
        found.into_iter().map(|violation| violation.rule).collect()
    }
}

/// The first plan of a policy that keeps its settings.
pub fn keeping() -> Case {
    let mut declaration = quickstart();
    declaration.policies[0].spec = persistent();
    Case::of(declaration, two_ultras("lab"))
}

/// The plan that takes it back.
pub fn keeping_no_more() -> Case {
    let Case { plan, snapshot, .. } = keeping();
    let mut nodes = vec![snapshot];
    assert!(apply(&plan, &mut nodes, false).is_empty());
    let [snapshot] = nodes.try_into().expect("one node");
    Case::of(Declaration::default(), snapshot)
}

/// The first plan of groups that are not to be proven.
pub fn unproven() -> Case {
    let mut declaration = quickstart();
    declaration.groups[0].spec.verification = Some(GroupVerification {
        mode: VerificationMode::None,
    });
    Case::of(declaration, two_ultras("lab"))
}

/// The plan that replaces two replicas one after the other.
pub fn replacing() -> Case {
    let mut declaration = quickstart();
    declaration.models[0].spec.replicas = 2;
    let mut nodes = vec![two_ultras("lab")];
    assert!(apply(&plan_of(&declaration, &nodes), &mut nodes, true).is_empty());
    declaration.models[0].spec.serving.slots += 1;
    let [snapshot] = nodes.try_into().expect("one node");
    Case::of(declaration, snapshot)
}

/// The plan that resets both cards of a model that may be down.
pub fn resetting() -> Case {
    let mut case = replacing();
    for soc in &mut case.snapshot.socs {
        soc.mdp = Fact::known(false, "test");
    }
    case.declaration.models[0].spec.rollout = Some(numbers(None, Some(2), None));
    Case::of(case.declaration, case.snapshot)
}

pub fn numbers(
    min_available: Option<u32>,
    max_unavailable: Option<u32>,
    allow_downtime: Option<bool>,
) -> ModelRollout {
    ModelRollout {
        max_unavailable,
        min_available,
        allow_downtime,
    }
}

/// A card whose switch also leads to a device that a virtual machine owns.
pub fn beside_a_stranger() -> Case {
    let mut builder = Builder::new("lab");
    let root = builder.root();
    let slots = builder.switch(root, 3, 0x10b5);
    builder.ultra(slots[0]);
    builder.ultra(slots[1]);
    builder.device(slots[2], 0x10de, "mlx5_core");
    let mut declaration = quickstart();
    declaration.groups[0].spec = crate::declare::automatic(8, crd::kind::SpreadOver::Switch, None);
    let allow = Some(crd::kind::UntrustedNeighbours::Allow);
    if let Some(acs) = &mut declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = allow;
    }
    let mut case = Case::of(declaration, builder.build());
    assert_eq!(case.rules(), Vec::<&str>::new());
    if let Some(acs) = &mut case.declaration.policies[0].spec.acs {
        acs.untrusted_neighbours = None;
    }
    case
}
