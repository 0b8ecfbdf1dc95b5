//! What a room was last brought to: the declaration that was carried out as far as it goes, with nothing of it waiting for
//! anybody. An edit that waits for approval leaves the cards as this says, and so does a boot meanwhile.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
    kind::{P2PGroupSpec, ShardedModelSpec},
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

    /// What each room of the state folder was last brought to.
    pub fn of_every_room(state: &StateDir) -> Result<Vec<Self>, StateError> {
        let read = |source| StateError::Read {
            path: state.root.clone(),
            source,
        };
        let rooms = match fs::read_dir(&state.root) {
            Ok(rooms) => rooms,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(read(source)),
        };
        let mut every = Vec::new();
        for room in rooms {
            let name = room.map_err(read)?.file_name();
            let room = StateDir::new(&state.root, &name.to_string_lossy());
            if room.room.is_dir() {
                every.extend(Self::read(&room)?);
            }
        }
        Ok(every)
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

    /// What stands while `now`, whose paths start from `base`, waits for approval: policies and groups as they were left, and
    /// models as they are declared now.
    ///
    /// Whether anything is written, when and after how many others is for `now` to say, and asks nobody. A model whose group
    /// is declared otherwise by now stays as it was, with no more replicas than are declared; a group that nobody declares
    /// and no such model uses goes.
    #[must_use]
    pub fn beside(self, now: &Declaration, base: &Path) -> Declaration {
        let from = self.base;
        let mut left = self.declaration;
        for policy in &mut left.policies {
            if let Some(now) = find(&now.policies, &policy.object) {
                policy.spec.enforcement = now.spec.enforcement;
                policy.spec.approval = now.spec.approval.clone();
                policy.spec.rollout = now.spec.rollout.clone();
            }
        }
        let group = |all: &[Declared<P2PGroupSpec>], name: &str| {
            let mut named = all.iter().filter(|group| group.object.name == name);
            named.next().map(|group| group.spec.clone())
        };
        let stays = |model: &Declared<ShardedModelSpec>| {
            let name = model.spec.group_ref.as_deref();
            name.is_none_or(|name| group(&left.groups, name) == group(&now.groups, name))
        };
        let models = now.models.iter().filter_map(|declared| {
            if stays(declared) {
                return Some(declared.clone());
            }
            let mut model = find(&left.models, &declared.object)?.clone();
            model.spec.replicas = model.spec.replicas.min(declared.spec.replicas);
            for span in model.spans.values_mut().filter(|_| from != base) {
                span.file = from.join(&span.file).display().to_string();
            }
            Some(model)
        });
        left.models = models.collect();
        left.builds.clone_from(&now.builds);
        let models = &left.models;
        left.groups.retain(|group| {
            let mut using = models.iter().map(|model| model.spec.group_ref.as_deref());
            let used = using.any(|used| used == Some(group.object.name.as_str()));
            used || find(&now.groups, &group.object).is_some()
        });
        left
    }
}

fn file(state: &StateDir) -> PathBuf {
    state.room.join("left.json")
}

fn find<'a, S>(all: &'a [Declared<S>], object: &ObjectRef) -> Option<&'a Declared<S>> {
    all.iter().find(|declared| declared.object == *object)
}
