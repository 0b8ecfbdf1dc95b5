//! Ours as a platform team has it: the chart, installed by helm with our image, changed by upgrades and taken away.
use anyhow::{Context, Result, bail};
use host::{Answer, answer, command, until};

use crate::{cluster::Cluster, place::root};

/// The namespace of the release.
pub(crate) const NAMESPACE: &str = "shardplane-system";
/// The ConfigMap with the quickstart's rack.
pub(crate) const RACK: &str = "rack";
const CHART: &str = "charts/shardplane";
/// Pods of the agents.
pub(crate) const AGENTS: &str = "app.kubernetes.io/component=agent";

/// What is set for every node of the tier.
fn values(cluster: &Cluster) -> Result<Vec<String>> {
    let image = &cluster.engine.image;
    let (repository, digest) = image.split_once('@').context("an image is by digest")?;
    Ok(vec![
        format!("image.repository={repository}"),
        format!("image.digest={digest}"),
        format!("agent.kubeletDir={}", cluster.room.at("kubelet").display()),
        // What is looked at again at leisure by default is waited for here.
        "agent.interval=1".to_owned(),
        "controller.leaseSeconds=4".to_owned(),
    ])
}

/// Runs helm as an administrator.
pub(crate) fn helm(cluster: &Cluster, arguments: &[&str]) -> Answer {
    answer(
        command(&cluster.programs.helm)
            .args(arguments)
            .args(["--namespace", NAMESPACE, "--kubeconfig"])
            .arg(cluster.room.at("admin.kubeconfig"))
            .env("HOME", &cluster.room.folder)
            .current_dir(root()),
    )
}

/// Installs the chart with the agents on the quickstart's rack.
pub(crate) fn install(cluster: &Cluster) -> Result<()> {
    let plane = &cluster.plane;
    plane.told(&format!("create namespace {NAMESPACE}"))?;
    // As the chart's notes say, where a cluster enforces another level.
    plane.told(&format!(
        "label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=privileged"
    ))?;
    plane.told(&format!(
        "create configmap {RACK} -n {NAMESPACE} --from-file=examples/quickstart/rack.yaml"
    ))?;
    set(cluster, &["install"], &[&format!("agent.rack={RACK}")])
}

/// Installs or changes the release, and waits until what it comes to runs.
pub(crate) fn set(cluster: &Cluster, verb: &[&str], more: &[&str]) -> Result<()> {
    let values = values(cluster)?;
    let mut arguments = [verb, &["shardplane", CHART]].concat();
    for value in values
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
    {
        arguments.extend(["--set", value]);
    }
    let ran = helm(cluster, &arguments);
    if !ran.succeeded {
        bail!("helm {arguments:?}: {}", ran.stderr.trim());
    }
    runs(cluster)
}

/// Waits until controllers and agents are as the release says. Whoever changes agents deletes their pods.
pub(crate) fn runs(cluster: &Cluster) -> Result<()> {
    let rolled = cluster.plane.told(&format!(
        "rollout status deployment/shardplane-controller -n {NAMESPACE} --timeout=120s"
    ));
    let ready = rolled.and_then(|_| agent(cluster));
    match ready {
        Ok(_) => Ok(()),
        Err(error) => bail!("{error:#}\n{}", cluster.told_of_all()),
    }
}

/// The agent's pod, which is ready.
pub(crate) fn agent(cluster: &Cluster) -> Result<String> {
    let ready = "-o=jsonpath={.items[?(@.status.containerStatuses[0].ready==true)].metadata.name}";
    until(
        "an agent runs",
        || {
            cluster
                .plane
                .told_of(&["get", "pods", "-n", NAMESPACE, "-l", AGENTS, ready])
        },
        |names| !names.is_empty(),
    )
}

/// Deletes the agent's pod and waits until it is gone, as whoever updates agents does: another takes its place.
pub(crate) fn replace_agent(cluster: &Cluster) -> Result<()> {
    cluster.plane.told(&format!(
        "delete pods -n {NAMESPACE} -l {AGENTS} --timeout=60s"
    ))?;
    Ok(())
}

/// Has the models built and served by another image.
pub(crate) fn serve_with(cluster: &Cluster, image: &str) -> Result<()> {
    set(
        cluster,
        &["upgrade"],
        &[
            &format!("agent.rack={RACK}"),
            &format!("controller.workerImage={image}"),
        ],
    )
}

/// Runs a program in the agent's pod, with its rights.
pub(crate) fn within_agent(cluster: &Cluster, arguments: &[&str]) -> Result<Answer> {
    let pod = agent(cluster)?;
    let exec = ["exec", "-n", NAMESPACE, &pod, "--"];
    Ok(cluster.plane.kubectl(&[&exec[..], arguments].concat()))
}
