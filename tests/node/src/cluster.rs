//! The whole cluster: control plane, node, volumes, and ours installed as the README says it is done.
use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use host::{command, output};

use crate::{
    engine::{Engine, NODE},
    place::{Programs, Room, root},
    plane::Plane,
    release,
};

/// Volumes that the quickstart's claims are bound to, by claim.
const CLAIMS: [&str; 2] = ["models", "programs"];

/// Everything that runs; it ends with this.
pub(crate) struct Cluster {
    /// The node.
    pub(crate) engine: Engine,
    /// The control plane.
    pub(crate) plane: Plane,
    /// Programs.
    pub(crate) programs: Programs,
    /// The folder.
    pub(crate) room: Room,
}

impl Cluster {
    /// Starts it, with ours installed on the quickstart's rack and nothing declared.
    pub(crate) fn start(room: &Room) -> Result<Self> {
        let programs = Programs::find()?;
        let plane = Plane::start(&programs, room)?;
        let engine = Engine::start(&programs, room, &plane)?;
        let cluster = Self {
            engine,
            plane,
            programs,
            room: room.clone(),
        };
        volumes(room, &cluster.plane)?;
        // What is declared there is to run under the strictest rules that Kubernetes has.
        cluster
            .plane
            .told("label namespace default pod-security.kubernetes.io/enforce=restricted")?;
        release::install(&cluster)?;
        Ok(cluster)
    }

    /// The folder behind a claim of the quickstart.
    pub(crate) fn volume(&self, claim: &str) -> PathBuf {
        self.room.at("volumes").join(claim)
    }

    /// Waits until a condition of an object holds; tells all that is known where it does not.
    pub(crate) fn wait(&self, condition: &str, object: &str) -> Result<()> {
        let line = format!("wait --for={condition} --timeout=120s {object}");
        if let Err(error) = self.plane.told(&line) {
            bail!("{error:#}\n{}", self.told_of_all());
        }
        Ok(())
    }

    /// A field of an object.
    pub(crate) fn field(&self, object: &str, path: &str) -> Result<String> {
        self.plane
            .told_of(&["get", object, "-o", &format!("jsonpath={{{path}}}")])
    }

    /// Names of the objects of a kind that have a label.
    pub(crate) fn named(&self, kind: &str, label: &str) -> Result<Vec<String>> {
        let names = self.plane.told(&format!("get {kind} -l {label} -o name"))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// What a person would look at: objects, events, and the last lines of our logs.
    pub(crate) fn told_of_all(&self) -> String {
        let look = |line: &str| {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            self.plane.kubectl(&arguments).stdout
        };
        [
            look("get smodel,mbuild,jobs,deployments,daemonsets,pods,pvc,pv -A -o wide"),
            look("get smodel,mbuild -o yaml"),
            look("describe pods -A"),
            look("get events -A --sort-by=.lastTimestamp"),
            look("logs -n shardplane-system -l app.kubernetes.io/component=controller --tail=20"),
            look("logs -n shardplane-system -l app.kubernetes.io/component=agent --tail=20"),
        ]
        .join("\n")
    }
}

/// A volume of this node for each claim, the one of models with the example's checkpoint on it.
fn volumes(room: &Room, plane: &Plane) -> Result<()> {
    for claim in CLAIMS {
        volume(room, plane, claim)?;
    }
    output(
        command("cp")
            .arg("-r")
            .arg(root().join("examples/models/tiny-guide"))
            .arg(room.at("volumes/models")),
    )?;
    Ok(())
}

/// A volume of this node for a claim of its name.
pub(crate) fn volume(room: &Room, plane: &Plane, claim: &str) -> Result<()> {
    let folder = room.at("volumes").join(claim);
    fs::create_dir_all(&folder).context("making a volume's folder")?;
    plane.apply(
        &format!("volume-{claim}.yaml"),
        &format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: {claim}\nspec:\n  \
             accessModes: [ReadWriteOnce]\n  capacity: {{storage: 1Gi}}\n  \
             claimRef: {{apiVersion: v1, kind: PersistentVolumeClaim, namespace: default, name: {claim}}}\n  \
             local: {{path: {}}}\n  nodeAffinity:\n    required:\n      nodeSelectorTerms:\n        \
             - matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{NODE}]}}]\n",
            folder.display()
        ),
    )
}
