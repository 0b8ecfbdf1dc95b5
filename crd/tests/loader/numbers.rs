//! Whole numbers written as floats, as the API server takes them, and the names that a help repeats.
use crd::load::{SourceText, load};

fn group(size: &str) -> String {
    format!(
        "apiVersion: shardplane.dev/v1alpha1\nkind: P2PGroup\nmetadata: {{name: pair}}\nspec: {{size: {size}, automatic: {{per: Card}}}}\n"
    )
}

#[test]
fn a_whole_float_is_the_integer() {
    let read = |text: String| load(&[SourceText::new("g.yaml", text)]);
    let (float, integer) = (read(group("4.0")), read(group("4")));
    assert!(float.diagnostics.is_empty(), "{:?}", float.diagnostics);
    assert_eq!(
        float.declaration.groups[0].spec,
        integer.declaration.groups[0].spec
    );
    for wrong in ["4.5", "3.0", "1e300"] {
        assert!(read(group(wrong)).has_errors(), "{wrong}");
    }
}

#[test]
fn a_group_declared_twice_is_named_once() {
    let model = "---\napiVersion: shardplane.dev/v1alpha1\nkind: ShardedModel\nmetadata: {name: m, namespace: default}\nspec: {groupRef: somewhere-else}\n";
    let text = format!("{}---\n{}{model}", group("4"), group("4"));
    let loaded = load(&[SourceText::new("g.yaml", text)]);
    let found = loaded.diagnostics.iter().find(|d| d.id() == "SP-V0061");
    assert_eq!(found.expect("it is told").help, "declared are pair");
}
