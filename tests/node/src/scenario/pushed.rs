//! A program in a registry: a Job pushes it, the node pulls what that Job said, and pods serve it with no claim of programs.
use anyhow::{Result, bail};
use host::{command, output, until};

use super::failures::agent;
use crate::{
    cluster::Cluster,
    engine::{FROM_PODS, REGISTRY},
};

pub(crate) fn it_is_served_by_its_digest(cluster: &Cluster) -> Result<()> {
    let plane = &cluster.plane;
    plane.told("apply --server-side -f examples/quickstart/cluster/claims.yaml")?;
    plane.apply(
        "pushed.yaml",
        &format!(
            "apiVersion: shardplane.dev/v1alpha1\nkind: ShardedModel\nmetadata: {{name: pushed, namespace: default}}\nspec:\n  \
             model: {{pvc: {{claim: models, path: tiny-guide}}, digest: 'b3:618854029e6903c56c057456ab70c7e941e6d3ae3ac8972c362005333a77fbf0'}}\n  \
             target: CPU\n  precision: Bf16\n  shards: 2\n  connectivity: ThroughHost\n  serving: {{contextLength: 256, slots: 4}}\n  \
             store: {{oci: {{repository: '{FROM_PODS}/team/programs', plainHttp: true}}}}\n"
        ),
    )?;
    cluster.wait("condition=Ready", "smodel/pushed")?;
    let artifact = cluster.field("mbuild/pushed", ".status.artifact")?;
    let tag = cluster.field("mbuild/pushed", ".status.program")?;
    let there = output(
        command(cluster.programs.node.join("crane"))
            .env("HOME", &cluster.room.folder)
            .arg("digest")
            .arg(format!(
                "{REGISTRY}/team/programs:{}",
                tag.replace(':', "-")
            )),
    )?;
    let expected = format!("{FROM_PODS}/team/programs@{}", there.trim());
    if artifact != expected {
        bail!("the build says {artifact}, and in the registry lies {expected}");
    }
    let label = "shardplane.dev/model=pushed";
    let volume = "-o=jsonpath={.items[0].spec.volumes[?(@.name=='programs')].image.reference}";
    let mounted = plane.told_of(&["get", "pods", "-l", label, volume])?;
    if mounted != artifact {
        bail!("the pod mounts `{mounted}`, and {artifact} was built");
    }
    let address = cluster.field("service/pushed", ".spec.clusterIP")?;
    let asked = agent()
        .post(format!("http://{address}/v1/completions"))
        .header("content-type", "application/json")
        .send(r#"{"model":"pushed","prompt":"What is a switch domain?","max_tokens":4}"#);
    let answer = asked?.body_mut().read_to_string()?;
    if !answer.contains("\"text\"") {
        bail!("the model answers {answer}");
    }
    is_pulled(cluster, &artifact)?;
    // Its pods end while others have their turn.
    plane.told("delete smodel/pushed pod/pulls")?;
    Ok(())
}

/// A pod pulls it itself, as workers' do where a server is too old for volumes that are images.
fn is_pulled(cluster: &Cluster, artifact: &str) -> Result<()> {
    let image = &cluster.engine.image;
    cluster.plane.apply(
        "pulls.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: pulls, namespace: default}}\nspec:\n  restartPolicy: Never\n  \
             automountServiceAccountToken: false\n  \
             securityContext: {{runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {{type: RuntimeDefault}}}}\n  \
             volumes: [{{name: programs, emptyDir: {{}}}}]\n  containers:\n  - name: pull\n    image: {image}\n    \
             command: [shardplane, artifact, pull, '{artifact}', /programs/it, --plain-http]\n    \
             volumeMounts: [{{name: programs, mountPath: /programs}}]\n    \
             securityContext: {{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {{drop: [ALL]}}}}\n"
        ),
    )?;
    let phase = || cluster.field("pod/pulls", ".status.phase");
    let ended = |phase: &String| phase == "Succeeded" || phase == "Failed";
    if until("a pod pulls the program", phase, ended)? != "Succeeded" {
        bail!("{}", cluster.plane.told("logs pod/pulls")?);
    }
    Ok(())
}
