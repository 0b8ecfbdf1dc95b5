//! What a served definition says and another does not: what objects would lose if it gave way to that one.
use serde_json::Value;

/// What an API server keeps of every object, whatever its schema says.
const ALWAYS: [&str; 3] = ["apiVersion", "kind", "metadata"];
const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// Versions and fields of the first of two custom resource definitions that the second lacks, as `version v1beta1` and
/// `spec.members[].lane`, each once; `.*` stands for any key. Of what is gone as a whole only the top is named.
pub(super) fn lost(served: &Value, ours: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    for version in versions(served) {
        let same = versions(ours).find(|other| other["name"] == version["name"]);
        let Some(same) = same else {
            let name = version["name"].as_str().unwrap_or_default();
            lost.push(format!("version {name}"));
            continue;
        };
        let schema = "/schema/openAPIV3Schema";
        let more = version.pointer(schema).unwrap_or(&Value::Null);
        let less = same.pointer(schema).unwrap_or(&Value::Null);
        fields("", more, less, &mut lost);
    }
    lost
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
}

/// What a server takes away where the second schema stands in the first one's place.
fn fields(place: &str, more: &Value, less: &Value, lost: &mut Vec<String>) {
    let keeps = less[OPEN] == true;
    let any = allowed(less);
    for (name, more) in more["properties"].as_object().into_iter().flatten() {
        if place.is_empty() && ALWAYS.contains(&name.as_str()) {
            continue;
        }
        let place = match place {
            "" => name.clone(),
            _ => format!("{place}.{name}"),
        };
        match less["properties"].get(name).or(any) {
            Some(less) => fields(&place, more, less, lost),
            None if keeps => {}
            None => lost.push(place),
        }
    }
    let items = &more["items"];
    if items.is_object() && !keeps {
        fields(&format!("{place}[]"), items, &less["items"], lost);
    }
    // Any key: of a map, or of an object that is kept as it is.
    let every = format!("{place}.*");
    match (allowed(more), any) {
        (Some(more), Some(less)) => fields(&every, more, less, lost),
        (Some(_), None) if !keeps => lost.push(every),
        (None, None) if more[OPEN] == true && !keeps => lost.push(every),
        _ => {}
    }
}

/// The schema of values below any key, where any is allowed; `true` is one that says nothing of them.
fn allowed(schema: &Value) -> Option<&Value> {
    let any = schema.get("additionalProperties")?;
    (any.is_object() || *any == true).then_some(any)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(version: &str, spec: &Value) -> Value {
        let schema = json!({ "openAPIV3Schema": { "properties": { "spec": spec } } });
        json!({ "spec": { "versions": [{ "name": version, "schema": schema }] } })
    }

    #[test]
    fn what_would_be_lost_is_named_by_its_place() {
        let text = json!({ "type": "string" });
        let with = |name: &str| json!({ "properties": { "a": text, name: text } });
        let list = |of: Value| json!({ "properties": { "list": { "items": of } } });
        let map = |of: Value| json!({ "properties": { "map": { "additionalProperties": of } } });
        let open = json!({ OPEN: true });
        let cases = [
            // The same, and less, lose nothing; what is not a field is no matter of loss.
            (with("b"), with("b"), vec![]),
            (with("a"), with("b"), vec![]),
            (
                json!({ "properties": { "a": { "maxLength": 9 } } }),
                with("a"),
                vec![],
            ),
            (with("hold"), with("a"), vec!["spec.hold"]),
            (
                list(with("lane")),
                list(with("a")),
                vec!["spec.list[].lane"],
            ),
            (
                list(list(with("x"))),
                list(list(with("a"))),
                vec!["spec.list[].list[].x"],
            ),
            (map(with("x")), map(with("a")), vec!["spec.map.*.x"]),
            (
                map(list(with("x"))),
                map(list(with("a"))),
                vec!["spec.map.*.list[].x"],
            ),
            // Of a whole that is gone its top is enough.
            (list(with("x")), with("a"), vec!["spec.list"]),
            // A map for named fields, named fields for a map.
            (
                json!({ "properties": { "map": with("x") } }),
                map(text.clone()),
                vec![],
            ),
            (
                map(text.clone()),
                json!({ "properties": { "map": with("x") } }),
                vec!["spec.map.*"],
            ),
            (map(json!(true)), map(text.clone()), vec![]),
            (
                map(json!(true)),
                json!({ "properties": { "map": {} } }),
                vec!["spec.map.*"],
            ),
            (
                map(json!(false)),
                json!({ "properties": { "map": {} } }),
                vec![],
            ),
            // Whatever it holds is kept here, and there not.
            (with("x"), open.clone(), vec![]),
            (list(with("x")), open.clone(), vec![]),
            (open.clone(), with("a"), vec!["spec.*"]),
            (list(open.clone()), list(with("a")), vec!["spec.list[].*"]),
            (open.clone(), open, vec![]),
        ];
        for (served, ours, expected) in cases {
            let said = lost(&definition("v1", &served), &definition("v1", &ours));
            assert_eq!(said, expected, "{served} over {ours}");
        }
    }

    #[test]
    fn a_version_that_is_not_ours_is_named() {
        let mut served = definition("v1", &json!({}));
        let newer = definition("v2", &json!({ "properties": { "a": {} } }));
        let more = newer["spec"]["versions"][0].clone();
        let versions = served["spec"]["versions"].as_array_mut().unwrap();
        versions.insert(0, more);
        let ours = definition("v1", &json!({}));
        assert_eq!(lost(&served, &ours), ["version v2"]);
        assert_eq!(lost(&ours, &served), [""; 0]);
    }

    #[test]
    fn what_every_object_has_is_not_lost() {
        let root = |properties: Value| {
            let schema = json!({ "openAPIV3Schema": { "properties": properties } });
            json!({ "spec": { "versions": [{ "name": "v1", "schema": schema }] } })
        };
        let served = json!({ "apiVersion": {}, "kind": {}, "metadata": { "properties": { "name": {} } }, "data": {} });
        assert_eq!(lost(&root(served), &root(json!({}))), ["data"]);
    }

    #[test]
    fn our_own_definitions_lose_nothing_to_themselves_and_each_field_to_none() {
        for (name, ours) in crd::schema::definitions() {
            assert_eq!(lost(&ours, &ours), [""; 0], "{name}");
            let mut less = ours.clone();
            let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
            less.pointer_mut(schema).unwrap()["spec"] = json!({});
            assert!(!lost(&ours, &less).is_empty(), "{name}");
            assert_eq!(lost(&less, &ours), [""; 0], "{name}");
        }
    }
}
