//! Which programs a declaration is about on machines as they were seen, for which of its objects that cannot be told, and who
//! uses a program.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::Declaration,
    id::{Digest, ObjectRef, ProgramKey, WorkerId},
    kind::Target,
    program::ProgramRequest,
    snapshot::HardwareSnapshot,
};

use super::key;
use crate::placement::{build_request, served_program};

/// Programs that a declaration is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What each program is for; of several objects one.
    pub keys: BTreeMap<ProgramKey, ObjectRef>,
    /// Objects whose program cannot be told, by the target that it is for: the model was not read yet, or nothing is known of
    /// what builds it.
    pub untold: BTreeMap<Target, ObjectRef>,
}

/// Who uses a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A worker that runs.
    Served(WorkerId),
    /// Something declared.
    Declared(ObjectRef),
    /// Something declared needs a program, and which one cannot be told.
    Untold(ObjectRef),
    /// Nobody.
    Nobody,
}

impl Wanted {
    /// Who uses a program of this target, `served` by these workers; of one that is not whole the target is not known.
    pub fn use_of(
        &self,
        key: &ProgramKey,
        target: Option<Target>,
        served: &BTreeMap<ProgramKey, WorkerId>,
    ) -> Use {
        if let Some(worker) = served.get(key) {
            return Use::Served(worker.clone());
        }
        if let Some(object) = self.keys.get(key) {
            return Use::Declared(object.clone());
        }
        let untold = match target {
            Some(target) => self.untold.get(&target),
            None => self.untold.values().next(),
        };
        untold.map_or(Use::Nobody, |object| Use::Untold(object.clone()))
    }
}

/// The programs of every build and model, served or not, where `models` are the digests that are known. A program for cards
/// whose cores are not declared is wanted for every number of cores that was seen.
pub fn wanted(
    declaration: &Declaration,
    models: &BTreeMap<ObjectRef, Digest>,
    snapshots: &[HardwareSnapshot],
) -> Wanted {
    let builds = declaration.builds.iter().map(build_request);
    let served = declaration
        .models
        .iter()
        .filter_map(|model| served_program(declaration, model).ok());
    let mut wanted = Wanted::default();
    for mut request in builds.chain(served) {
        if request.model.is_none() {
            request.model = models.get(&request.object).cloned();
        }
        let keys: BTreeSet<ProgramKey> = snapshots
            .iter()
            .flat_map(|snapshot| keys(&request, snapshot))
            .collect();
        if keys.is_empty() {
            wanted.untold.insert(request.target, request.object);
        } else {
            let named = keys.into_iter().map(|key| (key, request.object.clone()));
            wanted.keys.extend(named);
        }
    }
    wanted
}

fn keys(request: &ProgramRequest, snapshot: &HardwareSnapshot) -> BTreeSet<ProgramKey> {
    let seen = snapshot
        .socs
        .iter()
        .filter_map(|soc| soc.cores.get().copied());
    let cores: BTreeSet<Option<u32>> = match (request.target, request.topology.cores) {
        (Target::AI100, None) => seen.map(Some).collect(),
        (Target::CPU | Target::AI100, declared) => [declared].into(),
    };
    let with = |cores| {
        let mut request = request.clone();
        request.topology.cores = cores;
        key(&request, &snapshot.tools)
    };
    cores.into_iter().filter_map(with).collect()
}
