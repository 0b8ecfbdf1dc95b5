//! What helm takes for values and what it refuses: the schema's word, with the key that it is about.
use serde_json::{Value, json};
use tests::{
    helm::{CHART, Helm, objects, read},
    values::{choices, rendered, samples, set},
};

use crate::wrong::wrong;

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
    // A namespace may look like a number.
    for (values, namespace) in samples(&all())
        .into_iter()
        .zip(["cards", "123"].iter().cycle())
    {
        let text = rendered(&helm, namespace, &values);
        let text = text.unwrap_or_else(|why| panic!("{values}: {why}"));
        let objects = objects(&text);
        assert!(objects.len() > 25, "{values}");
        for object in &objects {
            assert!(object["metadata"]["name"].is_string(), "{values}: {object}");
            let misread = no_text(object);
            assert!(misread.is_empty(), "{values}: {misread:?} in {object}");
            for image in images(object) {
                assert!(can_be_pulled(&image), "{values}: {image:?}");
            }
        }
    }
}

/// Of the agents' own image what is given, and nothing of it in vain.
#[test]
fn an_agents_image_is_what_is_given_of_it() {
    let Some(helm) = Helm::find() else { return };
    let (one, two) = (
        format!("sha256:{}", "1".repeat(64)),
        format!("sha256:{}", "2".repeat(64)),
    );
    let rows = [
        (json!({}), format!("all.example/all@{one}")),
        (json!({ "tag": "sdk" }), "all.example/all:sdk".to_owned()),
        (json!({ "digest": two }), format!("all.example/all@{two}")),
        (
            json!({ "repository": "own.example/sdk" }),
            "own.example/sdk:0.1.0".to_owned(),
        ),
        (
            json!({ "repository": "own.example/sdk", "tag": "1" }),
            "own.example/sdk:1".to_owned(),
        ),
    ];
    for (own, expected) in rows {
        let all = json!({ "repository": "all.example/all", "tag": "0.9", "digest": one });
        let values = json!({ "image": all, "agent": { "image": own } });
        let objects = helm.objects("cards", &values).expect("it is taken");
        let agents = objects.iter().find(|object| object["kind"] == "DaemonSet");
        let agents = agents.map(images).expect("there are agents");
        assert_eq!(agents, [expected], "{own}");
    }
}

/// Whoever installs it is told what an upgrade does with definitions, and what it refuses.
#[test]
fn what_becomes_of_definitions_is_told() {
    let Some(helm) = Helm::find() else { return };
    for (upgrade, words) in [
        ("false", "Never those of an older chart"),
        ("true", "installed define --give-up-fields"),
    ] {
        let set = format!("crds.upgrade={upgrade}");
        let install = ["install", "shardplane", CHART, "--namespace=cards"];
        let ran = helm.run(&[&install[..], &["--dry-run=client", "--set", &set]].concat());
        assert!(ran.succeeded && ran.stdout.contains(words), "{ran:?}");
    }
}

/// Every image that is named, also the one that workers have.
fn images(value: &Value) -> Vec<String> {
    match value {
        Value::Object(keys) => {
            let own = keys.get("image").and_then(Value::as_str).map(str::to_owned);
            own.into_iter()
                .chain(keys.values().flat_map(images))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(images).collect(),
        Value::String(text) => {
            let named = text.strip_prefix("--worker-image=");
            named.map(str::to_owned).into_iter().collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whether a kubelet can read it; an API server takes any text.
fn can_be_pulled(image: &str) -> bool {
    let (tagged, digest) = image.split_once('@').unwrap_or((image, "sha256:"));
    let last = tagged.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    let name = tagged.len() - if tag.is_empty() { 0 } else { tag.len() + 1 };
    let parts = tagged[..name].split(['/', ':', '.', '-', '_']);
    let own = parts.clone().next().unwrap_or_default();
    !own.is_empty()
        && !tagged[..name].contains("..")
        && parts.into_iter().all(|part| {
            part.chars()
                .all(|letter| matches!(letter, 'a'..='z' | '0'..='9'))
        })
        && tag.len() <= 128
        && tag
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
        && digest.starts_with("sha256:")
        && name <= 237
}

#[test]
fn an_image_that_is_none_is_known() {
    for image in [
        "a: b",
        "a #b",
        "UPPER CASE",
        "a\n- b",
        "../..:1",
        "a:b c",
        "a@1",
    ] {
        assert!(!can_be_pulled(image), "{image}");
    }
    assert!(can_be_pulled("a.b:5000/c-d:V1@sha256:0"));
}

/// What is read as something else where a text belongs.
fn no_text(value: &Value) -> Vec<String> {
    const TEXTS: [&str; 12] = [
        "annotations",
        "args",
        "cpu",
        "image",
        "imagePullPolicy",
        "labels",
        "matchLabels",
        "memory",
        "name",
        "namespace",
        "nodeSelector",
        "priorityClassName",
    ];
    match value {
        Value::Object(keys) => keys
            .iter()
            .flat_map(|(key, below)| match below {
                // Keys and values of a map are scalars below it.
                Value::Null | Value::Bool(_) | Value::Number(_) => {
                    let text = TEXTS.contains(&key.as_str());
                    text.then(|| format!("{key}: {below}"))
                        .into_iter()
                        .collect()
                }
                Value::Object(map) if TEXTS.contains(&key.as_str()) => {
                    let others = map.iter().filter(|(_, value)| !value.is_string());
                    others
                        .map(|(key, value)| format!("{key}: {value}"))
                        .collect()
                }
                Value::Array(list) if TEXTS.contains(&key.as_str()) => {
                    let others = list.iter().filter(|value| !value.is_string());
                    others.map(|value| format!("{key}: {value}")).collect()
                }
                Value::String(_) | Value::Array(_) | Value::Object(_) => no_text(below),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(no_text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// `null` takes a default away. What cannot be done without is refused by its place, and for the rest nothing changes.
#[test]
fn nothing_is_lost_by_saying_null() {
    let Some(helm) = Helm::find() else { return };
    let defaults = helm.text("cards", &json!({})).expect("they are taken");
    let keys = keys(
        &read("values.schema.json").remove(0),
        &read("values.yaml").remove(0),
    );
    assert!(keys.len() > 40, "{keys:?}");
    let mut refused = 0;
    for path in keys {
        let mut values = json!({});
        set(&mut values, &path, Value::Null);
        match helm.text("cards", &values) {
            Ok(text) => assert_eq!(text, defaults, "{values}"),
            Err(why) => {
                let (place, key) = path.rsplit_once('/').expect("a path has a key");
                let said = format!("at '{place}': missing property '{key}'");
                assert!(why.contains(&said), "{values}: {why}");
                refused += 1;
            }
        }
    }
    assert!(refused > 25, "{refused}");
}

/// Every key with a default that the schema knows by its name.
fn keys(schema: &Value, defaults: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter(|(key, _)| defaults.get(key).is_some())
        .flat_map(|(key, schema)| {
            let below = keys(schema, &defaults[key]);
            let below = below.into_iter().map(move |path| format!("/{key}{path}"));
            below.chain([format!("/{key}")])
        })
        .collect()
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
fn every_key_has_a_default() {
    let defaults = read("values.yaml").remove(0);
    for (path, of) in all() {
        assert!(defaults.pointer(&path).is_some(), "{path} has no default");
        assert!(of.len() > 2, "{path} may be one thing alone");
    }
}

fn all() -> Vec<(String, tests::values::Choices)> {
    let schema = read("values.schema.json").remove(0);
    choices(&schema, &read("values.yaml").remove(0))
}
