//! What fails below the models: memory, disks, the registry, the node. Each ends ready again, or is said with a reason, and
//! no request waits for ever meanwhile.
use std::time::Duration;

use anyhow::{Context, Result, bail};
use host::{command, now, output, until, within};
use ureq::Agent;

use super::{
    mistakes::{stalled, still_serve},
    pods::{pods, processes},
    quickstart::{address, is_as_declared, serves},
};
use crate::{
    cluster::{Cluster, volume},
    engine::{NODE, archive},
    release::serve_with,
};

/// How long a client waits that asks while nobody may answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Kubernetes waits longer and longer between the tries of a Job.
const TRIES: Duration = Duration::from_mins(4);

/// The kernel ends a rank, as it does where memory is short: its worker ends with it, and is started anew.
pub(crate) fn a_rank_that_is_killed_is_started_anew(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let pod = pods(cluster)?.first().cloned().context("it has pods")?;
    let processes = processes(cluster, &pod)?;
    // The leader is older than its ranks.
    let rank = processes.last().context("it has processes")?;
    output(command("kill").args(["-s", "KILL", rank]))?;
    let container = ".status.containerStatuses[0]";
    until(
        "the worker is started anew",
        || cluster.field(&pod, &format!("{container}.restartCount")),
        |count| count == "1",
    )?;
    let said = cluster.field(&pod, &format!("{container}.lastState.terminated.message"))?;
    if !said.contains("rank") {
        bail!("the worker ended with `{said}`");
    }
    cluster.wait("condition=Ready", &pod)?;
    is_as_declared(cluster)
}

/// A program does not fit on its claim. What becomes of that takes minutes, in which others have their turn.
pub(crate) fn a_full_disk_is_met(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let folder = cluster.volume("cramped");
    std::fs::create_dir_all(&folder)?;
    output(
        command("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs"])
            .arg(&folder),
    )?;
    volume(&cluster.room, &cluster.plane, "cramped")?;
    cluster.plane.apply(
        "cramped.yaml",
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: cramped, namespace: default}\nspec:\n  \
         accessModes: [ReadWriteOnce]\n  storageClassName: ''\n  volumeName: cramped\n  resources: {requests: {storage: 1Gi}}\n---\n\
         apiVersion: shardplane.dev/v1alpha1\nkind: ShardedModel\nmetadata: {name: cramped, namespace: default}\nspec:\n  \
         model: {pvc: {claim: models, path: tiny-guide}, digest: 'b3:618854029e6903c56c057456ab70c7e941e6d3ae3ac8972c362005333a77fbf0'}\n  \
         target: CPU\n  precision: F32\n  shards: 2\n  connectivity: ThroughHost\n  serving: {contextLength: 256, slots: 4}\n  \
         store: {pvc: {claim: cramped}}\n",
    )
}

/// And is said in the end; nothing of it stays there.
pub(crate) fn a_full_disk_is_said(cluster: &Cluster) -> Result<()> {
    let reason = r#".status.conditions[?(@.type=="Stalled")].reason"#;
    within(
        TRIES,
        "the build is given up",
        || cluster.field("smodel/cramped", reason),
        |reason| reason == "BuildFailed",
    )?;
    let pods = cluster.named("pods", "shardplane.dev/build=cramped")?;
    let mut logs = String::new();
    for pod in &pods {
        logs += &cluster.plane.told(&format!("logs {pod}"))?;
    }
    if !logs.contains("has room for") {
        bail!("the pods {pods:?} of the build say {logs}");
    }
    let folder = cluster.volume("cramped");
    let left: Vec<_> = std::fs::read_dir(&folder)?.flatten().collect();
    if !left.is_empty() {
        bail!("half a program stays on the disk: {left:?}");
    }
    cluster.plane.told("delete smodel/cramped pvc/cramped")?;
    Ok(())
}

/// The registry is away while a revision that needs it rolls: it is said, what serves goes on, and when it is back so is all.
pub(crate) fn a_registry_that_vanishes_is_waited_for(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let push = || archive(&cluster.room, &cluster.programs, "next", "0.1.0-next");
    let next = push()?;
    cluster.engine.lose_registry();
    serve_with(cluster, &next)?;
    stalled(cluster, "ImageUnavailable", "cannot be pulled")?;
    still_serve(cluster, "2")?;
    cluster
        .engine
        .find_registry(&cluster.programs, &cluster.room)?;
    // This registry keeps layers on its disk, and what names them in its memory.
    push()?;
    is_as_declared(cluster)?;
    serve_with(cluster, &cluster.engine.image)?;
    is_as_declared(cluster)
}

/// The node says nothing for longer than its pods tolerate: whoever asks hears so in time, and all of it comes back.
pub(crate) fn a_silent_node_comes_back(cluster: &Cluster) -> Result<()> {
    serves(cluster, 2)?;
    let url = format!("http://{}/v1/models", address(cluster)?);
    cluster.engine.signal_kubelet("STOP")?;
    let silence = silent(cluster, &url);
    cluster.engine.signal_kubelet("CONT")?;
    silence?;
    cluster.wait("condition=Ready", &format!("node/{NODE}"))?;
    is_as_declared(cluster)?;
    let agent = agent();
    until(
        "the model answers again",
        || Ok(agent.get(&url).call().is_ok()),
        |answers| *answers,
    )?;
    Ok(())
}

fn silent(cluster: &Cluster, url: &str) -> Result<()> {
    cluster.wait("condition=Ready=Unknown", &format!("node/{NODE}"))?;
    until(
        "nobody serves",
        || cluster.field("smodel/tiny-guide", ".status.readyReplicas"),
        |ready| ready.is_empty() || ready == "0",
    )?;
    let ready = cluster.field(
        "smodel/tiny-guide",
        r#".status.conditions[?(@.type=="Ready")].status"#,
    )?;
    if ready == "True" {
        bail!("the model is called ready while nobody serves it");
    }
    let agent = agent();
    for _ in 0..3 {
        let began = now();
        // Whether it is answered is the pods' luck: they run on, behind addresses that are taken away.
        let _any = agent.get(url).call();
        let took = began.elapsed();
        if took > DEADLINE * 2 {
            bail!("a request took {took:?}");
        }
    }
    Ok(())
}

pub(super) fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .max_idle_connections_per_host(0)
        .build()
        .into()
}
