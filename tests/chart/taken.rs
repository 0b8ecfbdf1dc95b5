//! What helm takes for values and what it refuses: the schema's word, with the key that it is about.
use serde_json::{Value, json};
use tests::{
    helm::{CHART, Helm},
    values::{choices, samples, set},
};

/// Values that are wrong, and how helm names the place.
fn wrong() -> Vec<(&'static str, Value, &'static str)> {
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

#[test]
fn values_that_are_wrong_are_refused_by_their_place() {
    let Some(helm) = Helm::find() else { return };
    for (path, value, said) in wrong() {
        let mut values = json!({});
        set(&mut values, path, value);
        let refused = helm.text("shardplane-system", &values);
        let why = refused.expect_err(&format!("{values} is taken"));
        assert!(why.contains(said), "{values}: {why}");
    }
}

#[test]
fn what_the_schema_allows_comes_to_objects() {
    let Some(helm) = Helm::find() else { return };
    for values in samples(&all(), 24) {
        let objects = helm.objects("shardplane-system", &values);
        let objects = objects.unwrap_or_else(|why| panic!("{values}: {why}"));
        let unnamed: Vec<&Value> = objects
            .iter()
            .filter(|object| object.pointer("/metadata/name").is_none())
            .collect();
        assert!(
            objects.len() > 25 && unnamed.is_empty(),
            "{values}: {unnamed:?}"
        );
    }
}

#[test]
fn lint_has_nothing_against_it() {
    let Some(helm) = Helm::find() else { return };
    let ran = helm.run(&[
        "lint",
        CHART,
        "--strict",
        "--namespace",
        "shardplane-system",
    ]);
    assert!(ran.succeeded, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_namespace_that_others_live_in_is_refused() {
    let Some(helm) = Helm::find() else { return };
    for namespace in ["default", "kube-system"] {
        let why = helm.text(namespace, &json!({})).expect_err("it is taken");
        assert!(why.contains("a namespace of its own"), "{why}");
    }
}

/// What a user who says nothing gets is what the schema allows too, and every key of it is described there.
#[test]
fn every_default_has_a_place_in_the_schema() {
    let defaults = tests::helm::read("values.yaml").remove(0);
    for (path, of) in all() {
        let default = defaults.pointer(&path);
        assert!(default.is_some(), "{path} has no default");
        assert!(of.len() > 1, "{path} may be one thing alone");
    }
}

fn all() -> Vec<(String, Vec<Value>)> {
    choices(&tests::helm::read("values.schema.json").remove(0))
}
