//! The repositories of examples/gitops, driven as Flux drives them: by its own library, with the rights that the example gives
//! and no others, in its order, approved by a merge, pruned by what it left out. And what Argo CD makes of the same objects, by
//! the health check that the example gives it.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use host::{Answer, answer_to, command};
use serde_json::Value;
use tests::root;

use crate::{
    assets,
    control_plane::ControlPlane,
    fleet::{Fleet, until},
    models::job,
    played::{End, deployment_serves, job_ends},
};

const EXAMPLE: &str = "examples/gitops";
const KINDS: &str = "cpol,p2pg,smodel,mbuild,cplan,cnode";
const SCALE: &str =
    "/apis/shardplane.dev/v1alpha1/namespaces/default/shardedmodels/tiny-guide/scale";

/// Flux's library and a Lua, and who Flux is.
struct Git {
    flux: PathBuf,
    argo: PathBuf,
    kubeconfig: PathBuf,
}

impl Git {
    /// Gives the example's account the example's rights; nothing where the programs are not built, which is said.
    fn begin(plane: &ControlPlane) -> Option<Self> {
        let [flux, argo] = ["flux", "argo"].map(assets::client);
        plane
            .kubectl(&["create", "namespace", "flux-system"])
            .expected();
        let rights = format!("{EXAMPLE}/flux/rights.yaml");
        plane
            .kubectl(&["apply", "--server-side", "-f", &rights])
            .expected();
        let token = plane
            .kubectl(&["create", "token", "shardplane-fleet", "-n", "flux-system"])
            .expected();
        Some(Self {
            flux: flux?,
            argo: argo?,
            kubeconfig: plane.kubeconfig("flux", token.trim()),
        })
    }

    /// Has Flux's library do something with what a folder of the repository comes to.
    fn flux(&self, verb: &str, within: &str, manifests: &str) -> Answer {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        let within = format!("--timeout={within}");
        let mut flux = command(&self.flux);
        answer_to(flux.args([&kubeconfig, &within, verb]), manifests)
    }

    /// What was done to each object; a failure where any was not done.
    #[track_caller]
    fn done(&self, verb: &str, manifests: &str) -> BTreeMap<String, String> {
        let said = self.flux(verb, "60s", manifests);
        assert!(said.succeeded, "flux {verb}: {}", said.stderr);
        let lines = said.stdout.lines().filter_map(|line| line.split_once(' '));
        lines
            .map(|(object, action)| (object.to_owned(), action.to_owned()))
            .collect()
    }

    /// Asserts that this is what was done to every object.
    #[track_caller]
    fn all(&self, verb: &str, manifests: &str, action: &str) {
        let done = self.done(verb, manifests);
        assert!(!done.is_empty(), "flux {verb} did nothing");
        assert!(
            done.values().all(|done| done == action),
            "flux {verb}: {done:?}"
        );
    }

    /// What Argo CD would show of every object of ours: health by `Kind/name`.
    #[track_caller]
    fn healths(&self, plane: &ControlPlane) -> BTreeMap<String, String> {
        let list = plane
            .kubectl(&["get", KINDS, "-A", "-o", "json"])
            .expected();
        judged(&self.argo, &list)
    }

    #[track_caller]
    fn shown(&self, plane: &ControlPlane, health: &str, names: &[&str]) {
        until(
            health,
            || self.healths(plane),
            |all| {
                names
                    .iter()
                    .all(|name| all.get(*name).is_some_and(|shown| shown == health))
            },
        );
    }
}

#[track_caller]
fn judged(argo: &Path, list: &str) -> BTreeMap<String, String> {
    let check = root().join(EXAMPLE).join("argocd/health/health.lua");
    let said = answer_to(command(argo).arg(check), list);
    assert!(said.succeeded, "argo: {}", said.stderr);
    let fields = said.stdout.lines().map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default().to_owned();
        (format!("{}/{}", next(), next()), next())
    });
    fields.collect()
}

/// What a folder of the repository comes to.
#[track_caller]
fn built(plane: &ControlPlane, folder: &str) -> String {
    let folder = format!("{EXAMPLE}/{folder}");
    plane.kubectl(&["kustomize", &folder]).expected()
}

/// What waits for leave at the policy.
fn pending(plane: &ControlPlane) -> String {
    let path = "jsonpath={.status.pending}";
    let asked = plane.kubectl(&["get", "cpol/fleet", "-o", path]);
    asked.expected()
}

/// A volume stands behind each claim, as a provisioner would say.
fn bind_claims(plane: &ControlPlane) {
    for claim in ["models", "programs"] {
        let claim = format!("pvc/{claim}");
        let bound = r#"--patch={"status":{"phase":"Bound"}}"#;
        plane
            .kubectl(&[
                "patch",
                &claim,
                "--subresource=status",
                "--type=merge",
                bound,
            ])
            .expected();
    }
}

/// Writes the scale as an autoscaler does.
fn scale(plane: &ControlPlane, replicas: u32) {
    let text = plane.kubectl(&["get", "--raw", SCALE]).expected();
    let mut scale: Value = serde_json::from_str(&text).expect("a scale is JSON");
    scale["spec"]["replicas"] = replicas.into();
    let path = plane.folder().join("scale.json");
    fs::write(&path, scale.to_string()).expect("the scale is written");
    let path = path.display().to_string();
    plane
        .kubectl(&["replace", "--raw", SCALE, "-f", &path])
        .expected();
}

pub fn a_repository_is_all_that_anybody_writes(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &["n1"]);
    let Some(git) = Git::begin(plane) else {
        return;
    };
    let before = fleet.acs(plane, "n1");
    let cards = built(plane, "cards");
    let models = built(plane, "models");
    let governed = ["CardPolicy/fleet", "P2PGroup/quad"];

    // Nothing moves before somebody approves, and everybody is told that this is what is waited for.
    git.all("apply", &cards, "created");
    until(
        "a plan is asked for",
        || pending(plane),
        |digest| !digest.is_empty(),
    );
    git.shown(plane, "Suspended", &governed);
    let waits = git.flux("wait", "2s", &cards);
    assert!(
        !waits.succeeded && waits.stderr.contains("InProgress"),
        "{waits:?}"
    );
    assert_eq!(fleet.acs(plane, "n1"), before);

    // The digest is merged, and with that it is approved.
    let digest = pending(plane);
    let merged = cards.replace("digests: []", &format!("digests: [{digest}]"));
    assert_ne!(merged, cards);
    let done = git.done("apply", &merged);
    assert_eq!(done["CardPolicy/fleet"], "configured", "{done:?}");
    assert_eq!(done["P2PGroup/quad"], "unchanged", "{done:?}");
    let ready = git.flux("wait", "110s", &merged);
    assert!(ready.succeeded, "{ready:?}\n{}", plane.logs());
    git.shown(plane, "Healthy", &governed);
    assert_ne!(fleet.acs(plane, "n1"), before);
    git.all("diff", &merged, "unchanged");
    git.all("apply", &merged, "unchanged");

    // The model; the claims are bound by nobody here, and no kubelet runs its pods.
    git.all("apply", &models, "created");
    bind_claims(plane);
    let build = job(plane, "default", &[]);
    git.shown(
        plane,
        "Progressing",
        &["ShardedModel/tiny-guide", "ModelBuild/tiny-guide"],
    );
    job_ends(plane, "default", &build, End::Well);
    until(
        "a deployment is made",
        || plane.kubectl(&["get", "deployment/tiny-guide"]),
        |got| got.succeeded,
    );
    deployment_serves(plane, "default", "tiny-guide", 1);
    let ready = git.flux("wait", "60s", &models);
    assert!(ready.succeeded, "{ready:?}");
    git.shown(
        plane,
        "Healthy",
        &["ShardedModel/tiny-guide", "ModelBuild/tiny-guide"],
    );

    // Replicas are the autoscaler's: what Git says of the model does not touch them.
    scale(plane, 3);
    let replicas = "jsonpath={.spec.replicas}";
    let model = ["get", "smodel/tiny-guide", "-o", replicas];
    git.all("diff", &models, "unchanged");
    git.all("apply", &models, "unchanged");
    assert_eq!(plane.kubectl(&model).expected(), "3");

    // Somebody writes by hand what Git says otherwise: it is seen, and put right.
    let by_hand = r#"--patch={"spec":{"host":{"maxMapCount":1048576}}}"#;
    plane
        .kubectl(&["patch", "cpol/fleet", "--type=merge", by_hand])
        .expected();
    let drift = git.done("diff", &merged);
    assert_eq!(drift["CardPolicy/fleet"], "configured", "{drift:?}");
    git.done("apply", &merged);
    git.all("diff", &merged, "unchanged");

    // A second policy for the same cards is a person's business: waiting for it ends at once.
    let other = merged.replace("name: fleet", "name: other");
    git.done("apply", &other);
    git.shown(plane, "Degraded", &["CardPolicy/fleet", "CardPolicy/other"]);
    let fails = git.flux("wait", "60s", &other);
    assert!(
        !fails.succeeded && fails.stderr.contains("Failed"),
        "{fails:?}"
    );
    plane.kubectl(&["delete", "cpol/other"]).expected();
    git.shown(plane, "Healthy", &governed);

    // Everything is taken out of the repository: models first, then cards; what is kept is what asked to be kept. Once the
    // policy is gone nothing can be merged that approves its removal: that is said before.
    let gone = git.done("prune", &models);
    assert_eq!(
        gone["ShardedModel/default/tiny-guide"], "deleted",
        "{gone:?}"
    );
    assert_eq!(
        gone["PersistentVolumeClaim/default/models"], "skipped",
        "{gone:?}"
    );
    let removable = merged.replace("mode: Manual", "mode: Automatic");
    assert_ne!(removable, merged);
    git.done("apply", &removable);
    until(
        "the node keeps the approval that was asked for last",
        || fs::read_to_string(fleet.state(plane, "n1").join("ledger.json")).unwrap_or_default(),
        |ledger| ledger.contains("Automatic") && !ledger.contains("Manual"),
    );
    git.all("prune", &removable, "deleted");
    until("ACS words", || fleet.acs(plane, "n1"), |now| *now == before);
    assert_eq!(fleet.resets(plane, "n1"), [1; 4]);
    let claims = plane.kubectl(&["get", "pvc", "-o", "name"]).expected();
    assert_eq!(claims.lines().count(), 2, "{claims}");
}

/// The health check's own tests, in the form in which Argo CD keeps them.
pub fn argo_cds_tests_of_the_health_check_pass() {
    let Some(argo) = assets::client("argo") else {
        return;
    };
    let folder = root().join(EXAMPLE).join("argocd/health");
    let read = |path: &Path| -> Value {
        let text = fs::read_to_string(path).expect("it is there");
        serde_yaml::from_str(&text).expect("it is YAML")
    };
    let tests = read(&folder.join("health_test.yaml"));
    let tests = tests["tests"].as_array().expect("it lists tests");
    let mut held = Vec::new();
    for test in tests {
        let input = test["inputPath"].as_str().expect("a test has an input");
        let object = read(&folder.join(input));
        let list = serde_json::json!({ "items": [object] }).to_string();
        let said = answer_to(command(&argo).arg(folder.join("health.lua")), &list);
        let fields: Vec<&str> = said.stdout.trim_end().splitn(4, '\t').collect();
        let wanted = |field: &str| test["healthStatus"][field].as_str().unwrap_or_default();
        assert_eq!(
            fields.get(2..),
            Some(&[wanted("status"), wanted("message")][..]),
            "{input}: {said:?}"
        );
        held.push(wanted("status").to_owned());
    }
    held.sort();
    held.dedup();
    assert_eq!(held, ["Degraded", "Healthy", "Progressing", "Suspended"]);
}
