//! Worker pods that vanish or fall silent: others take their places.
use std::fs;

use anyhow::{Context, Result, bail};

use super::quickstart::{is_as_declared, serves};
use host::{command, output, until};

use crate::{cluster::Cluster, engine::NODE, groups};

const PODS: &str = "shardplane.dev/model=tiny-guide";

/// The model's pods, the first of which is the one that something happens to. Those that are on their way out are told no
/// more: of a revision before, some say goodbye for half a minute.
pub(super) fn pods(cluster: &Cluster) -> Result<Vec<String>> {
    let staying = "-o=go-template={{range .items}}{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}} {{end}}{{end}}";
    let names = cluster
        .plane
        .told_of(&["get", "pods", "-l", PODS, staying])?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
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
    // Named before anything happens: what takes a pod's place serves nobody yet, and may be evicted too.
    let all = pods(cluster)?;
    let [silent, serving, _] = all.as_slice() else {
        bail!("three replicas are {all:?}");
    };
    signal(cluster, silent, "STOP")?;
    cluster.wait("condition=Ready=false", silent)?;
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
    let evicted = evict(silent)?;
    let kept = evict(serving)?;
    signal(cluster, silent, "CONT")?;
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
        |now| now.len() == 3 && !now.contains(silent),
    )?;
    is_as_declared(cluster)
}

/// Sends a signal to every process of a pod.
fn signal(cluster: &Cluster, pod: &str, name: &str) -> Result<()> {
    for pid in processes(cluster, pod)? {
        output(command("kill").args(["-s", name, &pid]))?;
    }
    Ok(())
}

/// Every process of a pod's worker, oldest first.
pub(super) fn processes(cluster: &Cluster, pod: &str) -> Result<Vec<String>> {
    let uid = cluster.field(pod, ".metadata.uid")?;
    let hierarchy = groups::hierarchies();
    let first = hierarchy.first().context("there are control groups")?;
    let groups = groups::below(&first.join(cluster.room.name()));
    let of_pod = groups
        .iter()
        .filter(|group| group.display().to_string().contains(&uid));
    // Beside it there is a process that holds the pod's namespaces.
    let most = of_pod.map(|group| groups::members(group));
    let mut processes = most.max_by_key(Vec::len).unwrap_or_default();
    processes.sort_by_key(|pid| pid.parse::<u32>().unwrap_or_default());
    if processes.len() < 2 {
        bail!("{pod} has the processes {processes:?}");
    }
    Ok(processes)
}
