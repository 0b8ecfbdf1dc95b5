//! What `shardplane apply` would do for the sets that are meant: the planner itself is asked, so that nothing is promised that
//! a plan then blocks.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Declared},
    id::{ObjectRef, PciAddress},
    kind::{
        AcsMode, AcsPolicy, Approval, ApprovalMode, CardPolicySpec, Enforcement, MdpMode, Member,
        P2PGroupSpec,
    },
    plan::{Plan, ReportKind, ReportLine},
    snapshot::HardwareSnapshot,
    step::Action,
};

use crate::{Inputs, NodeInput, Scope, Sources, topology::Topology};

/// What a plan does, and what it says is in the way.
#[derive(Debug, Default)]
pub(super) struct Would {
    /// Ports that it relaxes, and SoCs whose partitioning it asks for.
    done: BTreeSet<PciAddress>,
    /// Whether it starts qmonitor.
    starts_qmonitor: bool,
    /// What stands against a goal, with the SoCs and ports that the goal is about.
    blocked: Vec<(BTreeSet<PciAddress>, String)>,
}

impl Would {
    /// By what is declared; where nothing is, by a group over each of these sets, and over what is left of a set without the
    /// SoCs that stand against it.
    pub(super) fn of(
        snapshot: &HardwareSnapshot,
        topology: &Topology<'_>,
        declaration: Option<&Declaration>,
        sets: &[Vec<PciAddress>],
    ) -> Self {
        let mut would = Self::default();
        if let Some(declaration) = declaration {
            would.take(&planned(snapshot, declaration), topology, sets);
            return would;
        }
        let mut left = sets.to_vec();
        for _ in 0..2 {
            let plan = planned(snapshot, &supposed(&left));
            would.take(&plan, topology, &left);
            let named: BTreeSet<PciAddress> = stands(&plan)
                .flat_map(|line| line.functions.iter().copied())
                .collect();
            for set in &mut left {
                set.retain(|soc| !named.contains(soc));
            }
            left.retain(|set| set.len() > 1);
        }
        would
    }

    /// What stands against one SoC or port of a set stands against all of it; what names none of any, a neighbour say, against
    /// every set, of which those that are seen to are told by their steps.
    fn take(&mut self, plan: &Plan, topology: &Topology<'_>, sets: &[Vec<PciAddress>]) {
        let sets: Vec<BTreeSet<PciAddress>> = sets.iter().map(|set| about(topology, set)).collect();
        for step in plan.nodes.iter().flat_map(|node| &node.steps) {
            match &step.action {
                Action::ClearAcs { port, .. } => drop(self.done.insert(port.address)),
                Action::RequestMdp { soc, .. } => drop(self.done.insert(soc.address)),
                Action::StartQmonitor {} => self.starts_qmonitor = true,
                _ => {}
            }
        }
        for line in stands(plan) {
            let named = &line.functions;
            let names = |set: &BTreeSet<PciAddress>| named.iter().any(|soc| set.contains(soc));
            let nobody = !sets.iter().any(names);
            let whose = sets.iter().filter(|set| nobody || names(set));
            let over = whose.flatten().chain(named).copied().collect();
            self.blocked.push((over, said(line)));
        }
    }

    /// What somebody has to do before a port or a SoC is seen to; none where a plan sees to it, or nothing is known against it.
    pub(super) fn first(&self, function: PciAddress) -> Option<String> {
        if self.done.contains(&function) {
            return None;
        }
        let mut blocked = self.blocked.iter();
        let (_, why) = blocked.find(|(over, _)| over.contains(&function))?;
        Some(why.clone())
    }

    /// The same before qmonitor is started.
    pub(super) fn first_for_qmonitor(&self) -> Option<String> {
        let (_, why) = self.blocked.first().filter(|_| !self.starts_qmonitor)?;
        Some(why.clone())
    }
}

/// What stands against goals of a plan.
fn stands(plan: &Plan) -> impl Iterator<Item = &ReportLine> {
    let lines = plan.report.iter();
    lines.filter(|line| matches!(line.kind, ReportKind::Blocked | ReportKind::Error))
}

/// A line without the name of a group that nobody declared.
fn said(line: &ReportLine) -> String {
    let own = line.message.split_once(": ");
    let message = match own {
        Some((name, message)) if name.starts_with("set-") => message,
        Some(_) | None => &line.message,
    };
    if line.hint.is_empty() {
        message.to_owned()
    } else {
        format!("{message}: {}", line.hint)
    }
}

/// A set's members, and the ports at which their paths part.
fn about(topology: &Topology<'_>, set: &[PciAddress]) -> BTreeSet<PciAddress> {
    let ports = topology.divergence(set).unwrap_or_default();
    ports.into_iter().chain(set.iter().copied()).collect()
}

fn planned(snapshot: &HardwareSnapshot, declaration: &Declaration) -> Plan {
    crate::plan(&Inputs {
        declaration,
        nodes: &[NodeInput::Read(snapshot.clone())],
        models: &BTreeMap::new(),
        scope: Scope::Cards,
        unbuilt: &BTreeMap::new(),
        sources: Sources::Any,
        failed: &BTreeMap::new(),
    })
}

/// A group over each set, and a policy that lets it be had.
fn supposed(sets: &[Vec<PciAddress>]) -> Declaration {
    let policy = CardPolicySpec {
        node_selector: None,
        devices: None,
        require: None,
        mdp: Some(MdpMode::Groups),
        acs: Some(AcsPolicy {
            mode: AcsMode::Minimal,
            untrusted_neighbours: None,
        }),
        driver: None,
        host: None,
        enforcement: Enforcement::Enforce,
        approval: Approval {
            mode: ApprovalMode::Automatic,
            digests: Vec::new(),
        },
        reset_scope: None,
        rollout: None,
        drain: None,
        on_failure: None,
        deletion_policy: None,
    };
    let group = |set: &[PciAddress]| P2PGroupSpec {
        size: u32::try_from(set.len()).unwrap_or(u32::MAX),
        node_selector: None,
        members: Some(set.iter().map(|soc| member(*soc)).collect()),
        automatic: None,
        isolation: None,
        verification: None,
    };
    let groups = sets.iter().enumerate();
    Declaration {
        policies: vec![object("CardPolicy", "supposed", policy)],
        groups: groups
            .map(|(index, set)| object("P2PGroup", &format!("set-{index}"), group(set)))
            .collect(),
        ..Declaration::default()
    }
}

fn member(soc: PciAddress) -> Member {
    Member {
        address: Some(soc),
        path: None,
        serial: None,
    }
}

fn object<S>(kind: &str, name: &str, spec: S) -> Declared<S> {
    Declared {
        object: ObjectRef {
            kind: kind.to_owned(),
            namespace: None,
            name: name.to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec,
        spans: BTreeMap::new(),
    }
}
