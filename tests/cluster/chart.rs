//! The chart against a real API server: what values come to is taken, and a release is installed, changed and taken away.
use std::fs;

use host::Answer;
use serde_json::{Value, json};
use tests::{
    helm::{CHART, Helm, read, written},
    values::{choices, rendered, samples},
};

use crate::{
    control_plane::ControlPlane,
    fleet::{shardplane, token, until},
    played::{End, named, pod_ends},
};

const NAMESPACE: &str = "shardplane-system";
/// Combinations of values that one kubectl hands over: it takes longer to start than to ask about all objects of one.
const AT_ONCE: usize = 10;
/// Stands for the Prometheus operator's: whatever is in one is taken. That its own would take ours is not shown.
const WATCHERS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
   "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": {"plural": "servicemonitors", "kind": "ServiceMonitor"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}},
  {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "prometheusrules.monitoring.coreos.com"},
   "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": {"plural": "prometheusrules", "kind": "PrometheusRule"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}]}"#;
/// Make the API server say of each pod that does not pass the strictest level of Pod Security. A namespace's name may
/// look like a number.
const STRICT: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shardplane-system", "labels": {"pod-security.kubernetes.io/warn": "restricted"}}},
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "123", "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}]}"#;

fn apply(plane: &ControlPlane, name: &str, text: &str, more: &[&str]) -> Answer {
    let path = plane.folder().join(name);
    fs::write(&path, text).expect("a file is written");
    let path = path.display().to_string();
    plane.kubectl(&[&["apply", "--server-side", "-f", &path], more].concat())
}

pub fn what_values_come_to_is_taken(plane: &mut ControlPlane) {
    let Some(helm) = Helm::find() else { return };
    let defined = ["apply", "--server-side", "-f", "charts/shardplane/crds"];
    plane.kubectl(&defined).expected();
    apply(plane, "watchers.json", WATCHERS, &[]).expected();
    apply(plane, "namespace.json", STRICT, &[]).expected();
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    plane.kubectl(&established).expected();
    let schema = read("values.schema.json").remove(0);
    let mut all = samples(&choices(&schema, &read("values.yaml").remove(0)));
    all.push(json!({}));
    let namespaces = [NAMESPACE, "123"].iter().cycle();
    let all: Vec<(Value, String)> = all
        .into_iter()
        .zip(namespaces)
        .map(|(values, namespace)| {
            let text = rendered(&helm, namespace, &values).expect("the schema allows it");
            (values, text)
        })
        .collect();
    let taken = |texts: &[&str]| {
        let file = texts.join("\n---\n");
        wrong(&apply(plane, "chart.yaml", &file, &["--dry-run=server"]))
    };
    for some in all.chunks(AT_ONCE) {
        let texts: Vec<&str> = some.iter().map(|(_, text)| text.as_str()).collect();
        let Some(why) = taken(&texts) else { continue };
        for (values, text) in some {
            assert_eq!(taken(&[text]), None, "{values}");
        }
        panic!("each is taken, and together they are not: {why}");
    }
}

/// What a server that was to take the chart has against it: every pod passes the strictest level, but the agents', of which
/// it must say so. kubectl prints a warning once, however many objects it came for.
fn wrong(answer: &Answer) -> Option<String> {
    let warned = answer
        .stderr
        .lines()
        .any(|line| line.starts_with("Warning:") && !line.contains("\"agent\""));
    (!answer.succeeded || warned || !answer.stderr.contains("\"agent\""))
        .then(|| answer.stderr.clone())
}

pub fn a_release_is_installed_changed_and_taken_away(plane: &mut ControlPlane) {
    let Some(helm) = Helm::find() else { return };
    let kubeconfig = plane.folder().join("kubeconfig").display().to_string();
    let run = |arguments: &[&str]| {
        let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
        let ran = helm.run(&[arguments, &place].concat());
        assert!(ran.succeeded, "{arguments:?}: {}", ran.stderr);
        ran.stdout
    };
    let said = run(&["install", "shardplane", CHART, "--create-namespace"]);
    // Whoever installs it is told what the agent may do.
    assert!(said.contains("It is root on its Node"), "{said}");
    let image = |plane: &ControlPlane| {
        let path = "-o=jsonpath={.spec.template.spec.containers[0].image}";
        let get = ["get", "daemonset/shardplane-agent", "-n", NAMESPACE, path];
        plane.kubectl(&get).expected()
    };
    assert_eq!(image(plane), "localhost/shardplane:0.1.0");

    // The jobs' accounts have what their verbs take, and they are made as helm makes them.
    let values = json!({ "crds": { "upgrade": true } });
    let hooks = helm.objects(NAMESPACE, &values).expect("it is taken");
    for hook in hooks.iter().filter(|object| is_account(object)) {
        apply(plane, "hook.json", &hook.to_string(), &[]).expected();
    }
    let verb = |account: &str, verb: &str| {
        let token = token(plane, account, &[]);
        let kubeconfig = plane.kubeconfig(account, &token);
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        shardplane(&["installed", verb, &kubeconfig])
    };

    // Somebody has made a definition narrower, as an older version would be: the upgrade brings it back.
    let definition = "crd/cardpolicies.shardplane.dev";
    let column = "-o=jsonpath={.spec.names.shortNames}";
    let narrow = r#"{"spec": {"names": {"shortNames": ["old"]}}}"#;
    plane
        .kubectl(&["patch", definition, "--type=merge", "-p", narrow])
        .expected();
    let said = verb("shardplane-define", "define");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let names = plane.kubectl(&["get", definition, column]).expected();
    assert_eq!(names, r#"["cpol"]"#);

    // A server that just took another definition of a kind says for a moment that it cannot list it: that is waited for.
    let said = verb("shardplane-may-go", "may-go");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let policy = ["-f", "examples/quickstart/cluster/policy.yaml"];
    plane
        .kubectl(&[&["apply", "--server-side"], &policy[..]].concat())
        .expected();
    let said = verb("shardplane-may-go", "may-go");
    assert_eq!(said.code, Some(12), "{}", said.stderr);
    assert!(
        said.stderr.contains("CardPolicy/quickstart"),
        "{}",
        said.stderr
    );
    plane
        .kubectl(&[&["delete"], &policy[..]].concat())
        .expected();

    // A value changes, and an upgrade takes no agent away: nobody but a person deletes its pods.
    let values = written(&json!({ "image": { "tag": "0.1.1" } }));
    let file = values.path().display().to_string();
    run(&["upgrade", "shardplane", CHART, "--values", &file]);
    assert_eq!(image(plane), "localhost/shardplane:0.1.1");
    // The job that looks first says no, as far as its pod is played; what it runs was run above.
    let _controllers = plane.start_controllers("job-controller,serviceaccount-controller");
    let place = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let uninstall = [&["uninstall", "shardplane"][..], &place].concat();
    let job = "batch.kubernetes.io/job-name=shardplane-may-go";
    let refused = std::thread::scope(|scope| {
        let uninstalls = scope.spawn(|| helm.run(&uninstall));
        let pods = || named(plane, NAMESPACE, "pods", job);
        let pods = until("the job has a pod", pods, |pods| pods.len() == 1);
        pod_ends(plane, NAMESPACE, &pods[0], End::Badly);
        uninstalls.join().expect("helm ends")
    });
    assert!(!refused.succeeded, "{}", refused.stdout);
    assert!(
        plane
            .kubectl(&["get", "deploy/shardplane-controller", "-n", NAMESPACE])
            .succeeded
    );
    let rights = [
        "get",
        "sa,jobs,clusterroles,clusterrolebindings",
        "-n",
        NAMESPACE,
        "-o=name",
    ];
    let rights = plane.kubectl(&rights).expected();
    let left: Vec<&str> = rights
        .lines()
        .filter(|name| name.ends_with("may-go"))
        .collect();
    assert_eq!(
        left,
        ["job.batch/shardplane-may-go"],
        "its log is there to be read"
    );
    run(&["uninstall", "shardplane", "--no-hooks"]);
    let left = [
        "get",
        "deploy,ds,sa,svc,pdb,networkpolicy",
        "-n",
        NAMESPACE,
        "-o=name",
    ];
    let left = plane.kubectl(&left).expected();
    let ours: Vec<&str> = left.lines().filter(|name| !ours_to_test(name)).collect();
    assert!(ours.is_empty(), "{ours:?}");
    // Definitions stay, and with them whatever is declared.
    plane.kubectl(&["get", definition]).expected();
}

/// What this test made itself, in helm's place, and what every namespace has.
fn ours_to_test(name: &str) -> bool {
    let made = [
        "serviceaccount/shardplane-define",
        "serviceaccount/shardplane-may-go",
        "serviceaccount/default",
    ];
    made.contains(&name)
}

/// Whether an object is part of a hook's account.
fn is_account(object: &Value) -> bool {
    let hook = object.pointer("/metadata/annotations/helm.sh~1hook");
    hook.is_some() && object["kind"] != "Job"
}
