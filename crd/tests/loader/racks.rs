//! The rack file's form: what the examples hold, and what is refused by schema, by type, or by both.
use schemars::schema_for;

use crd::kind::Rack;

fn valid(document: &serde_json::Value) -> bool {
    let schema = serde_json::to_value(schema_for!(Rack)).unwrap();
    jsonschema::validator_for(&schema)
        .unwrap()
        .is_valid(document)
}

fn parsed(text: &str) -> serde_json::Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn examples_are_racks_and_survive_being_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/racks");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 5);
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(valid(&parsed(&text)), "{}", path.display());
        let rack: Rack = serde_yaml::from_str(&text).unwrap();
        let written = serde_yaml::to_string(&rack).unwrap();
        assert!(valid(&parsed(&written)), "{}", path.display());
        assert_eq!(serde_yaml::from_str::<Rack>(&written).unwrap(), rack);
        assert_eq!(
            rack.metadata.name,
            path.file_stem().unwrap().to_string_lossy()
        );
    }
}

#[test]
fn what_is_no_rack_is_refused() {
    let good = r#"
apiVersion: shardplane.dev/v1alpha1
kind: Rack
metadata: { name: room }
spec: { servers: [{ name: a, rootPorts: [{ address: "0000:20:01.0", card: { sku: Ultra } }] }] }
"#;
    assert!(valid(&parsed(good)));
    for (from, to) in [
        ("name: room", "name: Room"),
        ("name: room", "name: room, colour: red"),
        ("sku: Ultra", "sku: Giga"),
        ("sku: Ultra", "sku: Ultra, socs: [{}, {}, {}, {}, {}]"),
        ("sku: Ultra", "sku: Ultra, socs: [{ cores: 17 }]"),
        ("sku: Ultra", "sku: Ultra, socs: [{ acs: 29 }]"),
        ("0000:20:01.0", "20:01.0"),
        ("0000:20:01.0", "0000:20:01.8"),
        ("name: a,", "name: a, faults: [sulk],"),
        (
            "card: {",
            "switch: { ports: [{ slot: \"20.0\" }] }, card: {",
        ),
        ("servers: [{", "speedup: 0, servers: [{"),
        (
            "[{ name: a, rootPorts: [{ address: \"0000:20:01.0\", card: { sku: Ultra } }] }]",
            "[]",
        ),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        assert!(!valid(&parsed(&text)), "{to}");
    }
}
