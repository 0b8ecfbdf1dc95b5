//! Builds that no replica asks for.
use std::collections::BTreeMap;

use crd::{
    declaration::Declared,
    id::NodeName,
    kind::{ModelBuildSpec, Target},
    plan::ReportReason,
};

use super::{Site, report::Report};
use crate::{
    Inputs,
    placement::{House, Obstacle, Placed},
};

/// Builds that no placed replica asks for, each on the first node that can make it.
pub(super) fn builds<'a>(
    inputs: &Inputs<'a>,
    placed: &[Placed<'_>],
    houses: &[House<'_>],
    sites: &[Site<'_>],
    report: &mut Report<'_>,
) -> BTreeMap<NodeName, Vec<&'a Declared<ModelBuildSpec>>> {
    let mut builds: Vec<&Declared<ModelBuildSpec>> = inputs.declaration.builds.iter().collect();
    builds.sort_by(|a, b| a.object.cmp(&b.object));
    let mut by_node: BTreeMap<NodeName, Vec<&Declared<ModelBuildSpec>>> = BTreeMap::new();
    for build in builds {
        if placed.iter().any(|p| p.program.object == build.object) {
            continue;
        }
        let open = || {
            houses
                .iter()
                .zip(sites)
                .filter(|(house, _)| house.governed && !house.sealed)
        };
        let able = open().find(|(house, site)| match build.spec.target {
            Target::CPU => house.has_worker,
            Target::AI100 => site.view.snapshot.tools.compiler.get().is_some(),
        });
        if let Some((house, _)) = able {
            by_node.entry(house.node.clone()).or_default().push(build);
            continue;
        }
        let governed = open().next().is_some();
        if !governed && houses.iter().any(|house| house.governed) {
            // Every node that it could be made on is left alone; why is told of the node, once.
            continue;
        }
        let (reason, message, hint) = if governed {
            (
                ReportReason::CompilerMissing,
                format!("no node has what builds for target {:?}", build.spec.target),
                "install the Apps SDK (AI100), or put shardplane-worker beside shardplane (CPU)",
            )
        } else {
            (
                ReportReason::NotGoverned,
                "no CardPolicy selects a readable node".into(),
                "declare a CardPolicy for the node: without one nothing is done on it",
            )
        };
        let obstacle = Obstacle {
            reason,
            object: build.object.clone(),
            pointer: "/spec/target".into(),
            functions: Vec::new(),
            message,
            hint: hint.into(),
        };
        report.blocked(None, obstacle);
    }
    by_node
}
