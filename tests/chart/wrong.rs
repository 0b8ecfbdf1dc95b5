//! Values that are wrong, and how helm names the place.
use serde_json::{Value, json};

/// A value that is wrong: its place, and what helm says.
type Wrong = (&'static str, Value, &'static str);

pub fn wrong() -> Vec<Wrong> {
    [
        keys_and_numbers(),
        names(),
        tolerations(),
        images(),
        amounts(),
    ]
    .concat()
}

fn keys_and_numbers() -> Vec<Wrong> {
    vec![
        (
            "/controler/replicas",
            json!(2),
            "additional properties 'controler' not allowed",
        ),
        (
            "/agent/privileged",
            json!(true),
            "additional properties 'privileged' not allowed",
        ),
        (
            "/featureGates/dra",
            json!(true),
            "additional properties 'dra' not allowed",
        ),
        (
            "/controller/replicas",
            json!(0),
            "at '/controller/replicas': minimum: got 0, want 1",
        ),
        (
            "/controller/replicas",
            json!("2"),
            "at '/controller/replicas': got string, want integer",
        ),
        (
            "/image/digest",
            json!("sha256:12"),
            "at '/image/digest': 'sha256:12' does not match pattern",
        ),
        (
            "/image/repository",
            json!("a:latest"),
            "at '/image/repository': 'a:latest' does not match pattern",
        ),
        (
            "/image/pullPolicy",
            json!("Sometimes"),
            "at '/image/pullPolicy': value must be one of",
        ),
        (
            "/agent/kubeletDir",
            json!("var/lib"),
            "at '/agent/kubeletDir': 'var/lib' does not match pattern",
        ),
        (
            "/agent/tolerations",
            json!([{ "opertor": "Exists" }]),
            "at '/agent/tolerations/0': additional properties 'opertor'",
        ),
        (
            "/networkPolicy/apiServerPorts",
            json!([]),
            "at '/networkPolicy/apiServerPorts': minItems: got 0, want 1",
        ),
        (
            "/metrics/port",
            json!(80),
            "at '/metrics/port': minimum: got 80, want 1,024",
        ),
    ]
}

fn names() -> Vec<Wrong> {
    vec![
        (
            "/agent/priorityClassName",
            json!("a..b"),
            "at '/agent/priorityClassName': 'a..b' does not match pattern",
        ),
        (
            "/controller/priorityClassName",
            json!("a".repeat(300)),
            "at '/controller/priorityClassName': maxLength: got 300, want 253",
        ),
        (
            "/agent/rack",
            json!("a..b"),
            "at '/agent/rack': 'a..b' does not match pattern",
        ),
        (
            "/agent/kubeletDir",
            json!("/var/../lib"),
            "at '/agent/kubeletDir': '/var/../lib' does not match pattern",
        ),
        (
            "/agent/kubeletDir",
            json!("/var/./lib"),
            "at '/agent/kubeletDir': '/var/./lib' does not match pattern",
        ),
        (
            "/agent/nodeSelector",
            json!({ "a b!": "x" }),
            "at '/agent/nodeSelector': additional properties 'a b!' not allowed",
        ),
        (
            "/agent/nodeSelector",
            json!({ "a".repeat(64): "x" }),
            "at '/agent/nodeSelector': additional properties 'aaaa",
        ),
        (
            "/agent/nodeSelector",
            json!({ format!("{}/x", "a".repeat(254)): "x" }),
            "at '/agent/nodeSelector': additional properties 'aaaa",
        ),
        (
            "/agent/nodeSelector",
            json!({ "a": "x y" }),
            "at '/agent/nodeSelector/a': 'x y' does not match pattern",
        ),
        (
            "/controller/nodeSelector",
            json!({ "a": null }),
            "at '/controller/nodeSelector/a': got null, want string",
        ),
        (
            "/metrics/serviceMonitor/labels",
            json!({ "app.kubernetes.io/managed-by": "me" }),
            "at '/metrics/serviceMonitor/labels/app.kubernetes.io~1managed-by': false schema",
        ),
        (
            "/metrics/rules/labels",
            json!({ "release": "prometheus", "app.kubernetes.io/name": "x" }),
            "at '/metrics/rules/labels/app.kubernetes.io~1name': false schema",
        ),
        (
            "/metrics/dashboard/labels",
            json!({ "grafana dashboard": "1" }),
            "at '/metrics/dashboard/labels': additional properties 'grafana dashboard' not allowed",
        ),
        (
            "/networkPolicy/metricsFrom/namespaceSelector/matchLabels",
            json!({ "a": "x y" }),
            "at '/networkPolicy/metricsFrom/namespaceSelector/matchLabels/a': 'x y' does not match pattern",
        ),
        (
            "/networkPolicy/apiServerPorts",
            json!([443, 443]),
            "at '/networkPolicy/apiServerPorts': items at 0 and 1 are equal",
        ),
        (
            "/imagePullSecrets",
            json!([{ "name": "a" }, { "name": "a" }]),
            "at '/imagePullSecrets': items at 0 and 1 are equal",
        ),
        (
            "/imagePullSecrets",
            json!([{ "name": "Bad Name" }]),
            "at '/imagePullSecrets/0/name': 'Bad Name' does not match pattern",
        ),
        (
            "/agent/seLinuxOptions",
            json!({ "type": "a b" }),
            "at '/agent/seLinuxOptions/type': 'a b' does not match pattern",
        ),
        (
            "/metrics/serviceMonitor/interval",
            json!("999999999m"),
            "at '/metrics/serviceMonitor/interval': '999999999m' does not match pattern",
        ),
    ]
}

fn tolerations() -> Vec<Wrong> {
    vec![
        (
            "/controller/tolerations",
            json!([{}]),
            "at '/controller/tolerations/0': missing property 'key'",
        ),
        (
            "/controller/tolerations",
            json!([{ "operator": "Equal", "value": "x" }]),
            "at '/controller/tolerations/0': missing property 'key'",
        ),
        (
            "/controller/tolerations",
            json!([{ "key": "a", "operator": "Exists", "value": "x" }]),
            "at '/controller/tolerations/0/value': value must be ''",
        ),
        (
            "/agent/tolerations",
            json!([{ "key": "a b", "operator": "Exists" }]),
            "at '/agent/tolerations/0/key': 'a b' does not match pattern",
        ),
        (
            "/agent/tolerations",
            json!([{ "key": "a", "effect": "NoSchedule", "tolerationSeconds": 5 }]),
            "at '/agent/tolerations/0/effect': value must be 'NoExecute'",
        ),
        (
            "/agent/tolerations",
            json!([{ "key": "a", "tolerationSeconds": 5 }]),
            "at '/agent/tolerations/0': missing property 'effect'",
        ),
    ]
}

fn images() -> Vec<Wrong> {
    vec![
        (
            "/image/repository",
            json!("../.."),
            "at '/image/repository': '../..' does not match pattern",
        ),
        (
            "/agent/image/repository",
            json!("UPPER"),
            "at '/agent/image/repository': 'UPPER' does not match pattern",
        ),
        (
            "/controller/workerImage",
            json!("a: b"),
            "at '/controller/workerImage': 'a: b' does not match pattern",
        ),
        (
            "/controller/workerImage",
            json!("a #b"),
            "at '/controller/workerImage': 'a #b' does not match pattern",
        ),
        (
            "/controller/workerImage",
            json!("UPPER CASE"),
            "at '/controller/workerImage': 'UPPER CASE' does not match pattern",
        ),
        (
            "/controller/workerImage",
            json!("a\n- b"),
            "at '/controller/workerImage': 'a\\n- b' does not match pattern",
        ),
        (
            "/controller/workerImage",
            json!("no-tag"),
            "at '/controller/workerImage': 'no-tag' does not match pattern",
        ),
    ]
}

/// What no schema can say is said by a template.
fn amounts() -> Vec<Wrong> {
    vec![
        (
            "/controller/resources",
            json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }),
            "at '/controller/resources/requests/cpu': 2 is above '/controller/resources/limits/cpu', which is 1: lower the one",
        ),
        (
            "/controller/resources",
            json!({ "requests": { "cpu": 3 }, "limits": { "cpu": 2 } }),
            "at '/controller/resources/requests/cpu': 3 is above '/controller/resources/limits/cpu', which is 2: lower the one",
        ),
        (
            "/agent/resources",
            json!({ "requests": { "cpu": "0.081" }, "limits": { "cpu": "80m" } }),
            "at '/agent/resources/requests/cpu': 0.081 is above '/agent/resources/limits/cpu', which is 80m: lower the one",
        ),
        (
            "/agent/resources",
            json!({ "requests": { "memory": "2Gi" }, "limits": { "memory": "2047Mi" } }),
            "at '/agent/resources/requests/memory': 2Gi is above '/agent/resources/limits/memory', which is 2047Mi: lower the one",
        ),
        (
            "/agent/resources",
            json!({ "requests": { "cpu": "0.5m" } }),
            "at '/agent/resources/requests/cpu': '0.5m' does not match pattern",
        ),
        (
            "/agent/resources",
            json!({ "limits": null }),
            "at '/agent/resources/limits': got null, want object",
        ),
    ]
}
