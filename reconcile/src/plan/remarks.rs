//! What is worth saying of one node whatever is planned: policies that contradict each other, ports that we relaxed, a
//! monitor that runs on, members of unequal size.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{ObjectRef, PciAddress},
    plan::{ReportKind, ReportReason},
};

use super::{node::Needs, report::Report};
use crate::{
    doubt::LOOK_AS_ROOT,
    isolation::relaxation,
    placement::Obstacle,
    view::{View, is_rebooted},
};

impl Report<'_> {
    /// All of it.
    pub(super) fn remarks(&mut self, view: &View<'_>, needs: &Needs<'_>) {
        self.unread(view);
        self.conflicts(view);
        self.relaxed(view, needs);
        self.qmonitor(view);
        self.unequal_cores(view, needs);
    }

    /// What of the node could not be read, in so far as nothing else here speaks of it.
    fn unread(&mut self, view: &View<'_>) {
        const NAMED: usize = 3;
        let unread = &view.snapshot.unread;
        if unread.is_empty() {
            return;
        }
        let mut named: Vec<String> = unread
            .iter()
            .take(NAMED)
            .map(|unread| format!("{} ({:?})", unread.path, unread.why))
            .collect();
        if unread.len() > NAMED {
            named.push(format!("{} more", unread.len() - NAMED));
        }
        self.plain(
            ReportKind::Advice,
            ReportReason::Unread,
            view.node(),
            Vec::new(),
            format!(
                "could not be read: {}; nothing is planned for what would be there",
                named.join(", ")
            ),
            LOOK_AS_ROOT,
        );
    }

    /// Every policy of a conflict says so.
    fn conflicts(&mut self, view: &View<'_>) {
        let mut by_policy: BTreeMap<&ObjectRef, (BTreeSet<PciAddress>, BTreeSet<&str>)> =
            BTreeMap::new();
        for (soc, policies) in &view.selection.conflicts {
            for policy in policies {
                let (socs, others) = by_policy.entry(&policy.object).or_default();
                socs.insert(*soc);
                others.extend(
                    policies
                        .iter()
                        .filter(|other| other.object != policy.object)
                        .map(|other| other.object.name.as_str()),
                );
            }
        }
        for (object, (socs, others)) in by_policy {
            let others: Vec<&str> = others.into_iter().collect();
            let obstacle = Obstacle {
                reason: ReportReason::PolicyConflict,
                object: object.clone(),
                pointer: "/spec".into(),
                message: format!(
                    "{} matched by {} too, so neither applies there",
                    match socs.len() {
                        1 => "1 SoC is".to_owned(),
                        many => format!("{many} SoCs are"),
                    },
                    others.join(" and ")
                ),
                functions: socs.into_iter().collect(),
                hint: "narrow `devices` or `nodeSelector` of one of them".into(),
            };
            self.blocked(Some(view.node()), obstacle);
        }
    }

    /// Ports that are or will be relaxed by us.
    fn relaxed(&mut self, view: &View<'_>, needs: &Needs<'_>) {
        let restored: BTreeSet<PciAddress> = (needs.enforced.units.iter())
            .flat_map(|unit| &unit.restores)
            .map(|restore| restore.port.address)
            .collect();
        let entries = view.snapshot.ledger.entries.iter();
        let ours = entries
            .filter_map(|entry| relaxation(&view.topology, entry))
            .filter(|(_, stands)| *stands == Some(true))
            .map(|(port, _)| port)
            .filter(|port| !restored.contains(port));
        let planned = needs.enforced.units.iter().flat_map(|unit| &unit.clears);
        let ports: BTreeSet<PciAddress> = ours
            .chain(planned.map(|clear| clear.port.address))
            .collect();
        if ports.is_empty() {
            return;
        }
        let restores = needs.enforced.units.iter().flat_map(|unit| &unit.restores);
        let going: BTreeSet<PciAddress> = restores.map(|restore| restore.port.address).collect();
        let message = if ports.is_subset(&going) {
            format!(
                "ACS is relaxed by us at {} until this plan has put it back",
                counted(ports.len(), "port")
            )
        } else {
            format!(
                "ACS is relaxed by us, or will be, at {}: what lies below reaches its neighbours without the IOMMU",
                counted(ports.difference(&going).count(), "port")
            )
        };
        let kept: BTreeSet<PciAddress> = ports.difference(&going).copied().collect();
        let ports = if kept.is_empty() { ports } else { kept };
        let functions = ports.into_iter().collect();
        self.plain(
            ReportKind::Advice,
            ReportReason::IsolationReduced,
            view.node(),
            functions,
            message,
            "",
        );
    }

    /// That qmonitor runs on where nothing of ours is declared any more, though we started it.
    fn qmonitor(&mut self, view: &View<'_>) {
        let running = view.snapshot.tools.qmonitor_running.get() == Some(&true);
        let started = view.snapshot.ledger.qmonitor_started.as_ref();
        let ours = started.is_some_and(|boot| !is_rebooted(boot, view.snapshot));
        if view.selection.policies.is_empty() && running && ours {
            self.plain(
                ReportKind::Advice,
                ReportReason::Retained,
                view.node(),
                Vec::new(),
                "qmonitor, which we started to switch partitioning, stays running: others may ask the cards through it by now"
                    .into(),
                "stop qaic-monitor-grpc-server by hand where nothing else uses it",
            );
        }
    }

    fn unequal_cores(&mut self, view: &View<'_>, needs: &Needs<'_>) {
        for group in &needs.groups {
            let members = &group.placed.members;
            let cores = members
                .iter()
                .filter_map(|soc| view.soc(*soc)?.cores.get().copied());
            let counts: BTreeSet<u32> = cores.collect();
            if let (Some(least), true) = (counts.first(), counts.len() > 1) {
                let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
                let obstacle = Obstacle {
                    reason: ReportReason::UnequalCores,
                    object: group.placed.declared.object.clone(),
                    pointer: "/spec".into(),
                    functions: members.clone(),
                    message: format!(
                        "members of {} have {} cores: programs use {least}",
                        group.placed.id,
                        counts.join(" and ")
                    ),
                    hint: String::new(),
                };
                self.advice(Some(view.node()), obstacle);
            }
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}
