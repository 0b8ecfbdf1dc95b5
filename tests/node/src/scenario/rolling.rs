//! Revisions roll and the node is drained while clients ask without pause: no request fails.
use anyhow::{Result, bail};

use super::quickstart::{address, is_as_declared, serves};
use crate::{cluster::Cluster, engine::NODE, load::Load};

/// Answers that are wanted, at least.
const REQUESTS: usize = 10_000;

pub(crate) fn no_request_fails(cluster: &Cluster) -> Result<()> {
    serves(cluster, 3)?;
    let before = cluster.field("smodel/tiny-guide", ".status.program")?;
    let load = Load::start(&address(cluster)?);
    cluster.plane.told_of(&[
        "patch",
        "smodel/tiny-guide",
        "--type=merge",
        r#"--patch={"spec":{"precision":"Int8"}}"#,
    ])?;
    is_as_declared(cluster)?;
    if cluster.field("smodel/tiny-guide", ".status.program")? == before {
        bail!("the revision serves the program before");
    }
    drain(cluster)?;
    load.end(REQUESTS)?;
    Ok(())
}

/// Where there is no other node, one replica goes and the budget keeps the others for as long as the first waits.
fn drain(cluster: &Cluster) -> Result<()> {
    let line = format!(
        "drain {NODE} --ignore-daemonsets --delete-emptydir-data --timeout=8s --pod-selector=shardplane.dev/model"
    );
    let drained = cluster
        .plane
        .kubectl(&line.split_whitespace().collect::<Vec<_>>());
    let serving = cluster.field("deployment/tiny-guide", ".status.readyReplicas")?;
    cluster.plane.told(&format!("uncordon {NODE}"))?;
    if drained.succeeded || !drained.stderr.contains("disruption budget") || serving != "2" {
        bail!("{serving} of 3 replicas serve in a drain that says {drained:?}");
    }
    cluster.wait("jsonpath={.status.readyReplicas}=3", "smodel/tiny-guide")?;
    is_as_declared(cluster)
}
