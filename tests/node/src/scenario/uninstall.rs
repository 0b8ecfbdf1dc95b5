//! The release goes: not while something would have to be put back, and then without a trace.
use anyhow::{Context, Result, bail};
use host::until;
use serde_json::Value;

use super::quickstart::serves;
use crate::{
    cluster::Cluster,
    engine::NODE,
    release::{self, NAMESPACE, RACK, helm},
};

/// Everything of ours in a namespace, and everything of ours that is in none.
const INSIDE: &str =
    "all,sa,cm,secrets,pdb,networkpolicies,roles,rolebindings,leases,endpointslices";
const OUTSIDE: &str = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
/// What a namespace has of its own, what was there before the release, and what the chart's notes name.
const NOT_OURS: [&str; 4] = [
    "serviceaccount/default",
    "configmap/kube-root-ca.crt",
    "configmap/rack",
    "lease.coordination.k8s.io/shardplane-controller",
];

pub(crate) fn it_is_refused_while_something_would_stay(cluster: &Cluster) -> Result<()> {
    serves(cluster, 1)?;
    let refused = helm(cluster, &["uninstall", "shardplane"]);
    if refused.succeeded
        || !format!("{}{}", refused.stdout, refused.stderr).contains("CardPolicy/quickstart")
    {
        bail!("helm uninstall: {refused:?}");
    }
    // Helm has written down that it goes; what runs goes on, and this brings the release back.
    let history = helm(cluster, &["history", "shardplane", "--output=json"]);
    let history: Value = serde_json::from_str(&history.stdout).context("reading a history")?;
    let last = history.as_array().and_then(|revisions| revisions.last());
    let last = last.context("a release has revisions")?["revision"].to_string();
    let back = helm(cluster, &["rollback", "shardplane", &last]);
    if !back.succeeded {
        bail!("helm rollback: {back:?}");
    }
    release::runs(cluster)?;
    serves(cluster, 1)
}

/// Definitions are brought to the chart's version by a job before an upgrade, where that is asked for.
pub(crate) fn an_upgrade_brings_definitions(cluster: &Cluster) -> Result<()> {
    let plane = &cluster.plane;
    let definition = "crd/cardpolicies.shardplane.dev";
    let narrow = r#"--patch={"spec": {"names": {"shortNames": ["old"]}}}"#;
    plane.told_of(&["patch", definition, "--type=merge", narrow])?;
    let values = [&*format!("agent.rack={RACK}"), "crds.upgrade=true"];
    release::set(cluster, &["upgrade"], &values)?;
    let names = cluster.field(definition, ".spec.names.shortNames")?;
    if names != r#"["cpol"]"# {
        bail!("after the upgrade the definition says {names}");
    }
    Ok(())
}

pub(crate) fn nothing_stays(cluster: &Cluster) -> Result<()> {
    let plane = &cluster.plane;
    // Helm asks once; whoever takes it away waits until all is put back, as it says.
    let mut said = String::new();
    until(
        "the release may go",
        || {
            let ran = helm(cluster, &["uninstall", "shardplane"]);
            said = format!("{}{}", ran.stdout, ran.stderr);
            Ok(ran.succeeded)
        },
        |gone| *gone,
    )?;
    until(
        "its objects go",
        || {
            let inside = plane.told(&format!("get {INSIDE} -n {NAMESPACE} -o name"))?;
            let outside = plane.told(&format!("get {OUTSIDE} -o name"))?;
            let left = inside
                .lines()
                .filter(|name| !NOT_OURS.contains(name))
                .chain(outside.lines().filter(|name| name.contains("shardplane")));
            Ok(left.map(str::to_owned).collect::<Vec<_>>())
        },
        Vec::is_empty,
    )?;
    let nodes = plane.told("get cardnodes -o name")?;
    if !nodes.contains(NODE) {
        bail!("what is known of nodes went with the release: {nodes}");
    }
    // Definitions are a person's to take away, and with them everything that is written in them.
    plane.told("delete -f charts/shardplane/crds --timeout=60s")?;
    plane.told(&format!("delete namespace {NAMESPACE} --timeout=60s"))?;
    let taints = cluster.field(&format!("node/{NODE}"), ".spec.taints")?;
    if !taints.is_empty() {
        bail!("the Node keeps {taints}");
    }
    Ok(())
}
