//! The agent's pod on this machine itself: it sees what a process outside sees, sets what is declared, and each privilege
//! that is taken away from it is missed.
use std::{fs, os::unix::fs::symlink, path::PathBuf};

use anyhow::{Context, Result, bail};
use host::{command, output, until};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    engine::NODE,
    release::{NAMESPACE, RACK, replace_agent, runs, set, within_agent},
};

/// A policy for settings of the kernel alone: this machine has no card.
const POLICY: &str = "apiVersion: shardplane.dev/v1alpha1\nkind: CardPolicy\nmetadata: {name: settings}\nspec:\n  \
    host: {maxMapCount: 2048000, persistence: Persist}\n  driver: {controlResponseTimeoutSeconds: 2600, persistence: Persist}\n  \
    enforcement: Enforce\n  approval: {mode: Automatic}\n  deletionPolicy: {rule: Revert}\n";
/// Where the kernel has the setting; a cover of it, in these namespaces.
const SETTING: &str = "/proc/sys/vm/max_map_count";
/// Files of ours that keep settings over boots.
const KEPT: [&str; 2] = [
    "/etc/sysctl.d/90-shardplane.conf",
    "/etc/modprobe.d/90-shardplane.conf",
];
/// A driver's parameter, in the tree with a card.
const PARAMETER: &str = "module/qaic/parameters/control_resp_timeout_s";

/// A privilege, how a DaemonSet's pod looks without it, and what is then missed.
struct Privilege {
    name: &'static str,
    without: fn(&mut Value),
    missed: fn(&Cluster) -> Result<()>,
}

// The others that are listed are held where they are rendered (`tests/chart/privileges.rs`): this containerd has AppArmor switched
// off, and there may be none on the machine.
const PRIVILEGES: [Privilege; 9] = [
    Privilege {
        name: "SYS_ADMIN",
        without: |pod| drop_capability(pod, "SYS_ADMIN"),
        missed: |cluster| {
            let seen = seen(cluster)?;
            all_denied(seen.pointer("/functions/0/acs/unknown"))
        },
    },
    Privilege {
        name: "SYS_PTRACE",
        without: |pod| drop_capability(pod, "SYS_PTRACE"),
        missed: holders_are_denied,
    },
    Privilege {
        name: "DAC_READ_SEARCH",
        without: |pod| drop_capability(pod, "DAC_READ_SEARCH"),
        missed: holders_are_denied,
    },
    Privilege {
        name: "/sys",
        without: |pod| drop_volume(pod, "sys"),
        missed: |cluster| {
            let seen = seen(cluster)?;
            let functions = seen.pointer("/functions").and_then(Value::as_array);
            match functions.filter(|functions| !functions.is_empty()) {
                None => Ok(()),
                Some(functions) => bail!("functions are seen: {functions:?}"),
            }
        },
    },
    Privilege {
        name: "/proc",
        without: |pod| drop_volume(pod, "proc"),
        missed: |cluster| {
            // Nothing is known by which a grant would be for this boot.
            match seen(cluster)?.pointer("/bootId/value") {
                None => Ok(()),
                Some(boot) => bail!("the boot is known: {boot}"),
            }
        },
    },
    Privilege {
        name: "/var/lib/shardplane",
        without: |pod| drop_volume(pod, "state"),
        missed: is_never_ready,
    },
    Privilege {
        name: "/var/lib/kubelet/pod-resources",
        without: |pod| drop_volume(pod, "pod-resources"),
        missed: |cluster| {
            // Any pod may have the SoC then, and nobody can tell which.
            until(
                "nobody can tell who holds the SoC",
                || cluster.field(&format!("cardnode/{NODE}"), ".status.holders[*].name"),
                |names| names.contains("kubelet"),
            )?;
            Ok(())
        },
    },
    Privilege {
        name: "/etc/sysctl.d",
        without: |pod| drop_volume(pod, "sysctl"),
        missed: nothing_is_kept,
    },
    Privilege {
        name: "/etc/modprobe.d",
        without: |pod| drop_volume(pod, "modprobe"),
        missed: nothing_is_kept,
    },
];

/// On this machine itself: its tree of devices, and its settings.
pub(crate) fn it_is_seen_and_set(cluster: &Cluster) -> Result<()> {
    look_at(cluster, &[])?;
    let inside = seen(cluster)?;
    let outside = output(
        command(cluster.programs.ours.join("shardplane"))
            .args(["snapshot", "-o", "json", "--state-dir"])
            .arg(cluster.room.at("outside")),
    )?;
    let outside: Value = serde_json::from_str(&outside).context("reading a snapshot")?;
    let (there, here) = (inside.pointer("/functions"), outside.pointer("/functions"));
    let count = here.and_then(Value::as_array).map_or(0, Vec::len);
    if there != here || count == 0 {
        bail!(
            "{count} functions are on this machine; the pod sees {there:?}, and a process {here:?}"
        );
    }
    Ok(())
}

/// With a card among its devices, which is files in a folder, and everything else this machine's own.
pub(crate) fn each_privilege_is_missed(cluster: &Cluster) -> Result<()> {
    let tree = tree_with_a_card(cluster)?;
    let sys = format!("hostPath: {}", tree.display());
    look_at(cluster, &["agent.persistedSettings=true"])?;
    let whole = pod_of_agents(cluster)?;
    let with_card = changed(&whole, |pod| {
        let volumes = pod["spec"]["volumes"].as_array_mut().into_iter().flatten();
        for volume in volumes.filter(|volume| volume["name"] == "sys") {
            volume["hostPath"]["path"] = json!(tree.display().to_string());
        }
    });
    change_agents(cluster, &with_card)?;
    runs(cluster).with_context(|| sys.clone())?;
    // What the whole of it is good for: every process is looked into, and what is declared is kept.
    let why = seen(cluster)?;
    let why = why.pointer("/holders/0/name").cloned();
    if why != Some(json!("/proc/1/ns/pid")) {
        bail!("with all privileges the agent cannot look into {why:?}");
    }
    declare(cluster)?;
    cluster.wait("condition=Ready", "cardpolicy/settings")?;
    let now = fs::read_to_string(SETTING).context("reading a setting")?;
    let kept = KEPT.iter().all(|path| fs::exists(path).unwrap_or_default());
    if now.trim() != "2048000" || !kept {
        bail!("the setting is {now}, and files that keep it are there: {kept}");
    }
    takes_back(cluster)?;
    let mut wrong = Vec::new();
    for Privilege {
        name,
        without,
        missed,
    } in PRIVILEGES
    {
        let base = if name == "SYS_ADMIN" {
            &whole
        } else {
            &with_card
        };
        change_agents(cluster, &changed(base, without))?;
        if let Err(error) = missed(cluster) {
            wrong.push(format!("{name} is not missed: {error:#}"));
        }
        if cluster
            .plane
            .kubectl(&["get", "cardpolicy/settings"])
            .succeeded
        {
            change_agents(cluster, &with_card)?;
            takes_back(cluster)?;
        }
    }
    look_at(cluster, &[&format!("agent.rack={RACK}")])?;
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"))
}

/// Has the agents look at something else.
fn look_at(cluster: &Cluster, values: &[&str]) -> Result<()> {
    // What kubectl changed is helm's again.
    set(cluster, &["upgrade", "--force-conflicts"], values)?;
    replace_agent(cluster)?;
    runs(cluster)
}

fn declare(cluster: &Cluster) -> Result<()> {
    cluster.plane.apply("settings.yaml", POLICY)
}

/// The policy goes, and with it what was set.
fn takes_back(cluster: &Cluster) -> Result<()> {
    cluster.plane.told("delete cardpolicy/settings")?;
    until(
        "the setting goes back",
        || fs::read_to_string(SETTING).context("reading a setting"),
        |now| now.trim() == "1048576",
    )?;
    until(
        "nothing keeps it",
        || Ok(KEPT.map(|path| fs::exists(path).unwrap_or(true))),
        |there| *there == [false; 2],
    )?;
    Ok(())
}

/// What the agent's pod sees of its machine, asked with its own rights.
fn seen(cluster: &Cluster) -> Result<Value> {
    let snapshot = [
        "/usr/bin/shardplane",
        "snapshot",
        "--roots=/host",
        &format!("--node={NODE}"),
        "--state-dir=/tmp/seen",
        "--output=json",
    ];
    let answer = within_agent(cluster, &snapshot)?;
    if !answer.succeeded {
        bail!("the pod takes no snapshot: {}", answer.stderr.trim());
    }
    serde_json::from_str(&answer.stdout).context("reading a snapshot")
}

fn all_denied(why: Option<&Value>) -> Result<()> {
    if why == Some(&json!("NoPermission")) {
        return Ok(());
    }
    bail!("not denied: {why:?}")
}

fn holders_are_denied(cluster: &Cluster) -> Result<()> {
    all_denied(seen(cluster)?.pointer("/holders/0/kind/why"))
}

fn is_never_ready(cluster: &Cluster) -> Result<()> {
    let path = "-o=jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    let list = [
        "get",
        "pods",
        "-n",
        NAMESPACE,
        "-l",
        "app.kubernetes.io/component=agent",
        path,
    ];
    until(
        "the agent ends again and again",
        || cluster.plane.told_of(&list),
        |restarts| restarts.trim().parse::<u32>().is_ok_and(|count| count > 0),
    )?;
    Ok(())
}

/// A policy that wants its settings kept is not ready, and says so.
fn nothing_is_kept(cluster: &Cluster) -> Result<()> {
    declare(cluster)?;
    let said = ".status.conditions[*].message";
    until(
        "the policy says what is missing",
        || cluster.field("cardpolicy/settings", said),
        |said| said.contains("90-shardplane.conf") || said.contains("file"),
    )?;
    let ready = cluster.field(
        "cardpolicy/settings",
        r#".status.conditions[?(@.type=="Ready")].status"#,
    )?;
    if ready == "True" {
        bail!("the policy is ready all the same");
    }
    Ok(())
}

/// The DaemonSet's template.
fn pod_of_agents(cluster: &Cluster) -> Result<Value> {
    let text = cluster
        .plane
        .told(&format!("get ds/shardplane-agent -n {NAMESPACE} -o json"))?;
    let set: Value = serde_json::from_str(&text).context("reading a DaemonSet")?;
    Ok(set["spec"]["template"].clone())
}

fn changed(pod: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut pod = pod.clone();
    change(&mut pod);
    pod
}

/// Replaces the DaemonSet's template, and the pod that was made of it.
fn change_agents(cluster: &Cluster, template: &Value) -> Result<()> {
    let patch = json!([{ "op": "replace", "path": "/spec/template", "value": template }]);
    cluster.plane.told_of(&[
        "patch",
        "ds/shardplane-agent",
        "-n",
        NAMESPACE,
        "--type=json",
        &format!("--patch={patch}"),
    ])?;
    replace_agent(cluster)
}

fn drop_capability(pod: &mut Value, name: &str) {
    let added = pod.pointer_mut("/spec/containers/0/securityContext/capabilities/add");
    if let Some(Value::Array(added)) = added {
        added.retain(|capability| capability != name);
    }
}

fn drop_volume(pod: &mut Value, name: &str) {
    for path in ["/spec/volumes", "/spec/containers/0/volumeMounts"] {
        if let Some(Value::Array(volumes)) = pod.pointer_mut(path) {
            volumes.retain(|volume| volume["name"] != name);
        }
    }
}

/// Files as the kernel would show a SoC and its driver: enough for the agent to ask who holds it, and to set a parameter.
fn tree_with_a_card(cluster: &Cluster) -> Result<PathBuf> {
    let tree = cluster.room.at("with-a-card");
    let device = "devices/pci0000:00/0000:00:01.0";
    for (file, text) in [
        ("vendor", "0x17cb"),
        ("device", "0xa100"),
        ("class", "0x120000"),
        ("accel/accel0/dev", "261:0"),
    ] {
        put(&tree.join(device).join(file), text)?;
    }
    // Of as many figures as what is declared: a file keeps what a shorter number leaves.
    put(&tree.join(PARAMETER), "1200")?;
    let devices = tree.join("bus/pci/devices");
    fs::create_dir_all(&devices).context("making a tree of devices")?;
    symlink(format!("../../../{device}"), devices.join("0000:00:01.0"))
        .context("making a device")?;
    Ok(tree)
}

fn put(path: &PathBuf, text: &str) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    fs::write(path, format!("{text}\n")).with_context(|| format!("writing {}", path.display()))
}
