//! One snapshot against another, value by value: entries of lists are known again by what they are, not by place.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    difference::{Change, ChangeSort},
    snapshot::HardwareSnapshot,
};
use serde_json::{Map, Value};

use super::subject::{self, key, words};

/// Everything in which two snapshots differ, their readings and how they were recorded left out.
pub fn difference(before: &HardwareSnapshot, after: &HardwareSnapshot) -> Vec<Change> {
    let plain = |snapshot: &HardwareSnapshot| {
        // A snapshot of plain structs and text keys always has a JSON form.
        serde_json::to_value(HardwareSnapshot {
            readings: None,
            recording: None,
            ..snapshot.clone()
        })
        .unwrap_or_default()
    };
    let mut walk = Walk {
        changes: Vec::new(),
    };
    let root = Spot {
        before: String::new(),
        after: String::new(),
        list: String::new(),
        subject: String::new(),
        field: String::new(),
    };
    walk.value(&root, Some(&plain(before)), Some(&plain(after)));
    // A SoC stands in several lists, and comes or goes once.
    let mut told = BTreeSet::new();
    walk.changes.retain(|change| {
        let whole = change.field.is_empty() && change.sort != ChangeSort::Changed;
        !(whole && change.subject.starts_with("SoC "))
            || told.insert((change.subject.clone(), change.words.clone()))
    });
    walk.changes
}

struct Walk {
    changes: Vec<Change>,
}

/// Where a walk stands: in both documents, and in words.
#[derive(Clone)]
struct Spot {
    before: String,
    after: String,
    /// The name of the field that this value is, or of the list that it is an entry of.
    list: String,
    subject: String,
    field: String,
}

impl Spot {
    /// One step down to a field.
    fn field(&self, name: &str) -> Self {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let subject = if self.subject.is_empty() {
            words(name)
        } else {
            self.subject.clone()
        };
        let field = match (self.subject.is_empty(), self.field.is_empty(), name) {
            // The value of a fact is what the fact is about.
            (_, _, "value") => self.field.clone(),
            (true, _, _) => String::new(),
            (false, true, _) => words(name),
            (false, false, _) => format!("{} {}", self.field, words(name)),
        };
        Self {
            before: format!("{}/{escaped}", self.before),
            after: format!("{}/{escaped}", self.after),
            // The value of a fact is a list of what the fact is a list of.
            list: if name == "value" {
                self.list.clone()
            } else {
                name.to_owned()
            },
            subject,
            field,
        }
    }

    /// One step down to an entry of a list, by its places there.
    fn entry(&self, before: Option<usize>, after: Option<usize>, entry: &Value) -> Self {
        let at = |pointer: &str, index: Option<usize>| {
            index.map_or_else(String::new, |index| format!("{pointer}/{index}"))
        };
        let named = subject::subject(&self.list, entry);
        let field = match (&named, before.or(after)) {
            (Some(_), _) if self.list == "holders" => "holder".to_owned(),
            (Some(_), _) => String::new(),
            (None, Some(_)) if self.list == "bars" => {
                format!("{} {}", self.field, entry["index"])
            }
            (None, Some(index)) => format!("{} {index}", self.field),
            (None, None) => self.field.clone(),
        };
        Self {
            before: at(&self.before, before),
            after: at(&self.after, after),
            list: String::new(),
            subject: named.unwrap_or_else(|| self.subject.clone()),
            field,
        }
    }
}

impl Walk {
    fn value(&mut self, spot: &Spot, before: Option<&Value>, after: Option<&Value>) {
        if before == after {
            return;
        }
        match (before, after) {
            (Some(Value::Object(a)), Some(Value::Object(b))) if is_fact(a) && is_fact(b) => {
                self.fact(spot, a, b);
            }
            (Some(Value::Object(a)), Some(Value::Object(b))) => self.fields(spot, a, b),
            (Some(Value::Array(a)), Some(Value::Array(b)))
                if a.iter().chain(b).any(Value::is_object) =>
            {
                self.entries(spot, a, b);
            }
            _ => self.leaf(spot, before, after),
        }
    }

    fn fields(&mut self, spot: &Spot, before: &Map<String, Value>, after: &Map<String, Value>) {
        let added = after.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(added) {
            let (a, b) = (before.get(name), after.get(name));
            let below = spot.field(name);
            // A list that is left out when it is empty is empty.
            let none = Value::Array(Vec::new());
            match (a, b) {
                (Some(Value::Array(_)), None) => self.value(&below, a, Some(&none)),
                (None, Some(Value::Array(_))) => self.value(&below, Some(&none), b),
                _ => self.value(&below, a, b),
            }
        }
    }

    /// A fact differs in what it says, or only in where that was read.
    fn fact(&mut self, spot: &Spot, before: &Map<String, Value>, after: &Map<String, Value>) {
        let says =
            |fact: &Map<String, Value>| (fact.get("value").cloned(), fact.get("unknown").cloned());
        if says(before) == says(after) {
            let at = spot.field("source");
            self.leaf(&at, before.get("source"), after.get("source"));
            if let Some(last) = self.changes.last_mut() {
                last.sort = ChangeSort::Source;
            }
            return;
        }
        match (before.get("value"), after.get("value")) {
            (Some(a @ Value::Object(_)), Some(b @ Value::Object(_)))
                if a["state"] == b["state"] =>
            {
                self.value(&spot.field("value"), Some(a), Some(b));
            }
            (Some(a @ Value::Array(one)), Some(b @ Value::Array(other)))
                if one.iter().chain(other).any(Value::is_object) =>
            {
                self.value(&spot.field("value"), Some(a), Some(b));
            }
            _ => {
                let (a, b) = (Value::Object(before.clone()), Value::Object(after.clone()));
                self.leaf(spot, Some(&a), Some(&b));
            }
        }
    }

    /// Entries that both lists have, in the first's order, then those that only the second has.
    fn entries(&mut self, spot: &Spot, before: &[Value], after: &[Value]) {
        let (a, b) = (keyed(&spot.list, before), keyed(&spot.list, after));
        let places: BTreeMap<&str, usize> =
            b.iter().map(|(key, at, _)| (key.as_str(), *at)).collect();
        for (key, at, entry) in &a {
            let other = places.get(key.as_str()).copied();
            let below = spot.entry(Some(*at), other, other.map_or(entry, |at| &after[at]));
            self.value(&below, Some(entry), other.map(|at| &after[at]));
        }
        for (key, at, entry) in &b {
            if !a.iter().any(|(known, _, _)| known == key) {
                self.value(&spot.entry(None, Some(*at), entry), None, Some(entry));
            }
        }
    }

    fn leaf(&mut self, spot: &Spot, before: Option<&Value>, after: Option<&Value>) {
        let sort = match (before, after) {
            (None, _) => ChangeSort::Added,
            (_, None) => ChangeSort::Removed,
            (Some(_), Some(_)) => ChangeSort::Changed,
        };
        let whole = spot.field.is_empty() && sort != ChangeSort::Changed;
        let words = match (sort, whole) {
            (ChangeSort::Added, true) => "came".to_owned(),
            (ChangeSort::Removed, true) => "is gone".to_owned(),
            _ if spot.field == "holder" => {
                let holder = after.or(before);
                let name = holder
                    .and_then(|holder| holder["name"].as_str())
                    .unwrap_or("?");
                match sort {
                    ChangeSort::Added => format!("{name} came"),
                    _ => format!("{name} is gone"),
                }
            }
            _ => format!("{} -> {}", subject::value(before), subject::value(after)),
        };
        let pointer = |text: &str, there: bool| there.then(|| text.to_owned());
        self.changes.push(Change {
            sort,
            before_pointer: pointer(&spot.before, before.is_some()),
            after_pointer: pointer(&spot.after, after.is_some()),
            subject: spot.subject.clone(),
            field: spot.field.clone(),
            before: before.cloned(),
            after: after.cloned(),
            words,
        });
    }
}

fn is_fact(map: &Map<String, Value>) -> bool {
    map.contains_key("source")
        && map
            .keys()
            .all(|key| matches!(key.as_str(), "value" | "unknown" | "source"))
}

/// Entries with the keys by which they are known again; a key that comes twice is told apart by its turn.
fn keyed<'a>(list: &str, entries: &'a [Value]) -> Vec<(String, usize, &'a Value)> {
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    entries
        .iter()
        .enumerate()
        .map(|(at, entry)| {
            let known = key(list, entry).unwrap_or_else(|| format!("#{at}"));
            let turn = turns.entry(known.clone()).or_default();
            *turn += 1;
            (format!("{known}/{turn}"), at, entry)
        })
        .collect()
}
