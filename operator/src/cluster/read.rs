//! An object as it was read: one that this version does not understand is told of, and hides no other.
use std::{borrow::Cow, sync::Arc};

use crd::kind::Condition;
use kube_client::{Resource, api::ObjectMeta};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

/// An object, understood or not. Definitions may be newer than this program, and whoever wrote a field meant something.
#[derive(Clone, Debug)]
pub struct Read<K> {
    metadata: ObjectMeta,
    /// The object; or why it is not understood, and what its status says already.
    pub object: Result<Arc<K>, Arc<Unread>>,
}

/// An object that is not understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// Its kind.
    pub kind: String,
    /// Its identity.
    pub metadata: ObjectMeta,
    /// What of it is not understood.
    pub why: String,
    /// Its conditions, as far as they can be read.
    pub conditions: Vec<Condition>,
    /// The generation that they are about.
    pub observed: Option<i64>,
    /// The whole of its status, as it stands there.
    pub status: Value,
}

impl Unread {
    /// What is not understood of it, and what to do about that.
    pub fn sentence(&self) -> String {
        format!(
            "this controller (version {}) does not understand all that is declared ({}); upgrade the controller, or take that away",
            env!("CARGO_PKG_VERSION"),
            self.why
        )
    }
}

/// Why an object that is not understood stands still, and whatever waits for it.
pub const REASON: &str = "NotUnderstood";

impl<'de, K: DeserializeOwned> Deserialize<'de> for Read<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            // Most of an object, and nothing is decided by it.
            metadata.remove("managedFields");
        }
        let metadata: ObjectMeta =
            serde_json::from_value(value["metadata"].clone()).map_err(D::Error::custom)?;
        let object = serde_json::from_value::<K>(value.clone())
            .map(Arc::new)
            .map_err(|error| {
                let conditions = value["status"]["conditions"].clone();
                Arc::new(Unread {
                    kind: value["kind"].as_str().unwrap_or_default().to_owned(),
                    metadata: metadata.clone(),
                    why: error.to_string(),
                    conditions: serde_json::from_value(conditions).unwrap_or_default(),
                    observed: value["status"]["observedGeneration"].as_i64(),
                    status: value["status"].clone(),
                })
            });
        Ok(Self { metadata, object })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Read<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Those that are understood, and those that are not, of one kind.
pub fn parted<K>(all: &[Arc<Read<K>>]) -> (Vec<Arc<K>>, Vec<Arc<Unread>>) {
    let understood = all.iter().filter_map(|read| read.object.as_ref().ok());
    let unread = all.iter().filter_map(|read| read.object.as_ref().err());
    (understood.cloned().collect(), unread.cloned().collect())
}

#[cfg(test)]
mod tests {
    use crd::kind::P2PGroup;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_that_is_not_understood_hides_no_other() {
        let group = |name: &str, spec: Value| {
            json!({
                "apiVersion": "shardplane.dev/v1alpha1",
                "kind": "P2PGroup",
                "metadata": { "name": name, "generation": 2 },
                "spec": spec,
                "status": { "observedGeneration": 1 },
            })
        };
        let known = json!({ "size": 4, "automatic": { "per": "Card" } });
        let newer = json!({ "size": 4, "automatic": { "per": "Card" }, "future": "x" });
        let list = json!([group("a", newer), group("b", known)]);
        let all: Vec<Read<P2PGroup>> = serde_json::from_value(list).unwrap();
        let all: Vec<Arc<Read<P2PGroup>>> = all.into_iter().map(Arc::new).collect();
        let (understood, unread) = parted(&all);
        assert_eq!(understood[0].metadata.name.as_deref(), Some("b"));
        assert_eq!(unread[0].kind, "P2PGroup");
        assert_eq!(unread[0].observed, Some(1));
        assert!(unread[0].why.contains("`future`"), "{}", unread[0].why);
    }
}
