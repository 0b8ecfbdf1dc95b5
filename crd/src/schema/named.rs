//! A schema by any name that people give it: kind, plural, short name, or the name of its file.
use serde_json::Value;

use super::{crds, definition, json_schemas};
use crate::kind::Kind;

/// The schemas of one kind, or of one record that we write.
#[derive(Clone, Debug)]
pub struct Schema {
    /// What people call it first.
    pub name: String,
    /// What else they may call it, lower case.
    pub also: Vec<String>,
    /// The custom resource definition as `(file name, YAML)`; none for what no cluster stores.
    pub crd: Option<(String, String)>,
    /// The JSON Schema as `(path, JSON)`.
    pub json: (String, String),
}

/// Every schema: kinds first.
pub fn all() -> Vec<Schema> {
    let mut crds = crds().into_iter();
    let mut kinds = Kind::ALL.into_iter();
    json_schemas()
        .into_iter()
        .map(|json| match kinds.next() {
            Some(kind) => Schema {
                name: kind.as_str().to_owned(),
                also: other_names(kind),
                // Definitions stand in the order of kinds, too.
                crd: definition::definition(kind).and_then(|_| crds.next()),
                json,
            },
            None => Schema {
                name: bare(&json.0),
                also: Vec::new(),
                crd: None,
                json,
            },
        })
        .collect()
}

/// The schema that somebody means; `None` where no name, or more than one, begins so.
pub fn named(name: &str) -> Option<Schema> {
    let wanted = bare(name);
    let mut all = all();
    let is = |schema: &Schema| bare(&schema.name) == wanted || schema.also.contains(&wanted);
    if let Some(at) = all.iter().position(is) {
        return Some(all.swap_remove(at));
    }
    let begins = |schema: &Schema| !wanted.is_empty() && bare(&schema.name).starts_with(&wanted);
    let mut begun = all.iter().filter(|schema| begins(schema));
    match (begun.next(), begun.next()) {
        (Some(schema), None) => Some(schema.clone()),
        (None | Some(_), _) => None,
    }
}

/// The plural and the short name of a kind.
fn other_names(kind: Kind) -> Vec<String> {
    let lower = kind.as_str().to_lowercase();
    let Some(definition) = definition::definition(kind) else {
        return vec![format!("{lower}s")];
    };
    let names = &definition["spec"]["names"];
    let short = names["shortNames"].as_array().into_iter().flatten();
    std::iter::once(&names["plural"])
        .chain(short)
        .filter_map(Value::as_str)
        .map(str::to_lowercase)
        .collect()
}

/// A name without the folder, the group, the version and the ending that files and API paths have, in lower case.
fn bare(name: &str) -> String {
    let mut bare = name.trim().to_lowercase();
    bare = bare
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    for ending in [".yaml", ".yml", ".json"] {
        bare = bare
            .strip_suffix(ending)
            .map_or(bare.clone(), str::to_owned);
    }
    for mark in [".shardplane.dev", ".v1alpha1", "_v1alpha1", "-v1alpha1"] {
        bare = bare.replace(mark, "");
    }
    bare.retain(|c| !matches!(c, '-' | '_' | ' '));
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(name: &str) -> Option<String> {
        named(name).map(|schema| schema.name)
    }

    #[test]
    fn any_reasonable_name_of_a_kind_is_understood() {
        for name in [
            "CardPolicy",
            "cardpolicy",
            "CARDPOLICY",
            "cardpolicies",
            "CardPolicies",
            "cpol",
            "card-policy",
            "card_policy",
            "cardpolicy_v1alpha1",
            "cardpolicy_v1alpha1.json",
            "shardplane.dev/cardpolicy_v1alpha1.json",
            "crd/schemas/shardplane.dev/cardpolicy_v1alpha1.json",
            "cardpolicies.shardplane.dev",
            "cardpolicies.shardplane.dev.yaml",
            "charts/shardplane/crds/cardpolicies.shardplane.dev.yaml",
            "cardpolicy.yaml",
            "shardplane.dev/v1alpha1/CardPolicy",
            "cardpolicy.v1alpha1.shardplane.dev",
            "cardp",
        ] {
            assert_eq!(means(name).as_deref(), Some("CardPolicy"), "{name}");
        }
        for schema in all() {
            let names = schema
                .also
                .iter()
                .chain([&schema.name, &schema.json.0])
                .chain(schema.crd.as_ref().map(|(file, _)| file));
            for name in names {
                assert_eq!(means(name).as_ref(), Some(&schema.name), "{name}");
            }
        }
    }

    #[test]
    fn files_and_kinds_belong_together() {
        for schema in all() {
            assert!(
                schema.json.1.contains(&schema.name) || schema.name == bare(&schema.json.0),
                "{}",
                schema.name
            );
            if let Some((_, text)) = &schema.crd {
                assert!(
                    text.contains(&format!("kind: {}\n", schema.name)),
                    "{}",
                    schema.name
                );
            }
        }
        assert!(named("Rack").is_some_and(|rack| rack.crd.is_none()));
    }

    #[test]
    fn what_could_be_two_is_none() {
        for name in ["card", "", "/", ".yaml", "pod"] {
            assert_eq!(means(name), None, "{name}");
        }
    }
}
