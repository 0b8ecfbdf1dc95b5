//! Generated schemas are checked in unchanged, and are what the API server wants.
use crd::{
    kind::{ChangePlan, rule},
    load::{SourceText, load},
    schema,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::recorded;

#[test]
fn checked_in_schemas_are_the_generated_ones() {
    let crds = schema::crds()
        .into_iter()
        .map(|(name, text)| (format!("charts/shardplane/crds/{name}"), text));
    let schemas = schema::json_schemas()
        .into_iter()
        .map(|(name, text)| (format!("crd/schemas/{name}"), text));
    let differences: Vec<_> = crds
        .chain(schemas)
        .filter_map(|(path, text)| recorded::compare(&recorded::repository(&path), &text))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every level of every stored kind's schema, with the path to it.
fn levels() -> Vec<(String, Value)> {
    fn walk(path: &str, level: &Value, found: &mut Vec<(String, Value)>) {
        found.push((path.to_owned(), level.clone()));
        for (name, inner) in level
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(&format!("{path}.{name}"), inner, found);
        }
        for keyword in ["items", "additionalProperties"] {
            if let Some(inner) = level.get(keyword).filter(|inner| inner.is_object()) {
                walk(&format!("{path}[]"), inner, found);
            }
        }
    }
    let mut found = Vec::new();
    for (name, text) in schema::crds() {
        let crd: Value = serde_saphyr::from_str(&text).expect("a definition is YAML");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(schema.is_object(), "{name} has no schema");
        walk(&name, schema, &mut found);
    }
    found
}

#[test]
fn everything_is_bounded_or_the_api_server_refuses_the_rules() {
    let levels = levels();
    assert!(levels.len() > 150);
    for (path, level) in levels {
        let has = |keyword: &str| level.get(keyword).is_some();
        match level["type"].as_str() {
            Some("array") => assert!(has("maxItems"), "{path} has no maxItems"),
            Some("string") => assert!(has("maxLength") || has("enum"), "{path} has no maxLength"),
            Some("object") if has("additionalProperties") => {
                assert!(has("maxProperties"), "{path} has no maxProperties");
            }
            Some("integer") => {
                let ruled = has("x-kubernetes-validations");
                let bounded = has("minimum") && (has("maximum") || has("format"));
                assert!(ruled || bounded, "{path} has no bounds");
            }
            Some("object" | "boolean") => {}
            other => panic!("{path} has type {other:?}"),
        }
    }
}

#[test]
fn nothing_is_hidden_and_nothing_warned_about() {
    for (path, level) in levels() {
        let format = level["format"].as_str().unwrap_or_default();
        assert!(!format.starts_with("uint"), "{path} has format {format}");
        assert!(level.get("nullable").is_none(), "{path} is nullable");
        let default = level.get("default");
        match path.rsplit_once('.').map_or("", |(_, name)| name) {
            "status" if path.ends_with("yaml.status") => assert_eq!(
                default.and_then(|default| default.pointer("/conditions/0/status")),
                Some(&json!("Unknown")),
                "{path}"
            ),
            "replicas" if path.ends_with("spec.replicas") => {
                assert_eq!(default, Some(&json!(1)), "{path}");
            }
            _ => assert_eq!(default, None, "{path} has a default"),
        }
    }
}

#[test]
fn every_rule_stands_in_a_definition_and_points_at_a_field_there() {
    let mut ids: Vec<_> = crd::diagnostic::catalog::all()
        .iter()
        .map(|explanation| explanation.id)
        .collect();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
    let levels = levels();
    for rule in rule::ALL {
        let id = rule.explanation.id;
        let stands = |level: &Value| {
            let rules = level["x-kubernetes-validations"].as_array();
            rules
                .into_iter()
                .flatten()
                .any(|found| found["rule"] == rule.expression && found["message"] == rule.message)
        };
        let mut places = levels.iter().filter(|(_, level)| stands(level)).peekable();
        assert!(places.peek().is_some(), "{id} is in no definition");
        for (path, level) in places {
            let field = rule.field.replace('.', "/properties/");
            assert!(
                level.pointer(&field).is_some(),
                "{id} points at {} below {path}",
                rule.field
            );
        }
    }
}

#[test]
fn a_change_plan_does_not_change() {
    let schema =
        serde_json::to_value(&ChangePlan::crd().spec.versions[0].schema).expect("a schema is JSON");
    let schema = &schema["openAPIV3Schema"];
    let plan = |order: &str| {
        json!({ "metadata": { "name": "r1" }, "spec": {
            "digest": format!("rollout:b3:{}", "0".repeat(64)),
            "nodes": [{ "node": "aic-07", "digest": format!("node:b3:{}", "0".repeat(64)) }],
            "order": [order], "summary": { "change": 1, "gates": 1, "resets": 0, "disruption": "none" },
        }})
    };
    let check = |new: &Value, old: &Value| {
        kube::core::cel::Validator::new().validate(schema, new, Some(old))
    };
    assert!(check(&plan("aic-07"), &plan("aic-07")).is_ok());
    let errors = check(&plan("aic-08"), &plan("aic-07")).expect_err("a change is refused");
    assert_eq!(errors.as_slice()[0].message, rule::PLAN_IMMUTABLE.message);
}

#[test]
fn file_kinds_and_places_are_loaded() {
    let path = recorded::repository("tests/corpus/valid/rack.yaml");
    let text = std::fs::read_to_string(path).expect("the rack can be read");
    let loaded = load(&[SourceText::new("racks/rack.yaml", text)]);
    assert_eq!(loaded.diagnostics, []);
    let rack = &loaded.racks[0];
    assert_eq!(rack.object.name, "lab");
    assert_eq!(rack.spec.servers[0].name.as_str(), "aic-01");
    let place = rack
        .span("/spec/servers/0/rootPorts/0/acs")
        .expect("every value has a place");
    assert_eq!((place.line, place.column, place.length), (21, 16, 8));
    assert_eq!(
        rack.span("/spec/servers/0/rootPorts/0/acs/nowhere"),
        Some(place)
    );
}
