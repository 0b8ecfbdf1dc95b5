//! What the pods of the chart may do on a machine, to the letter, and that each of it is explained.
use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use tests::{helm::Helm, root};

/// A mount of the agent's: where on the machine, where in the container, whether it is written to.
type Mount = (String, String, bool);

/// What an agent's pod takes of its machine.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    capabilities: Vec<String>,
    privileged: bool,
    mounts: BTreeSet<Mount>,
}

fn taken(pod: &Value) -> Taken {
    let containers = pod["containers"].as_array().expect("a pod has containers");
    let [container] = containers.as_slice() else {
        panic!("{} containers", containers.len());
    };
    let context = &container["securityContext"];
    let words = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|word| Some(word.as_str()?.to_owned()))
            .collect()
    };
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let mounts = volumes.filter_map(|volume| {
        let of_machine = volume.pointer("/hostPath/path")?.as_str()?;
        let mounts = container["volumeMounts"].as_array()?;
        let mount = mounts
            .iter()
            .find(|mount| mount["name"] == volume["name"])?;
        let inside = mount["mountPath"].as_str()?;
        let written = mount.get("readOnly") != Some(&Value::Bool(true));
        Some((of_machine.to_owned(), inside.to_owned(), written))
    });
    Taken {
        capabilities: words(&context["capabilities"]["add"]),
        privileged: context["privileged"] == true,
        mounts: mounts.collect(),
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

#[test]
fn an_agent_takes_exactly_what_is_listed() {
    let Some(helm) = Helm::find() else { return };
    let agent = |values: Value| taken(&pod(&helm, "shardplane-agent", &values));
    let capabilities = ["SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"].map(str::to_owned);
    let plain = Taken {
        capabilities: capabilities.to_vec(),
        privileged: false,
        mounts: always(),
    };
    assert_eq!(agent(json!({})), plain);
    let mut kept = always();
    kept.extend(mounts(&[
        ("/etc/modprobe.d", "/host/etc/modprobe.d", true),
        ("/etc/sysctl.d", "/host/etc/sysctl.d", true),
    ]));
    let persisting = Taken {
        mounts: kept,
        ..plain
    };
    assert_eq!(
        agent(json!({ "agent": { "persistedSettings": true } })),
        persisting
    );
    let tools = Taken {
        capabilities: Vec::new(),
        privileged: true,
        mounts: always(),
    };
    assert_eq!(agent(json!({ "agent": { "vendorTools": true } })), tools);

    let pod = pod(&helm, "shardplane-agent", &json!({}));
    for never in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert_eq!(pod.get(never), None, "{never}");
    }
    let context = &pod["containers"][0]["securityContext"];
    assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    // No shell stands between.
    assert_eq!(
        pod["containers"][0]["command"],
        json!(["/usr/bin/shardplane"])
    );
}

/// A privilege that nobody explains is one too many; so is an explanation of what is not taken.
#[test]
fn each_privilege_is_explained() {
    let text = fs::read_to_string(root().join("packaging/image/README.md"));
    let text = text.expect("the image has a README");
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let kept = ["/etc/modprobe.d", "/etc/sysctl.d"].map(str::to_owned);
    let words = [
        "SYS_ADMIN",
        "SYS_PTRACE",
        "DAC_READ_SEARCH",
        "Unconfined",
        "privileged",
    ];
    let all = always().into_iter().map(|(machine, ..)| machine);
    let all: BTreeSet<String> = all.chain(kept).chain(words.map(str::to_owned)).collect();
    assert_eq!(rows, all.iter().map(String::as_str).collect());
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
        let nothing = Taken {
            capabilities: Vec::new(),
            privileged: false,
            mounts: BTreeSet::new(),
        };
        assert_eq!(taken(&pod), nothing, "{name}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
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
