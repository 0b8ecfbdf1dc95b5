//! What a room was last brought to: the declaration that was carried out as far as it goes, with nothing of it waiting for
//! anybody. An edit that waits for approval leaves the cards as this says, and so does a boot meanwhile.
use std::path::{Path, PathBuf};

use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
};
use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, read_json, write_json};

/// The version of the file's format.
const FORMAT: &str = "1";

/// A declaration that was carried out, and the folder that its paths start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    format_version: String,
    /// The folder.
    pub base: PathBuf,
    /// The declaration.
    pub declaration: Declaration,
}

impl Left {
    /// As it was carried out.
    pub fn new(base: &Path, declaration: &Declaration) -> Self {
        Self {
            format_version: FORMAT.to_owned(),
            base: base.to_owned(),
            declaration: declaration.clone(),
        }
    }

    /// What a room was last brought to; `None` where nothing was, or all of it was taken down.
    pub fn read(state: &StateDir) -> Result<Option<Self>, StateError> {
        let left: Option<Self> = read_json(&file(state))?;
        Ok(left
            .filter(|left| left.format_version == FORMAT)
            .filter(|left| left.declaration != Declaration::default()))
    }

    /// Keeps it, where it is another one.
    pub fn keep(&self, state: &StateDir) -> Result<(), StateError> {
        let path = file(state);
        // Whatever else is there is replaced.
        if read_json(&path).ok().flatten().as_ref() == Some(self) {
            return Ok(());
        }
        write_json(&path, self)
    }

    /// What of it still stands while `now` waits for approval. Whether anything is written, when and after how many others
    /// is for `now` to say, and asks nobody; so is which models there are and how many replicas at most. A set is left out
    /// that nobody declares and no such model uses.
    #[must_use]
    pub fn beside(mut self, now: &Declaration) -> Self {
        let left = &mut self.declaration;
        for policy in &mut left.policies {
            if let Some(now) = find(&now.policies, &policy.object) {
                policy.spec.enforcement = now.spec.enforcement;
                policy.spec.approval = now.spec.approval.clone();
                policy.spec.rollout = now.spec.rollout.clone();
            }
        }
        left.models
            .retain_mut(|model| match find(&now.models, &model.object) {
                None => false,
                Some(now) => {
                    model.spec.replicas = model.spec.replicas.min(now.spec.replicas);
                    true
                }
            });
        let models = &left.models;
        left.groups.retain(|group| {
            let name = Some(&group.object.name);
            let mut using = models.iter().map(|model| model.spec.group_ref.as_ref());
            find(&now.groups, &group.object).is_some() || using.any(|used| used == name)
        });
        self
    }
}

fn file(state: &StateDir) -> PathBuf {
    state.room.join("left.json")
}

fn find<'a, S>(all: &'a [Declared<S>], object: &ObjectRef) -> Option<&'a Declared<S>> {
    all.iter().find(|declared| declared.object == *object)
}
