//! The groups of one node: explicit ones first, then those of the ledger, then new ones.
use std::collections::BTreeSet;

use crd::{
    declaration::Declared,
    id::{GroupId, ObjectRef, PciAddress},
    kind::P2PGroupSpec,
    plan::ReportReason,
    snapshot::{GroupRecord, PortKind},
};

use super::{automatic, bars, explicit, orders};
use crate::{doubt::LOOK_AS_ROOT, topology::Apart, view::View};

/// The most SoCs that reach each other directly (vendor's limit).
const MOST_MEMBERS: usize = 16;

/// Why a goal cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    /// Stable reason.
    pub reason: ReportReason,
    /// The object whose goal it is.
    pub object: ObjectRef,
    /// The declared line, as a JSON pointer within the object.
    pub pointer: String,
    /// The functions it is about.
    pub functions: Vec<PciAddress>,
    /// One sentence with the numbers.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// One set of a declared group on one node.
#[derive(Clone, Debug)]
pub struct PlacedGroup<'a> {
    /// Which.
    pub id: GroupId,
    /// Its declaration.
    pub declared: &'a Declared<P2PGroupSpec>,
    /// Members that were found, rank 0 first.
    pub members: Vec<PciAddress>,
    /// Why it cannot be used whatever is written; empty where it can.
    pub obstacles: Vec<Obstacle>,
}

/// The groups of one node, and what is to be said about SoCs that fit into none.
#[derive(Clone, Debug, Default)]
pub struct Placement<'a> {
    /// Ordered by id.
    pub groups: Vec<PlacedGroup<'a>>,
    /// Goals that have no group at all.
    pub missing: Vec<Obstacle>,
    /// Why some SoCs are in no set, though other sets were formed.
    pub advice: Vec<Obstacle>,
}

/// What is still free while groups are placed one after another.
#[derive(Clone, Debug)]
pub(super) struct Taken(pub(super) BTreeSet<PciAddress>);

/// Places every declared group (ordered by name) that selects this node. Sets are disjoint.
///
/// Explicit members are what somebody wrote, so they come first; then sets that the ledger remembers, so that
/// membership is sticky; then new sets, of groups that are harder to place first (unless one comes short for that). The result depends on facts that last (wiring, BARs, governance),
/// and on states only in preferring SoCs that are Ready.
pub fn place<'a>(view: &View<'a>, declared: &[&'a Declared<P2PGroupSpec>]) -> Placement<'a> {
    let mut placement = Placement::default();
    if view.selection.policies.is_empty() {
        return placement;
    }
    let here: Vec<&Declared<P2PGroupSpec>> = declared
        .iter()
        .copied()
        .filter(|group| {
            let selector = group.spec.node_selector.as_ref();
            selector.is_none_or(|selector| selector.matches(&view.snapshot.metadata.labels))
        })
        .collect();
    let mut taken = Taken(BTreeSet::new());
    for group in here.iter().filter(|group| group.spec.members.is_some()) {
        placement
            .groups
            .extend(explicit::place(view, group, &mut taken));
    }
    for group in here.iter().filter(|group| group.spec.automatic.is_some()) {
        placement
            .groups
            .extend(automatic::keep_all(view, group, &mut taken));
    }
    let mut new: Vec<&Declared<P2PGroupSpec>> = here
        .into_iter()
        .filter(|group| group.spec.automatic.is_some())
        .collect();
    new.sort_by_key(|group| automatic::ease(group));
    let mut placement = orders::form(view, new, &taken, &placement);
    placement.groups.sort_by(|a, b| a.id.cmp(&b.id));
    placement
}

/// The sets of a group that the ledger remembers.
pub(super) fn records<'a>(
    view: &View<'a>,
    group: &Declared<P2PGroupSpec>,
) -> impl Iterator<Item = &'a GroupRecord> {
    let (name, node) = (group.object.name.clone(), view.node().clone());
    view.snapshot
        .ledger
        .groups
        .iter()
        .filter(move |record| record.group.name == name && record.group.node == node)
}

/// What stands against a set whatever is written: governance, BARs, wiring, size.
pub(super) fn structural(
    view: &View<'_>,
    group: &Declared<P2PGroupSpec>,
    members: &[PciAddress],
) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    let pointer = if group.spec.members.is_some() {
        "/spec/members"
    } else {
        "/spec/automatic"
    };
    let mut add = |reason, functions: Vec<PciAddress>, message: String, hint: &str| {
        obstacles.push(Obstacle {
            reason,
            object: group.object.clone(),
            pointer: pointer.into(),
            functions,
            message,
            hint: hint.into(),
        });
    };
    for &soc in members {
        if let Some(policies) = view.selection.conflicts.get(&soc) {
            let names: Vec<&str> = policies.iter().map(|p| p.object.name.as_str()).collect();
            add(
                ReportReason::PolicyConflict,
                vec![soc],
                format!(
                    "SoC {soc} is matched by policies {}, so none applies",
                    names.join(" and ")
                ),
                "let one policy alone select it",
            );
        } else if view.policy(soc).is_none() {
            add(
                ReportReason::NotGoverned,
                vec![soc],
                format!("SoC {soc} is a member and no CardPolicy selects it"),
                "select it in a policy's `devices`",
            );
        }
    }
    if members.len() > 1 {
        for unfit in bars::unfit(view, members.iter().copied()) {
            add(unfit.reason, unfit.socs, unfit.message, unfit.hint);
        }
    }
    if let Err((first, second, apart)) = view.topology.divergence(members) {
        let unknown = |reason, why: String| {
            let message =
                format!("whether {first} and {second} have a switch in common is not known: {why}");
            (reason, message, LOOK_AS_ROOT)
        };
        let none = |why: String| {
            let message =
                format!("no switch below a root port is common to {first} and {second}: {why}");
            (ReportReason::NoCommonSwitch, message, BELOW_ONE_SWITCH)
        };
        let (reason, message, hint) = match apart {
            Apart::DifferentRoots => none("they hang on different root ports".to_owned()),
            Apart::NotASwitch(bridge) if is_unread(view, bridge) => unknown(
                ReportReason::AcsUnknown,
                format!(
                    "their paths meet at {bridge}, whose configuration space could not be read"
                ),
            ),
            Apart::NotASwitch(bridge) => none(format!(
                "their paths meet at {bridge}, which is not a switch"
            )),
            Apart::Unplaced(soc) => unknown(ReportReason::Unread, not_placed(view, soc)),
        };
        add(reason, vec![first, second], message, hint);
    }
    if members.len() > MOST_MEMBERS {
        add(
            ReportReason::NotEnoughSoCs,
            members.to_vec(),
            format!(
                "{} SoCs are declared and at most {MOST_MEMBERS} reach each other directly",
                members.len()
            ),
            "declare two groups",
        );
    }
    obstacles
}

/// What to do where members have no switch in common.
const BELOW_ONE_SWITCH: &str =
    "choose members below one PCIe switch, or run the model with connectivity ThroughHost";

/// That the way up from a SoC ends before a root port.
pub(super) fn not_placed(view: &View<'_>, soc: PciAddress) -> String {
    match view.topology.missing_above(soc) {
        Some(bridge) => format!("the bridge {bridge} above {soc} could not be read"),
        None => format!("the bridges above {soc} do not lead to a root port"),
    }
}

/// Whether nobody knows what a bridge is: its configuration space ended before the capability that says it.
pub(super) fn is_unread(view: &View<'_>, bridge: PciAddress) -> bool {
    let found = view.topology.function(bridge);
    found.is_some_and(|f| f.port == Some(PortKind::Bridge) && f.acs.get().is_none())
}
