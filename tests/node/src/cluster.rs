//! The whole cluster: control plane, node, volumes, and ours installed as the README says it is done.
use std::{cell::RefCell, fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    engine::{Engine, NODE},
    host::{Running, command, output, until},
    place::{Programs, Room, root},
    plane::{Plane, kubeconfig, tail},
};

/// Volumes that the quickstart's claims are bound to, by claim.
const CLAIMS: [&str; 2] = ["models", "programs"];

/// Everything that runs; it ends with this.
pub(crate) struct Cluster {
    _agent: Running,
    controller: RefCell<Option<Running>>,
    ours: Ours,
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
    /// Starts it, with nothing declared.
    pub(crate) fn start(room: &Room) -> Result<Self> {
        let programs = Programs::find()?;
        let plane = Plane::start(&programs, room)?;
        let engine = Engine::start(&programs, room, &plane)?;
        install(&plane)?;
        volumes(room, &plane)?;
        // What is declared there is to run under the strictest rules that Kubernetes has.
        plane.told("label namespace default pod-security.kubernetes.io/enforce=restricted")?;
        let ours = Ours::admitted(&programs, room, &plane)?;
        Ok(Self {
            _agent: ours.agent(room)?,
            controller: RefCell::new(Some(ours.controller(room, &engine.image)?)),
            ours,
            engine,
            plane,
            programs,
            room: room.clone(),
        })
    }

    /// Another controller leads, which builds and serves with this image.
    pub(crate) fn lead(&self, image: &str) -> Result<()> {
        drop(self.controller.take());
        let next = self.ours.controller(&self.room, image)?;
        self.controller.replace(Some(next));
        Ok(())
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
            look("get smodel,mbuild,jobs,deployments,pods,pvc,pv -o wide"),
            look("get smodel,mbuild -o yaml"),
            look("describe pods"),
            look("get events --sort-by=.lastTimestamp"),
            tail(&self.room.at("controller.log"), 20),
        ]
        .join("\n")
    }
}

/// Installs definitions, roles and admission, as the README says it is done.
fn install(plane: &Plane) -> Result<()> {
    let readme = fs::read_to_string(root().join("README.md")).context("reading the README")?;
    for line in readme
        .lines()
        .filter_map(|line| line.strip_prefix("kubectl "))
        .filter(|line| line.contains("charts/shardplane/"))
    {
        plane.told(line)?;
        plane.told("wait --for=condition=Established crd --all")?;
    }
    Ok(())
}

/// A volume of this node for each claim, the one of models with the example's checkpoint on it.
fn volumes(room: &Room, plane: &Plane) -> Result<()> {
    for claim in CLAIMS {
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
        )?;
    }
    output(
        command("cp")
            .arg("-r")
            .arg(root().join("examples/models/tiny-guide"))
            .arg(room.at("volumes/models")),
    )?;
    Ok(())
}

/// Ours, with the rights of the shipped accounts alone.
struct Ours {
    program: PathBuf,
    controller: PathBuf,
    agent: PathBuf,
}

impl Ours {
    fn admitted(programs: &Programs, room: &Room, plane: &Plane) -> Result<Self> {
        let token = |account: &str, more: &str| {
            let line = format!("create token {account} --namespace=shardplane-system {more}");
            let token = until("a token is given", || plane.told(&line), |_| true)?;
            kubeconfig(room, account, token.trim())
        };
        let uid = plane.told(&format!("get node {NODE} -o jsonpath={{.metadata.uid}}"))?;
        Ok(Self {
            program: programs.ours.join("shardplane"),
            controller: token("shardplane-controller", "")?,
            agent: token(
                "shardplane-agent",
                &format!(
                    "--bound-object-kind=Node --bound-object-name={NODE} --bound-object-uid={uid}"
                ),
            )?,
        })
    }

    fn controller(&self, room: &Room, image: &str) -> Result<Running> {
        Running::start(
            command(&self.program)
                .arg("controller")
                .arg(format!("--kubeconfig={}", self.controller.display()))
                .arg(format!("--worker-image={image}"))
                .arg("--lease-seconds=4")
                .arg("--metrics=127.0.0.1:0"),
            &room.folder,
            "controller",
        )
    }

    /// This node's, on the quickstart's rack.
    fn agent(&self, room: &Room) -> Result<Running> {
        let rack = root().join("examples/quickstart/rack.yaml");
        let rack = rack
            .canonicalize()
            .context("finding the quickstart's rack")?;
        let socket = room.at("kubelet/pod-resources/kubelet.sock");
        Running::start(
            command(&self.program)
                .arg("agent")
                .arg(format!("--kubeconfig={}", self.agent.display()))
                .arg(format!("--node={NODE}"))
                .arg(format!("--rack={}", rack.display()))
                .arg(format!("--state-dir={}", room.at("agent").display()))
                .arg(format!("--pod-resources={}", socket.display()))
                .arg("--metrics=127.0.0.1:0"),
            &room.folder,
            "agent",
        )
    }
}
