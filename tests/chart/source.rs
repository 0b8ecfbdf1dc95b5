//! Accounts, roles and admission are written once, in `manifests`: the chart's are those, in another namespace.
use serde_json::{Value, json};
use tests::helm::{Helm, read};

const FILES: [&str; 3] = ["namespace.yaml", "roles.yaml", "admission.yaml"];

fn name(object: &Value) -> (String, String, String) {
    let text = |pointer: &str| {
        let value = object.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    (
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    )
}

/// The object without the labels that a release adds.
fn bare(mut object: Value) -> Value {
    let labels = object
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut);
    let empty = labels.is_none_or(|labels| {
        labels.retain(|key, _| !key.starts_with("app.kubernetes.io/") && key != "helm.sh/chart");
        labels.is_empty()
    });
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata.filter(|_| empty) {
        metadata.remove("labels");
    }
    object
}

#[test]
fn the_chart_installs_what_the_manifests_say() {
    let Some(helm) = Helm::find() else { return };
    let chart = helm
        .objects("cards", &json!({}))
        .expect("the defaults are taken");
    let written = FILES
        .iter()
        .flat_map(|file| read(&format!("manifests/{file}")));
    let mut held = 0;
    for object in written.filter(|object| object["kind"] != "Namespace") {
        let moved = object.to_string().replace("shardplane-system", "cards");
        let expected: Value = serde_json::from_str(&moved).expect("it is JSON still");
        let found = chart.iter().find(|found| name(found) == name(&expected));
        let found = found.unwrap_or_else(|| panic!("{:?} is not in the chart", name(&expected)));
        assert_eq!(bare(found.clone()), bare(expected));
        held += 1;
    }
    // Two accounts, six roles with three bindings more, four policies with theirs.
    assert!(held >= 20, "{held}");
    // What the chart has beside them is none of those kinds, but for the hooks.
    for object in &chart {
        let kind = object["kind"].as_str().unwrap_or_default();
        let hook = object
            .pointer("/metadata/annotations/helm.sh~1hook")
            .is_some();
        let ours = kind.contains("Role") || kind.contains("Admission");
        let also = FILES
            .iter()
            .flat_map(|file| read(&format!("manifests/{file}")))
            .any(|written| {
                written["kind"] == object["kind"]
                    && written.pointer("/metadata/name") == object.pointer("/metadata/name")
            });
        assert!(
            !ours || hook || also,
            "{:?} is written in a template",
            name(object)
        );
    }
}
