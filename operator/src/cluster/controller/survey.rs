//! All nodes as decisions need them, each looked at anew only where something that its plan depends on has changed.
//!
//! Nodes are planned one at a time, so that one snapshot is unpacked at once; of others a node's plan depends only on
//! canaries that have not converged, which are planned beside it.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crd::{
    declaration::Declaration,
    id::{NodeName, ObjectRef},
    kind::Grant,
    plan::{ReportLine, ReportReason},
};
use kube_client::ResourceExt;
use reconcile::NodeInput;

use super::{
    drains::Gates,
    fleet,
    sheet::{Sheet, is_in_the_way, planned},
    world::World,
};

/// All nodes.
#[derive(Debug, Default)]
pub struct Survey {
    /// Nodes whose snapshot could be read.
    pub sheets: BTreeMap<NodeName, Arc<Sheet>>,
    /// Nodes with steps, in the order in which they are worked on.
    pub order: Vec<NodeName>,
    /// What is to be told, in order.
    pub report: Vec<ReportLine>,
    /// Nodes against whose goals something stands.
    blocked: BTreeSet<NodeName>,
    /// The safety rule that a plan breaks, where one does.
    pub unsafe_plan: Option<String>,
}

/// What was worked out before, by what it was worked out from: the same would come of the same. Decisions are the same
/// without it.
#[derive(Debug, Default)]
pub struct Notes {
    alone: BTreeMap<NodeName, (Key, Look)>,
    /// Sheets of nodes that wait for canaries.
    waiting: BTreeMap<NodeName, (Key, Arc<Sheet>)>,
    /// Where granted plans stop for drains.
    gates: BTreeMap<NodeName, (Key, Arc<Gates>)>,
}

/// Digest of all that something depends on.
type Key = blake3::Hash;

/// What came of looking at a node.
#[derive(Clone, Debug)]
enum Look {
    Read(Arc<Sheet>),
    Unreadable(String),
}

impl Notes {
    /// Where a granted plan stops for drains.
    pub fn gates(&mut self, node: &NodeName, grant: &Grant) -> Arc<Gates> {
        let key = blake3::hash(grant.plan.as_bytes());
        match self.gates.get(node) {
            Some((known, gates)) if *known == key => gates.clone(),
            _ => {
                let gates = Arc::new(Gates::of(grant));
                self.gates.insert(node.clone(), (key, gates.clone()));
                gates
            }
        }
    }

    /// Forgets what is gone.
    fn keep(&mut self, world: &World) {
        self.alone
            .retain(|name, _| world.card_nodes.contains_key(name));
        self.waiting
            .retain(|name, _| world.card_nodes.contains_key(name));
        self.gates.retain(|name, _| world.has_grant(name));
    }
}

impl Survey {
    /// Looks at all nodes.
    pub fn of(world: &World, declaration: &Declaration, notes: &mut Notes) -> Self {
        notes.keep(world);
        let declared = blake3::hash(format!("{declaration:?}").as_bytes());
        let mut looks: BTreeMap<&NodeName, (Key, Look)> = BTreeMap::new();
        for name in world
            .card_nodes
            .keys()
            .filter(|name| world.nodes.contains_key(*name))
        {
            let key = key(world, name, &declared);
            let look = match notes.alone.get(name) {
                Some((known, look)) if *known == key => look.clone(),
                _ => {
                    let look = look(world, name, declaration);
                    notes.alone.insert(name.clone(), (key, look.clone()));
                    look
                }
            };
            looks.insert(name, (key, look));
        }
        let held = Held::of(world, declaration, &looks);
        let mut survey = Self::default();
        let mut unreadable = Vec::new();
        for (name, (key, look)) in looks {
            match look {
                Look::Read(sheet) => {
                    let sheet = held.sheet(world, declaration, notes, name, key, sheet);
                    survey.sheets.insert(name.clone(), sheet);
                }
                Look::Unreadable(why) => unreadable.push(unread(world, name, why)),
            }
        }
        survey.conclude(declaration, &unreadable);
        survey
    }

    fn conclude(&mut self, declaration: &Declaration, unreadable: &[NodeInput]) {
        let mut order: Vec<(bool, &NodeName)> = self
            .sheets
            .iter()
            .filter(|(_, sheet)| sheet.steps > 0)
            .map(|(name, sheet)| (!sheet.governance.canary, name))
            .collect();
        order.sort();
        self.order = order.into_iter().map(|(_, name)| name.clone()).collect();
        let broken = self.sheets.values().find_map(|sheet| sheet.broken.clone());
        self.unsafe_plan = broken;
        let unread = planned(declaration, unreadable);
        let of_nodes = self.sheets.values().flat_map(|sheet| &sheet.report);
        let mut report: Vec<ReportLine> = of_nodes.cloned().collect();
        let unread = unread.report.into_iter();
        report.extend(unread.filter(|line| line.node.is_some() || self.sheets.is_empty()));
        report.extend(self.of_no_node());
        report.sort();
        report.dedup();
        self.blocked = report
            .iter()
            .filter(|line| is_in_the_way(line))
            .filter_map(|line| line.node.clone())
            .collect();
        self.report = report;
    }

    /// What is said of objects of which no node has anything: every node says so, of itself alone.
    fn of_no_node(&self) -> Vec<ReportLine> {
        let mut said: BTreeMap<&ObjectRef, Vec<&ReportLine>> = BTreeMap::new();
        for line in self.sheets.values().flat_map(|sheet| &sheet.alone) {
            if let Some(object) = &line.object {
                said.entry(object).or_default().push(line);
            }
        }
        let all = self.sheets.len();
        said.into_values()
            .filter(|lines| lines.len() == all)
            .filter_map(|lines| {
                // Where a policy selects one node, what is missing is the SoCs.
                let governed = |line: &&&ReportLine| line.reason != ReportReason::NotGoverned;
                let line = lines.iter().find(governed).or(lines.first())?;
                Some((*line).clone())
            })
            .collect()
    }

    /// Whether something stands against a node's goals.
    pub fn is_blocked(&self, node: &NodeName) -> bool {
        self.blocked.contains(node)
    }
}

/// Canaries that have not converged, and those that may be one and could not be looked at.
struct Held<'a> {
    names: BTreeSet<&'a NodeName>,
    key: Key,
    nodes: std::cell::OnceCell<Vec<NodeInput>>,
}

impl<'a> Held<'a> {
    fn of(
        world: &World,
        declaration: &Declaration,
        looks: &BTreeMap<&'a NodeName, (Key, Look)>,
    ) -> Self {
        let canaries: Vec<_> = declaration
            .policies
            .iter()
            .filter_map(|policy| policy.spec.rollout.as_ref()?.canary.as_ref())
            .collect();
        let may_be = |name: &NodeName| {
            let node = world.nodes.get(name);
            node.is_some_and(|node| canaries.iter().any(|canary| canary.matches(node.labels())))
        };
        let mut names = BTreeSet::new();
        let mut hasher = blake3::Hasher::new();
        for (name, (key, look)) in looks {
            let holds = match look {
                Look::Read(sheet) => sheet.governance.canary && sheet.is_blocked(),
                Look::Unreadable(_) => may_be(name),
            };
            if holds {
                names.insert(*name);
                hasher.update(key.as_bytes());
            }
        }
        Self {
            names,
            key: hasher.finalize(),
            nodes: std::cell::OnceCell::new(),
        }
    }

    /// The sheet of a node that may have to wait.
    fn sheet(
        &self,
        world: &World,
        declaration: &Declaration,
        notes: &mut Notes,
        name: &NodeName,
        key: Key,
        alone: Arc<Sheet>,
    ) -> Arc<Sheet> {
        // One that has nothing to do waits for nobody.
        if self.names.is_empty() || alone.steps == 0 || alone.governance.canary {
            return alone;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes()).update(self.key.as_bytes());
        let key = hasher.finalize();
        if let Some((known, sheet)) = notes.waiting.get(name)
            && *known == key
        {
            return sheet.clone();
        }
        let others = self.nodes.get_or_init(|| {
            let names = self.names.iter();
            names.map(|name| input(world, name)).collect()
        });
        let sheet = Sheet::of(declaration, input(world, name), others).map_or(alone, Arc::new);
        notes.waiting.insert(name.clone(), (key, sheet.clone()));
        sheet
    }
}

fn key(world: &World, name: &NodeName, declared: &Key) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(declared.as_bytes());
    let node = world.nodes.get(name);
    let status = world
        .card_nodes
        .get(name)
        .and_then(|card_node| card_node.status.as_ref());
    let few = (
        name,
        node.map(|node| (&node.metadata.uid, node.labels())),
        status.map(|status| &status.node_uid),
    );
    hasher.update(format!("{few:?}").as_bytes());
    let snapshot = status.and_then(|status| status.snapshot.as_deref());
    hasher.update(snapshot.unwrap_or_default().as_bytes());
    hasher.finalize()
}

fn look(world: &World, name: &NodeName, declaration: &Declaration) -> Look {
    match input(world, name) {
        NodeInput::Unreadable {
            node: _,
            labels: _,
            why,
        } => Look::Unreadable(why),
        read @ NodeInput::Read(_) => match Sheet::of(declaration, read, &[]) {
            Some(sheet) => Look::Read(Arc::new(sheet)),
            None => Look::Unreadable("it could not be planned".to_owned()),
        },
    }
}

/// What the planner may know of a node.
pub fn input(world: &World, name: &NodeName) -> NodeInput {
    let known = world.card_nodes.get(name).zip(world.nodes.get(name));
    let read = known.map(|(card_node, node)| fleet::snapshot(name, card_node, node));
    match read {
        Some(Ok(snapshot)) => NodeInput::Read(*snapshot),
        Some(Err(why)) => unread(world, name, why),
        None => unread(world, name, "its Node is gone".to_owned()),
    }
}

fn unread(world: &World, name: &NodeName, why: String) -> NodeInput {
    NodeInput::Unreadable {
        node: name.clone(),
        labels: world.nodes.get(name).map(|node| node.labels().clone()),
        why,
    }
}
