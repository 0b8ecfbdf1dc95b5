//! Values that the chart's schema allows, drawn from the schema itself: what it does not refuse is tried, however odd.
mod drawn;
mod texts;

pub use drawn::drawn;
use serde_json::{Map, Value, json};

use crate::helm::Helm;

/// What may be said under a key: nothing, `null`, which takes a default away, or a value.
pub type Choices = Vec<Option<Value>>;

/// Every key of the schema that takes a value, with what may be said there; a branch after its keys.
///
/// # Panics
/// When the schema says something that this does not know how to draw from.
#[must_use]
pub fn choices(schema: &Value, defaults: &Value) -> Vec<(String, Choices)> {
    let schema = inlined(schema, schema);
    let mut found = Vec::new();
    let mut open = vec![(String::new(), &schema, true)];
    while let Some((path, schema, required)) = open.pop() {
        // What Helm hands to every chart.
        if path == "/global" {
            continue;
        }
        let default = defaults.pointer(&path);
        let mut of = vec![None];
        if default.is_some() && !required {
            of.push(Some(Value::Null));
        }
        let branch = default
            .and_then(Value::as_object)
            .is_some_and(|keys| !keys.is_empty());
        match schema["properties"].as_object().filter(|_| branch) {
            Some(properties) => open.extend(properties.iter().map(|(key, below)| {
                let needed = schema["required"].as_array().into_iter().flatten();
                let required = needed.into_iter().any(|name| name == key);
                (format!("{path}/{key}"), below, required)
            })),
            None => of.extend(drawn(schema).into_iter().map(Some)),
        }
        if of.len() > 1 {
            found.push((path, of));
        }
    }
    found.sort_by(|one, other| other.0.cmp(&one.0));
    found
}

/// The schema with every definition in the place where it is named.
fn inlined(schema: &Value, whole: &Value) -> Value {
    match schema {
        Value::Object(keys) => {
            let named = keys.get("$ref").and_then(Value::as_str);
            let named = named.and_then(|name| whole.pointer(name.strip_prefix('#')?));
            named.map_or_else(
                || {
                    let below = keys.iter().filter(|(key, _)| *key != "definitions");
                    below
                        .map(|(key, value)| (key.clone(), inlined(value, whole)))
                        .collect()
                },
                |named| inlined(named, whole),
            )
        }
        Value::Array(items) => items.iter().map(|item| inlined(item, whole)).collect(),
        scalar => scalar.clone(),
    }
}

/// So many combinations that each choice is in one at least; the same every time.
#[must_use]
pub fn samples(choices: &[(String, Choices)]) -> Vec<Value> {
    let count = choices.iter().map(|(_, of)| of.len()).max().unwrap_or(0);
    let mut dice = Dice::new();
    let mut all = vec![json!({}); count];
    for (path, of) in choices {
        // Dealt as cards are: all of them before any comes again.
        let mut deck: Vec<&Option<Value>> = Vec::new();
        for values in &mut all {
            if deck.is_empty() {
                deck = of.iter().collect();
            }
            let card = deck.swap_remove(dice.below(deck.len()));
            if let Some(value) = card {
                set(values, path, value.clone());
            }
        }
    }
    all
}

/// What the chart comes to with values that its schema allows. What no schema can say, that a request is above its
/// limit, is refused by a template; then without either.
///
/// # Errors
/// What helm has against them besides.
pub fn rendered(helm: &Helm, namespace: &str, values: &Value) -> Result<String, String> {
    let refused = match helm.text(namespace, values) {
        Err(why) if why.contains("lower the one or raise the other") => why,
        otherwise => return otherwise,
    };
    let mut without = values.clone();
    for path in ["controller", "agent"] {
        let branch = without.get_mut(path).and_then(Value::as_object_mut);
        branch.map(|branch| branch.remove("resources"));
    }
    helm.text(namespace, &without)
        .map_err(|why| format!("{refused}; and without resources: {why}"))
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

/// Throws that are the same every time.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(1)
    }

    /// A number below `sides`, of which there is one at least.
    fn below(&mut self, sides: usize) -> usize {
        // Knuth's constants of a linear congruential generator; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }
}
