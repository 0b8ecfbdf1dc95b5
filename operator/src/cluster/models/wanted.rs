//! An object as it is to be, held against the object as it is: nothing is written that stands there already.
use kube_client::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use super::world::{Object, Place, Refusal, World};
use crate::cluster::{
    controller::stays,
    names::{APPLIED, MADE_BY, MODELS},
};

/// An object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which.
    pub object: Object,
    /// Version, kind and all that is ours to say; metadata without what [`Wanted::body`] adds.
    pub said: Value,
}

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Owner {
    /// An object as an owner.
    pub fn new(kind: &'static str, object: &impl ResourceExt) -> Self {
        Self {
            kind,
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}

/// How an object stands to what is wanted of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// It is as wanted.
    Fits,
    /// This is to be written, on that version; without one there is none yet.
    Write {
        /// The whole of it.
        body: Value,
        /// The version.
        version: Option<String>,
    },
    /// It is somebody else's.
    Taken,
    /// It goes away first.
    Leaves,
    /// The API server did not take it, and it is not time to try again.
    Refused,
}

impl Wanted {
    /// The object whole, with a digest of itself.
    pub fn body(&self, owner: &Owner) -> Value {
        let Place { namespace, name } = &self.object.place;
        let mut body = self.said.clone();
        let metadata = &mut body["metadata"];
        metadata["name"] = json!(name);
        metadata["namespace"] = json!(namespace);
        metadata["labels"][MADE_BY] = json!(MODELS);
        metadata["ownerReferences"] = json!([{
            "apiVersion": crd::kind::API_VERSION,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            "controller": true,
        }]);
        let digest = blake3::hash(body.to_string().as_bytes()).to_hex();
        body["metadata"]["annotations"][APPLIED] = json!(digest.as_str());
        body
    }

    /// Holds it against what is there.
    pub fn held<K>(&self, world: &World, owner: &Owner, live: Option<&K>) -> Held
    where
        K: Resource + Serialize,
    {
        let body = self.body(owner);
        if let Some(live) = live {
            if !is_of(live, owner) {
                return if stays(live) {
                    Held::Taken
                } else {
                    Held::Leaves
                };
            }
            if !stays(live) {
                return Held::Leaves;
            }
            let there = serde_json::to_value(live).unwrap_or_default();
            if holds(&there, &body) {
                return Held::Fits;
            }
        }
        let waits = self
            .refusal(world, owner)
            .is_some_and(|refusal| !refusal.again);
        if waits {
            return Held::Refused;
        }
        Held::Write {
            body,
            version: live.and_then(ResourceExt::resource_version),
        }
    }

    /// Why the API server did not take exactly this.
    pub fn refusal<'a>(&self, world: &'a World, owner: &Owner) -> Option<&'a Refusal> {
        let refusal = world.refused.get(&self.object)?;
        (Some(refusal.applied.as_str()) == applied(&self.body(owner))).then_some(refusal)
    }
}

/// The digest that a body has of itself.
pub fn applied(body: &Value) -> Option<&str> {
    body["metadata"]["annotations"][APPLIED].as_str()
}

/// Whether an object is controlled by this owner.
pub fn is_of(object: &impl Resource, owner: &Owner) -> bool {
    let owners = object.meta().owner_references.iter().flatten();
    owners
        .into_iter()
        .any(|of| of.controller == Some(true) && of.uid == owner.uid)
}

/// Whether all of `wanted` stands in `there`, which may have more: defaults, what others added, its status.
///
/// Lists of named things are compared by name, others as they are.
fn holds(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            let there = there.get(key);
            match key.as_str() {
                "requests" | "limits" => {
                    there.is_some_and(|there| same_amounts(there, wanted)) || empty(wanted)
                }
                // One label more selects nothing.
                "selector" => there == Some(wanted),
                _ => there.is_some_and(|there| holds(there, wanted)) || empty(wanted),
            }
        }),
        (Value::Array(there), Value::Array(wanted)) => {
            let named = |item: &Value| item.get("name").cloned();
            if wanted.iter().all(|item| named(item).is_some()) {
                return wanted.iter().all(|wanted| {
                    there
                        .iter()
                        .any(|there| named(there) == named(wanted) && holds(there, wanted))
                });
            }
            there.len() == wanted.len()
                && there
                    .iter()
                    .zip(wanted)
                    .all(|(there, wanted)| holds(there, wanted))
        }
        (there, wanted) => there == wanted,
    }
}

/// An empty map stands nowhere once it was stored.
fn empty(wanted: &Value) -> bool {
    wanted.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Amounts as the API server writes them are another spelling of ours.
fn same_amounts(there: &Value, wanted: &Value) -> bool {
    let (Value::Object(there), Value::Object(wanted)) = (there, wanted) else {
        return false;
    };
    wanted.iter().all(|(name, wanted)| {
        let Some(there) = there.get(name) else {
            return false;
        };
        let read = |text: &Value| text.as_str().and_then(amount);
        there == wanted || read(there).is_some_and(|there| read(wanted) == Some(there))
    })
}

/// An amount in billionths, the least that an API server knows (`resource.Quantity`): half of an `m` comes back as `500u`.
fn amount(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let factor: u128 = match unit {
        "n" => 1,
        "u" => 1000,
        "m" => 1000_u128.pow(2),
        "" => 1000_u128.pow(3),
        "k" => 1000_u128.pow(4),
        "M" => 1000_u128.pow(5),
        "G" => 1000_u128.pow(6),
        "T" => 1000_u128.pow(7),
        "P" => 1000_u128.pow(8),
        "E" => 1000_u128.pow(9),
        "Ki" => 1000_u128.pow(3) << 10,
        "Mi" => 1000_u128.pow(3) << 20,
        "Gi" => 1000_u128.pow(3) << 30,
        "Ti" => 1000_u128.pow(3) << 40,
        "Pi" => 1000_u128.pow(3) << 50,
        "Ei" => 1000_u128.pow(3) << 60,
        _ => return None,
    };
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let (part, of) = match u32::try_from(part.len()).ok()? {
        0 => (0, 1),
        places @ 1..=9 => (part.parse::<u128>().ok()?, 10_u128.pow(places)),
        _ => return None,
    };
    // What is less than a billionth is rounded up, as the server does it.
    let part = part.checked_mul(factor)?.div_ceil(of);
    whole.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Value);

    #[test]
    fn what_is_there_may_have_more_and_spell_amounts_otherwise() {
        let wanted = json!({
            "spec": {
                "replicas": 2,
                "args": ["a", "b"],
                "containers": [{ "name": "worker", "resources": { "requests": { "cpu": "1000m", "memory": "1.5Gi" } } }],
                "nothing": {},
                "selector": { "a": "b" },
            },
        });
        let like = |change: &dyn Fn(&mut Value)| {
            let mut there = json!({
                "spec": {
                    "replicas": 2,
                    "args": ["a", "b"],
                    "selector": { "a": "b" },
                    "containers": [
                        { "name": "sidecar" },
                        { "name": "worker", "tty": false, "resources": { "requests": { "cpu": "1", "memory": "1536Mi", "more": "1" } } },
                    ],
                },
                "status": {},
            });
            change(&mut there);
            holds(&there, &wanted)
        };
        assert!(like(&|_| {}));
        let differences: [(&str, Change); 6] = [
            ("a label more that is selected by", |there| {
                there["spec"]["selector"]["b"] = json!("c");
            }),
            ("a number", |there| there["spec"]["replicas"] = json!(3)),
            ("an argument more", |there| {
                there["spec"]["args"] = json!(["a", "b", "c"]);
            }),
            ("a container gone", |there| {
                there["spec"]["containers"] = json!([{ "name": "sidecar" }]);
            }),
            ("an amount", |there| {
                there["spec"]["containers"][1]["resources"]["requests"]["memory"] = json!("1.5G");
            }),
            ("an amount that cannot be read", |there| {
                there["spec"]["containers"][1]["resources"]["requests"]["cpu"] = json!("1e3");
            }),
        ];
        // What cannot be read and stands there word for word is written no second time.
        let odd = json!({ "limits": { "cpu": "1e-4", "memory": "?" } });
        assert!(holds(&odd, &odd));
        for (what, change) in differences {
            assert!(!like(&change), "{what}");
        }
    }

    #[test]
    fn an_amount_is_what_it_comes_back_as() {
        // As a 1.37 server writes them.
        for (ours, theirs) in [
            ("0.5m", "500u"),
            ("1.5m", "1500u"),
            ("100.25m", "100250u"),
            ("0.001", "1m"),
            ("2.000", "2"),
            ("1000m", "1"),
            ("0.001Ki", "1024m"),
            ("1.5Gi", "1536Mi"),
            ("1024Ki", "1Mi"),
            ("1000M", "1G"),
        ] {
            assert!(amount(ours).is_some(), "{ours}");
            assert_eq!(amount(ours), amount(theirs), "{ours} {theirs}");
        }
        assert_ne!(amount("0.5m"), amount("1m"));
        assert_eq!(amount("1e3"), None);
    }
}
