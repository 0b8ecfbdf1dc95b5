//! One turn: builds and models as they are go in, what is to be written comes out. No effect, and the same for the same.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Declared},
    id::ObjectRef,
};
use kube_client::ResourceExt;

use super::{
    builds,
    serving::{self, Seen},
    standing, unread,
    world::{Made, Object, Place, World},
    writes::Write,
};
use crate::cluster::{controller::stays, names::PROGRAM};

/// Decides.
pub fn decide(world: &World) -> Vec<Write> {
    let declaration = declaration(world);
    let served = served(world);
    let courses: BTreeMap<Place, builds::Course> = world
        .builds
        .iter()
        .filter(|(_, build)| stays(build.as_ref()))
        .map(|(place, build)| (place.clone(), builds::course(world, build, &served)))
        .collect();
    let seen = Seen {
        world,
        declaration: &declaration,
        builds: &courses,
    };
    let mut writes = Vec::new();
    for declared in &declaration.models {
        let place = place(&declared.object);
        if let Some(model) = world.models.get(&place) {
            let course = serving::course(&seen, model, declared);
            writes.extend(standing::status(world, model, &course));
            writes.extend(course.writes);
        }
    }
    for (place, course) in courses {
        // What its model changes or deletes now is decided next turn, on what that leaves.
        let changes = writes.iter().any(|write| match write {
            Write::Apply { object, .. } => {
                *object
                    == Object {
                        made: Made::Build,
                        place: place.clone(),
                    }
            }
            Write::DeleteBuild(build) => Place::of(build.as_ref()) == place,
            Write::Scale { .. }
            | Write::DeleteJob(_)
            | Write::BuildStatus { .. }
            | Write::ModelStatus { .. }
            | Write::Unread { .. } => false,
        });
        if !changes && let Some(build) = world.builds.get(&place) {
            writes.extend(builds::status(world, build, &course));
            writes.extend(course.writes);
        }
    }
    writes.extend(unread::told(world));
    writes
}

/// Builds, models and groups as the planner's own checks take them. One that is being deleted is declared no more.
fn declaration(world: &World) -> Declaration {
    Declaration {
        policies: Vec::new(),
        groups: Vec::new(),
        builds: world
            .builds
            .values()
            .filter(|build| stays(build.as_ref()))
            .map(|build| declared("ModelBuild", build.as_ref(), &build.spec))
            .collect(),
        models: world
            .models
            .values()
            .filter(|model| stays(model.as_ref()))
            .map(|model| declared("ShardedModel", model.as_ref(), &model.spec))
            .collect(),
    }
}

fn declared<S: Clone>(kind: &str, object: &impl ResourceExt, spec: &S) -> Declared<S> {
    Declared {
        object: ObjectRef {
            kind: kind.to_owned(),
            namespace: object.namespace(),
            name: object.name_any(),
        },
        labels: object.labels().clone(),
        annotations: object.annotations().clone(),
        spec: spec.clone(),
        spans: BTreeMap::new(),
    }
}

fn place(object: &ObjectRef) -> Place {
    Place {
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    }
}

/// Keys of the programs that some model serves: what its newest revision names, and what served last.
fn served(world: &World) -> BTreeSet<String> {
    let newest = world
        .deployments
        .values()
        .filter_map(|deployment| deployment.annotations().get(PROGRAM).cloned());
    let last = world
        .models
        .values()
        .filter_map(|model| Some(model.status.as_ref()?.program.as_ref()?.as_str().to_owned()));
    // What a model that is not understood serves is served all the same.
    let unread = world.unread.iter();
    let unread = unread.filter_map(|object| Some(object.status["program"].as_str()?.to_owned()));
    newest.chain(last).chain(unread).collect()
}
