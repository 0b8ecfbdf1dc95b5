//! Values that the chart's schema allows, drawn from the schema itself: a key without an example is a failure.
use serde_json::{Map, Value, json};

/// What a text, a list or a map of the schema may be, where its type alone does not say. The first is no more than allowed.
const EXAMPLES: [(&str, &str); 23] = [
    (
        "/image/repository",
        r#"["localhost/shardplane", "registry.example:5000/a/b-c"]"#,
    ),
    ("/image/tag", r#"["", "v0.1.0_x"]"#),
    (
        "/image/digest",
        r#"["", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]"#,
    ),
    ("/imagePullSecrets", r#"[[], [{"name": "pull"}]]"#),
    (
        "/controller/workerImage",
        r#"["", "example.invalid/w@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]"#,
    ),
    (
        "/controller/priorityClassName",
        r#"["", "system-cluster-critical"]"#,
    ),
    (
        "/controller/resources",
        r#"[{}, {"requests": {"cpu": "1.5", "memory": "1Gi"}, "limits": {"cpu": "2000m"}}]"#,
    ),
    (
        "/controller/nodeSelector",
        r#"[{}, {"kubernetes.io/os": "linux"}]"#,
    ),
    (
        "/controller/tolerations",
        r#"[[], [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}]]"#,
    ),
    (
        "/agent/image/repository",
        r#"["", "example.invalid/with-sdk"]"#,
    ),
    ("/agent/image/tag", r#"["", "sdk-1.20"]"#),
    (
        "/agent/image/digest",
        r#"["", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]"#,
    ),
    ("/agent/rack", r#"["", "a-rack"]"#),
    (
        "/agent/kubeletDir",
        r#"["/var/lib/kubelet", "/var/lib/k0s/kubelet"]"#,
    ),
    (
        "/agent/seLinuxOptions",
        r#"[{}, {"type": "spc_t", "level": "s0"}]"#,
    ),
    (
        "/agent/priorityClassName",
        r#"["", "system-node-critical"]"#,
    ),
    (
        "/agent/resources",
        r#"[{}, {"limits": {"memory": "64Mi"}}]"#,
    ),
    ("/agent/nodeSelector", r#"[{}, {"room": "a"}]"#),
    (
        "/agent/tolerations",
        r#"[[], [{"operator": "Exists"}, {"key": "k", "operator": "Exists", "effect": "NoSchedule"}]]"#,
    ),
    ("/metrics/serviceMonitor/interval", r#"["15s", "2m"]"#),
    (
        "/networkPolicy/metricsFrom/namespaceSelector",
        r#"[{}, {"matchLabels": {"team": "watch"}}]"#,
    ),
    (
        "/networkPolicy/apiServerPorts",
        "[[443], [6443, 8443, 443]]",
    ),
    ("labels", r#"[{}, {"release": "watch"}]"#),
];

/// Every key of the schema that takes a value, with what it may be.
///
/// # Panics
/// When a key has neither a type that says what it may be nor an example.
#[must_use]
#[expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a key that nobody tries must fail the test"
)]
pub fn choices(schema: &Value) -> Vec<(String, Vec<Value>)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), schema)];
    while let Some((path, schema)) = open.pop() {
        // What Helm hands to every chart.
        if path == "/global" {
            continue;
        }
        let given = EXAMPLES
            .iter()
            .find(|(of, _)| *of == path || path.rsplit('/').next() == Some(*of));
        if let Some((_, examples)) = given {
            let examples = serde_json::from_str(examples).expect("examples are JSON");
            found.push((path, examples));
            continue;
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            open.extend(
                properties
                    .iter()
                    .map(|(key, schema)| (format!("{path}/{key}"), schema)),
            );
            continue;
        }
        let of_type = match (schema.get("enum"), schema["type"].as_str()) {
            (Some(Value::Array(all)), _) => all.clone(),
            (None, Some("boolean")) => vec![json!(false), json!(true)],
            (None, Some("integer")) => vec![schema["minimum"].clone(), schema["maximum"].clone()],
            _ => panic!("{path} has no example: add one to EXAMPLES"),
        };
        found.push((path, of_type));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// So many combinations, the same every time. With `n` of them every two values of two keys met with probability
/// `1 - (1 - 1/4)^n` at least: at 24 one pair in a thousand is missed.
#[must_use]
pub fn samples(choices: &[(String, Vec<Value>)], count: u64) -> Vec<Value> {
    (0..count).map(|seed| sample(choices, seed)).collect()
}

fn sample(choices: &[(String, Vec<Value>)], seed: u64) -> Value {
    let mut values = json!({});
    // Knuth's constants of a linear congruential generator; the high bits are the good ones.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    for (path, of) in choices {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = (state >> 33) % (of.len() as u64);
        let drawn = of.iter().zip(0..).find(|(_, place)| *place == drawn);
        if let Some((value, _)) = drawn {
            set(&mut values, path, value.clone());
        }
    }
    values
}

/// Sets what a path leads to, making what is missing on the way.
pub fn set(values: &mut Value, path: &str, value: Value) {
    let mut at = values;
    for key in path.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
}
