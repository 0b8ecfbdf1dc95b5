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
        let there = there.get(name).and_then(Value::as_str);
        let amounts = there.map(amount).zip(wanted.as_str().map(amount));
        amounts.is_some_and(|(there, wanted)| there.is_some() && there == wanted)
    })
}

/// An amount in thousandths.
fn amount(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 3 {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let part: u128 = format!("{part:0<3}").parse().ok()?;
    let factor: u128 = match unit {
        "m" => return (part == 0).then_some(whole),
        "" => 1,
        "k" => 1000,
        "M" => 1000_u128.pow(2),
        "G" => 1000_u128.pow(3),
        "T" => 1000_u128.pow(4),
        "Ki" => 1024,
        "Mi" => 1024_u128.pow(2),
        "Gi" => 1024_u128.pow(3),
        "Ti" => 1024_u128.pow(4),
        _ => return None,
    };
    whole
        .checked_mul(1000)?
        .checked_add(part)?
        .checked_mul(factor)
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
            },
        });
        let like = |change: &dyn Fn(&mut Value)| {
            let mut there = json!({
                "spec": {
                    "replicas": 2,
                    "args": ["a", "b"],
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
        let differences: [(&str, Change); 5] = [
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
        for (what, change) in differences {
            assert!(!like(&change), "{what}");
        }
    }
}
