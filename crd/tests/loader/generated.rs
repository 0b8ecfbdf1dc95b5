//! Generated schemas are checked in unchanged, and are what the API server wants.
use crd::schema;

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
