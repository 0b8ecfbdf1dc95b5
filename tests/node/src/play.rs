//! A cluster that somebody holds: a person with a shell, or the test that kills it.
use std::io::Read as _;

use anyhow::{Context, Result};

use host::{command, say, until};

use crate::{
    cluster::Cluster,
    engine::{NODE, pods_have_groups},
    outside::UP,
    place::{Room, root},
};

/// What is applied before a person gets the shell.
const QUICKSTART: &str = "apply --server-side -k examples/quickstart/cluster";

/// Starts a cluster with a pod, says so, and holds it until standard input ends.
pub(crate) fn hold(room: &Room) -> Result<()> {
    let cluster = Cluster::start(room)?;
    let image = &cluster.engine.busybox;
    cluster.plane.apply(
        "held.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: held, namespace: kube-system}}\nspec:\n  \
             automountServiceAccountToken: false\n  containers: [{{name: c, image: '{image}'}}]\n"
        ),
    )?;
    cluster
        .plane
        .told("wait --for=condition=Ready --timeout=120s -n kube-system pod/held")?;
    until(
        "the pod has control groups",
        || Ok(pods_have_groups(room)),
        |count| *count > 3,
    )?;
    say(&room.folder.display().to_string());
    say(UP);
    let mut nothing = Vec::new();
    std::io::stdin()
        .read_to_end(&mut nothing)
        .context("waiting for the end")?;
    Ok(())
}

/// Starts a cluster with the quickstart applied, and a shell in its namespaces.
pub(crate) fn play(room: &Room) -> Result<()> {
    say("starting Kubernetes with one node …");
    let cluster = Cluster::start(room)?;
    cluster.plane.told(QUICKSTART)?;
    say("waiting for the model …");
    cluster.wait("condition=Ready", "smodel/tiny-guide")?;
    let address = cluster.field("service/tiny-guide", ".spec.clusterIP")?;
    say(&format!(
        "Node {NODE} is ready and examples/quickstart/cluster is applied. Try:\n  \
         kubectl get smodel,mbuild,pods\n  \
         kubectl get cardnodes,changeplans\n  \
         curl http://{address}/v1/completions -H 'content-type: application/json' -d '{{\"model\": \"tiny-guide\", \"prompt\": \"ACS\", \"max_tokens\": 20}}'\n  \
         kubectl scale smodel/tiny-guide --replicas 3\n\
         All of it ends with this shell."
    ));
    let bins: Vec<String> = [
        cluster.plane.program().parent(),
        Some(cluster.programs.node.as_path()),
        Some(cluster.programs.ours.as_path()),
    ]
    .into_iter()
    .flatten()
    .map(|folder| folder.display().to_string())
    .collect();
    #[expect(
        clippy::disallowed_methods,
        reason = "a person's shell finds what it found before"
    )]
    let path = std::env::var("PATH").unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "a person's shell is theirs")]
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    // How the shell's last command ended is nobody's failure.
    let _any = command(shell)
        .env("PATH", format!("{}:{path}", bins.join(":")))
        .env("KUBECONFIG", room.at("admin.kubeconfig"))
        .current_dir(root())
        .status()
        .context("starting a shell")?;
    Ok(())
}
