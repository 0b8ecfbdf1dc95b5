//! What the pods of the chart may do on a machine, to the letter, and that each of it is explained.
use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use tests::{helm::Helm, root};

/// A mount of the agent's: where on the machine, where in the container, whether it is written to.
type Mount = (String, String, bool);

/// What a pod takes of its machine, as it is rendered: whatever is said of its security, nothing left out.
#[derive(Debug, PartialEq)]
struct Taken {
    pod: Value,
    container: Value,
    mounts: BTreeSet<Mount>,
}

impl Taken {
    /// The same, each thing by the word that explains it.
    fn words(&self) -> BTreeSet<String> {
        let said = [&self.pod, &self.container].map(|context| context.as_object().into_iter());
        let said = said.into_iter().flatten().flatten().flat_map(word);
        let mounts = self.mounts.iter().map(|(machine, ..)| machine.clone());
        said.chain(mounts).collect()
    }
}

/// Capabilities one by one, a profile by its type, and labels, which whoever installs it writes, without them.
fn word((key, value): (&String, &Value)) -> Vec<String> {
    let each = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.map(|word| word.as_str().expect("a capability is a word").to_owned())
            .collect()
    };
    match key.as_str() {
        "capabilities" => {
            let dropped = each(&value["drop"]).join(" ");
            let mut words = each(&value["add"]);
            words.push(format!("drop: {dropped}"));
            words
        }
        "seLinuxOptions" => vec![key.clone()],
        _ => match value.get("type").unwrap_or(value) {
            Value::String(text) => vec![format!("{key}: {text}")],
            other => vec![format!("{key}: {other}")],
        },
    }
}

fn keys(of: &Value) -> BTreeSet<&str> {
    let of = of.as_object().expect("an object");
    of.keys().map(String::as_str).collect()
}

fn taken(pod: &Value) -> Taken {
    let containers = pod["containers"].as_array().expect("a pod has containers");
    let [container] = containers.as_slice() else {
        panic!("{} containers", containers.len());
    };
    let mut mounts = BTreeSet::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let plain = BTreeSet::from(["name", "mountPath", "readOnly"]);
        assert!(keys(mount).is_subset(&plain), "{mount}");
        let mut volumes = pod["volumes"].as_array().into_iter().flatten();
        let volume = volumes.find(|volume| volume["name"] == mount["name"]);
        let volume = volume.expect("a mount's volume is there");
        let Some(of_machine) = volume.pointer("/hostPath/path").and_then(Value::as_str) else {
            assert!(
                volume.get("emptyDir").or(volume.get("configMap")).is_some(),
                "{volume}"
            );
            continue;
        };
        let inside = mount["mountPath"].as_str().expect("a mount has a path");
        let written = mount.get("readOnly") != Some(&Value::Bool(true));
        mounts.insert((of_machine.to_owned(), inside.to_owned(), written));
    }
    Taken {
        pod: pod["securityContext"].clone(),
        container: container["securityContext"].clone(),
        mounts,
    }
}

/// The pod of a workload of the chart.
fn pod(helm: &Helm, name: &str, values: &Value) -> Value {
    let objects = helm.objects("shardplane-system", values);
    let objects = objects.expect("these values are taken");
    let found = objects.iter().find(|object| {
        object.pointer("/metadata/name") == Some(&json!(name))
            && object.pointer("/spec/template/spec").is_some()
    });
    let found = found.unwrap_or_else(|| panic!("there is no {name}"));
    found["spec"]["template"]["spec"].clone()
}

fn always() -> BTreeSet<Mount> {
    mounts(&[
        ("/sys", "/host/sys", true),
        ("/proc", "/host/proc", true),
        ("/var/lib/shardplane", "/var/lib/shardplane", true),
        (
            "/var/lib/kubelet/pod-resources",
            "/host/kubelet/pod-resources",
            false,
        ),
    ])
}

fn mounts(of: &[(&str, &str, bool)]) -> BTreeSet<Mount> {
    of.iter()
        .map(|(machine, inside, written)| ((*machine).to_owned(), (*inside).to_owned(), *written))
        .collect()
}

/// What agents take: as they come, and with each value that has them take more.
fn agents() -> [(Value, Taken); 4] {
    let pod = json!({
        "runAsUser": 0,
        "runAsGroup": 0,
        "seccompProfile": { "type": "RuntimeDefault" },
        "appArmorProfile": { "type": "Unconfined" },
    });
    let container = json!({
        "readOnlyRootFilesystem": true,
        "privileged": false,
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"], "add": ["SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"] },
    });
    let privileged = json!({ "readOnlyRootFilesystem": true, "privileged": true });
    let labels = json!({ "type": "spc_t" });
    let mut labelled = pod.clone();
    labelled["seLinuxOptions"] = labels.clone();
    let mut kept = always();
    kept.extend(mounts(&[
        ("/etc/modprobe.d", "/host/etc/modprobe.d", true),
        ("/etc/sysctl.d", "/host/etc/sysctl.d", true),
    ]));
    let of = |pod: &Value, container: &Value, mounts: BTreeSet<Mount>| Taken {
        pod: pod.clone(),
        container: container.clone(),
        mounts,
    };
    [
        (json!({}), of(&pod, &container, always())),
        (
            json!({ "agent": { "persistedSettings": true } }),
            of(&pod, &container, kept),
        ),
        (
            json!({ "agent": { "vendorTools": true } }),
            of(&pod, &privileged, always()),
        ),
        (
            json!({ "agent": { "seLinuxOptions": labels } }),
            of(&labelled, &container, always()),
        ),
    ]
}

#[test]
fn an_agent_takes_exactly_what_is_listed() {
    let Some(helm) = Helm::find() else { return };
    for (values, expected) in agents() {
        let pod = pod(&helm, "shardplane-agent", &values);
        assert_eq!(taken(&pod), expected, "{values}");
        // Nothing else of a pod is a share in its Node: `hostNetwork`, `hostPID` and `hostIPC` would be.
        let known = [
            "affinity",
            "containers",
            "priorityClassName",
            "securityContext",
            "serviceAccountName",
            "terminationGracePeriodSeconds",
            "tolerations",
            "volumes",
        ];
        assert_eq!(keys(&pod), BTreeSet::from(known), "{values}");
        let container = &pod["containers"][0];
        let known = [
            "args",
            "command",
            "env",
            "image",
            "imagePullPolicy",
            "livenessProbe",
            "name",
            "ports",
            "readinessProbe",
            "resources",
            "securityContext",
            "terminationMessagePolicy",
            "volumeMounts",
        ];
        assert_eq!(keys(container), BTreeSet::from(known), "{values}");
        let port = json!([{ "name": "metrics", "containerPort": 9464 }]);
        assert_eq!(container["ports"], port, "{values}");
        // No shell stands between.
        assert_eq!(container["command"], json!(["/usr/bin/shardplane"]));
    }
}

/// A privilege that nobody explains is one too many; so is an explanation of what is not taken.
#[test]
fn each_privilege_is_explained() {
    let text = fs::read_to_string(root().join("packaging/image/README.md"));
    let text = text.expect("the image has a README");
    let rows: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let all = agents()
        .iter()
        .flat_map(|(_, taken)| taken.words())
        .collect();
    assert_eq!(rows, all);
}

#[test]
fn nobody_else_takes_anything() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({ "crds": { "upgrade": true } });
    for name in [
        "shardplane-controller",
        "shardplane-define",
        "shardplane-may-go",
    ] {
        let pod = pod(&helm, name, &values);
        let Taken {
            pod: said,
            container,
            mounts,
        } = taken(&pod);
        assert_eq!(mounts, BTreeSet::new(), "{name}");
        let as_nobody = json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(said, as_nobody, "{name}");
        let nothing = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container, nothing, "{name}");
    }
}

/// An update never ends an agent inside a step, and a pod that is deleted has the time that its step takes.
#[test]
fn an_agent_is_replaced_between_its_steps() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects("shardplane-system", &json!({}));
    let objects = objects.expect("the defaults are taken");
    let agents = objects.iter().find(|object| object["kind"] == "DaemonSet");
    let spec = &agents.expect("there is one")["spec"];
    // Whoever waits for an update to end waits in vain where nobody replaces pods.
    assert_eq!(spec["updateStrategy"]["type"], "RollingUpdate");
    let grace = &spec["template"]["spec"]["terminationGracePeriodSeconds"];
    // Within what `machine::limit` gives a step: a reset a quarter of an hour, a word written through a switch most of one.
    assert!(grace.as_u64() >= Some(60 * 60), "{grace}");
}

/// Where the only Node is being drained, whoever sees to the end of that runs there all the same, whatever else it tolerates.
#[test]
fn our_own_taint_keeps_nobody_off_who_sees_to_its_end() {
    let Some(helm) = Helm::find() else { return };
    let ours = json!({
        "key": operator::cluster::names::DRAIN_TAINT,
        "operator": "Exists",
        "effect": operator::cluster::names::DRAIN_EFFECT,
    });
    let other = json!({ "key": "dedicated", "operator": "Exists" });
    for more in [json!(null), json!([]), json!([other])] {
        let values = json!({
            "crds": { "upgrade": true },
            "controller": { "tolerations": more },
        });
        for name in [
            "shardplane-controller",
            "shardplane-define",
            "shardplane-may-go",
        ] {
            let pod = pod(&helm, name, &values);
            let tolerations = pod["tolerations"].as_array().expect("some");
            assert!(tolerations.contains(&ours), "{name}: {tolerations:?}");
            let kept = more.as_array().into_iter().flatten();
            for toleration in kept {
                assert!(tolerations.contains(toleration), "{name}: {tolerations:?}");
            }
        }
    }
}
