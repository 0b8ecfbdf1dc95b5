//! What a person has to put right: it is said, with what to do, and what serves goes on.
use anyhow::{Result, bail};

use super::quickstart::{is_as_declared, serves};
use crate::{cluster::Cluster, engine::REGISTRY, release::serve_with};

/// A model that is nobody's.
const NOBODYS: &str = "b3:0000000000000000000000000000000000000000000000000000000000000000";

/// Waits until the model is stalled, and gives the reason and the sentence.
pub(super) fn stalled(cluster: &Cluster, reason: &str, words: &str) -> Result<()> {
    let stalled = r#".status.conditions[?(@.type=="Stalled")]"#;
    cluster.wait(
        &format!("jsonpath={{{stalled}.reason}}={reason}"),
        "smodel/tiny-guide",
    )?;
    let status = cluster.field("smodel/tiny-guide", &format!("{stalled}.status"))?;
    let said = cluster.field("smodel/tiny-guide", &format!("{stalled}.message"))?;
    if status != "True" || !said.contains(words) {
        bail!("{reason} ({status}) says `{said}`, and nothing of `{words}`");
    }
    Ok(())
}

/// Whether so many replicas serve.
pub(super) fn still_serve(cluster: &Cluster, replicas: &str) -> Result<()> {
    let ready = cluster.field("deployment/tiny-guide", ".status.readyReplicas")?;
    if ready != replicas {
        bail!("{ready} replicas serve meanwhile, not {replicas}");
    }
    Ok(())
}

fn patch(cluster: &Cluster, spec: &str) -> Result<()> {
    let patch = format!("--patch={{\"spec\":{spec}}}");
    cluster
        .plane
        .told_of(&["patch", "smodel/tiny-guide", "--type=merge", &patch])?;
    Ok(())
}

pub(crate) fn an_image_that_cannot_be_pulled(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let missing = format!("{REGISTRY}/missing@sha256:{}", "0".repeat(64));
    serve_with(cluster, &missing)?;
    stalled(cluster, "ImageUnavailable", "kubectl describe pod")?;
    still_serve(cluster, "2")?;
    serve_with(cluster, &cluster.engine.image)?;
    is_as_declared(cluster)
}

pub(crate) fn another_model_than_was_declared(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let declared = cluster.field("smodel/tiny-guide", ".spec.model.digest")?;
    patch(cluster, &format!(r#"{{"model":{{"digest":"{NOBODYS}"}}}}"#))?;
    stalled(cluster, "BuildFailed", "kubectl logs")?;
    still_serve(cluster, "2")?;
    // A wrong input is tried once.
    let pods = cluster.named("pods", "shardplane.dev/build=tiny-guide")?;
    let mut logs = Vec::new();
    for pod in &pods {
        logs.push(cluster.plane.told(&format!("logs {pod}"))?);
    }
    let refusals: Vec<&String> = logs
        .iter()
        .filter(|log| log.contains("another model than was declared"))
        .collect();
    match refusals.as_slice() {
        [log] if log.contains(&declared) && log.contains(NOBODYS) => {}
        _ => bail!("the pods {pods:?} of the build say {logs:#?}"),
    }
    patch(
        cluster,
        &format!(r#"{{"model":{{"digest":"{declared}"}}}}"#),
    )?;
    is_as_declared(cluster)
}

/// Its limit is less than the model takes: the kernel ends its processes, that is said, and what serves goes on.
pub(crate) fn too_little_memory(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let declared = cluster.field("smodel/tiny-guide", ".spec.pod")?;
    patch(
        cluster,
        r#"{"pod":{"resources":{"requests":{"memory":"12Mi"},"limits":{"memory":"12Mi"}}}}"#,
    )?;
    stalled(cluster, "OutOfMemory", "spec.pod.resources.limits.memory")?;
    // One at a time is made anew.
    still_serve(cluster, "1")?;
    let as_before =
        format!(r#"--patch=[{{"op":"replace","path":"/spec/pod","value":{declared}}}]"#);
    cluster
        .plane
        .told_of(&["patch", "smodel/tiny-guide", "--type=json", &as_before])?;
    is_as_declared(cluster)
}

pub(crate) fn on_cards_no_pod_is_made(cluster: &Cluster) -> Result<()> {
    cluster.plane.apply(
        "on-cards.yaml",
        "apiVersion: shardplane.dev/v1alpha1\nkind: ShardedModel\nmetadata: {name: on-cards, namespace: default}\n\
         spec:\n  model: {pvc: {claim: models, path: tiny-guide}, digest: 'b3:618854029e6903c56c057456ab70c7e941e6d3ae3ac8972c362005333a77fbf0'}\n  \
         target: AI100\n  precision: Mxfp6\n  shards: 4\n  connectivity: P2P\n  groupRef: quad\n  \
         serving: {contextLength: 256, slots: 4}\n  store: {pvc: {claim: programs}}\n",
    )?;
    cluster.wait(
        r#"jsonpath={.status.conditions[?(@.type=="Stalled")].reason}=DriverMissing"#,
        "smodel/on-cards",
    )?;
    let made = [
        cluster.named("pods", "shardplane.dev/model=on-cards")?,
        cluster.named("pods", "shardplane.dev/build=on-cards")?,
    ]
    .concat();
    if !made.is_empty() {
        bail!("pods were made: {made:?}");
    }
    cluster.plane.told("delete smodel/on-cards")?;
    Ok(())
}
