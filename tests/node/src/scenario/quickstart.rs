//! The quickstart end to end: a Job builds the program, pods serve it under `restricted`, an OpenAI client reads tokens, and
//! all of it goes.
use std::fs;

use anyhow::{Context, Result, bail};

use host::{command, output, until};

use crate::{cluster::Cluster, place::root};

/// What a person types, and by force where another scenario had changed something.
const APPLY: &str = "apply --server-side --force-conflicts -k examples/quickstart/cluster";
const DELETE: &str = "delete -k examples/quickstart/cluster --timeout=120s";
/// Every kind that is made for a model.
const ALL: &str = "smodel,mbuild,jobs,deployments,replicasets,pods,services,pdb";

/// Applies the quickstart, scales its model, and waits until that many serve.
pub(crate) fn serves(cluster: &Cluster, replicas: u32) -> Result<()> {
    cluster.plane.told(APPLY)?;
    scale(cluster, replicas)
}

fn scale(cluster: &Cluster, replicas: u32) -> Result<()> {
    cluster
        .plane
        .told(&format!("scale smodel/tiny-guide --replicas={replicas}"))?;
    is_as_declared(cluster)?;
    let ready = cluster.field("smodel/tiny-guide", ".status.readyReplicas")?;
    if ready != replicas.to_string() {
        bail!("{ready} replicas serve, not {replicas}");
    }
    Ok(())
}

/// Waits until the model is ready as it is declared now.
pub(crate) fn is_as_declared(cluster: &Cluster) -> Result<()> {
    let generation = cluster.field("smodel/tiny-guide", ".metadata.generation")?;
    cluster.wait(
        &format!("jsonpath={{.status.observedGeneration}}={generation}"),
        "smodel/tiny-guide",
    )?;
    cluster.wait("condition=Ready", "smodel/tiny-guide")
}

/// The model's address in the cluster.
pub(crate) fn address(cluster: &Cluster) -> Result<String> {
    cluster.field("service/tiny-guide", ".spec.clusterIP")
}

pub(crate) fn is_built_answers_and_is_scaled(cluster: &Cluster) -> Result<()> {
    serves(cluster, 1)?;
    cluster.wait("condition=Ready", "cardpolicy/quickstart")?;
    cluster.wait("condition=Ready", "p2pgroup/quad")?;
    let said = output(
        command(root().join(".cache/venv/bin/python"))
            .current_dir(root())
            .arg("tests/serving/openai_client.py")
            .arg(format!("http://{}/v1", address(cluster)?))
            .arg("tiny-guide"),
    )?;
    if !said.ends_with("all passed\n") {
        bail!("the client says: {said}");
    }
    let programs: Vec<String> = fs::read_dir(cluster.volume("programs"))
        .context("listing programs")?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let built = cluster.field("smodel/tiny-guide", ".status.program")?;
    if programs != [built.replace(':', "-")] {
        bail!("on the volume lie {programs:?}, and {built} was built");
    }
    scale(cluster, 3)
}

/// Deletes the quickstart, and sees that nothing of it is left.
pub(crate) fn goes(cluster: &Cluster) -> Result<()> {
    serves(cluster, 1)?;
    cluster.plane.told(DELETE)?;
    until(
        "what was made for it goes",
        || {
            let left = cluster.plane.told(&format!("get {ALL} -o name"))?;
            // Kubernetes' own.
            Ok(left.replace("service/kubernetes\n", ""))
        },
        String::is_empty,
    )?;
    Ok(())
}
