//! Worker pods that vanish or fall silent: others take their places.
use std::fs;

use anyhow::{Context, Result, bail};

use super::quickstart::{is_as_declared, serves};
use crate::{
    cluster::Cluster,
    engine::NODE,
    groups,
    host::{command, output, until},
};

const PODS: &str = "shardplane.dev/model=tiny-guide";

/// The model's pods, the first of which is the one that something happens to.
fn pods(cluster: &Cluster) -> Result<Vec<String>> {
    cluster.named("pods", PODS)
}

pub(crate) fn one_deleted_by_force_comes_back(cluster: &Cluster) -> Result<()> {
    serves(cluster, 3)?;
    let before = pods(cluster)?;
    let gone = before.first().context("it has pods")?;
    cluster
        .plane
        .told(&format!("delete --force --grace-period=0 {gone}"))?;
    until(
        "another takes its place",
        || pods(cluster),
        |now| now.len() == 3 && !now.contains(gone),
    )?;
    is_as_declared(cluster)
}

pub(crate) fn one_that_does_not_answer_is_evicted(cluster: &Cluster) -> Result<()> {
    serves(cluster, 3)?;
    let silent = pods(cluster)?.first().cloned().context("it has pods")?;
    let uid = cluster.field(&silent, ".metadata.uid")?;
    signal(cluster, &uid, "STOP")?;
    cluster.wait("condition=Ready=false", &silent)?;
    // Cordoned, nothing takes its place, so the budget has nothing to give, once it has noticed.
    cluster.plane.told(&format!("cordon {NODE}"))?;
    cluster.wait("jsonpath={.status.disruptionsAllowed}=0", "pdb/tiny-guide")?;
    let evict = |pod: &str| {
        let name = pod.trim_start_matches("pod/");
        let body = format!(
            r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{name}","namespace":"default"}}}}"#
        );
        let file = cluster.room.at("eviction.json");
        fs::write(&file, body).context("writing an eviction")?;
        let path = format!("/api/v1/namespaces/default/pods/{name}/eviction");
        let file = file.display().to_string();
        Ok::<_, anyhow::Error>(
            cluster
                .plane
                .kubectl(&["create", "--raw", &path, "-f", &file]),
        )
    };
    let evicted = evict(&silent)?;
    let others: Vec<String> = pods(cluster)?
        .into_iter()
        .filter(|pod| *pod != silent)
        .collect();
    let kept = evict(others.first().context("others serve")?)?;
    signal(cluster, &uid, "CONT")?;
    cluster.plane.told(&format!("uncordon {NODE}"))?;
    if !evicted.succeeded {
        bail!("the silent pod is not evicted: {}", evicted.stderr);
    }
    if kept.succeeded || !kept.stderr.contains("disruption budget") {
        bail!("a pod that serves was evicted beside it: {kept:?}");
    }
    until(
        "another takes its place",
        || pods(cluster),
        |now| now.len() == 3 && !now.contains(&silent),
    )?;
    is_as_declared(cluster)
}

/// Sends a signal to every process of a pod.
fn signal(cluster: &Cluster, uid: &str, name: &str) -> Result<()> {
    let hierarchy = groups::hierarchies();
    let first = hierarchy.first().context("there are control groups")?;
    let mut sent = 0;
    for group in groups::below(&first.join(cluster.room.name())) {
        if group.display().to_string().contains(uid) {
            for pid in groups::members(&group) {
                output(command("kill").args(["-s", name, &pid]))?;
                sent += 1;
            }
        }
    }
    if sent < 2 {
        bail!("pod {uid} has {sent} processes");
    }
    Ok(())
}
