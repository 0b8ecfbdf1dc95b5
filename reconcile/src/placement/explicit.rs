//! A set whose members somebody named.
use crd::{
    declaration::Declared,
    id::{GroupId, PciAddress},
    kind::{Member, P2PGroupSpec},
    plan::ReportReason,
};

use super::groups::{Obstacle, PlacedGroup, Taken, records, structural};
use crate::view::View;

/// Resolves the members on this node; `None` where the node has none of them and its ledger does not know the group.
pub(super) fn place<'a>(
    view: &View<'a>,
    group: &'a Declared<P2PGroupSpec>,
    taken: &mut Taken,
) -> Option<PlacedGroup<'a>> {
    let declared = group.spec.members.as_deref().unwrap_or_default();
    let found: Vec<Option<PciAddress>> = declared.iter().map(|m| resolve(view, m)).collect();
    let known = records(view, group).next().is_some();
    if found.iter().all(Option::is_none) && !known {
        return None;
    }
    let mut members = Vec::new();
    let mut obstacles = Vec::new();
    for (index, (member, soc)) in declared.iter().zip(&found).enumerate() {
        let mut add = |reason, functions, message, hint: &str| {
            obstacles.push(Obstacle {
                reason,
                object: group.object.clone(),
                pointer: format!("/spec/members/{index}"),
                functions,
                message,
                hint: hint.into(),
            });
        };
        match soc {
            None => add(
                ReportReason::MemberMissing,
                member.address.into_iter().collect(),
                format!("member {} is not on {}", name(member), view.node()),
                "plug it back, or take it out of the group; `shardplane probe` lists what is there",
            ),
            Some(soc) if members.contains(soc) || taken.0.contains(soc) => add(
                ReportReason::MemberTaken,
                vec![*soc],
                format!("member {} is in another set already", name(member)),
                "a SoC can be in one set only; take it out of one",
            ),
            Some(soc) => members.push(*soc),
        }
    }
    if usize::try_from(group.spec.size) != Ok(declared.len()) {
        obstacles.push(Obstacle {
            reason: ReportReason::NotEnoughSoCs,
            object: group.object.clone(),
            pointer: "/spec/size".into(),
            functions: Vec::new(),
            message: format!(
                "size is {} and {} members are named",
                group.spec.size,
                declared.len()
            ),
            hint: "name as many members as `size` says".into(),
        });
    }
    taken.0.extend(&members);
    obstacles.extend(structural(view, group, &members));
    Some(PlacedGroup {
        id: GroupId {
            name: group.object.name.clone(),
            index: 0,
            node: view.node().clone(),
        },
        declared: group,
        members,
        obstacles,
    })
}

fn resolve(view: &View<'_>, member: &Member) -> Option<PciAddress> {
    let Member {
        address,
        path,
        serial,
    } = member;
    view.snapshot
        .socs
        .iter()
        .find(|soc| {
            address.is_none_or(|address| soc.address == address)
                && path.as_ref().is_none_or(|path| soc.path == *path)
                && serial
                    .as_ref()
                    .is_none_or(|serial| soc.serial.get() == Some(serial))
                && (address.is_some() || path.is_some() || serial.is_some())
        })
        .map(|soc| soc.address)
}

fn name(member: &Member) -> String {
    let Member {
        address,
        path,
        serial,
    } = member;
    [
        address.as_ref().map(ToString::to_string),
        path.as_ref().map(ToString::to_string),
        serial.as_ref().map(ToString::to_string),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}
