//! Served models: the build that each has, the workers that serve its program, and how it stands.
use std::{collections::BTreeMap, sync::Arc};

use crd::{
    declaration::{Declaration, Declared},
    kind::{ModelBuild, ShardedModel, ShardedModelSpec, Target},
    program::ProgramRequest,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube_client::{Resource, ResourceExt};
use reconcile::placement::served_program;
use serde::Serialize;

use super::{
    Verdict, builds, claims, placeless, stalled, standing, unread,
    wanted::{Held, Owner, Wanted, is_of},
    workers::{self, Room},
    working,
    world::{Made, Place, World},
    writes::Write,
};
use crate::cluster::names::{MODEL_LABEL, PROGRAM};

/// What a turn comes to for one model.
#[derive(Debug)]
pub struct Course {
    /// Objects that are to be written.
    pub writes: Vec<Write>,
    /// How it stands.
    pub verdict: Verdict,
}

/// What is known when a model is decided.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub world: &'a World,
    /// What it declares.
    pub declaration: &'a Declaration,
    /// What its builds come to.
    pub builds: &'a BTreeMap<Place, builds::Course>,
}

/// Decides for one model.
pub fn course(
    seen: &Seen<'_>,
    model: &Arc<ShardedModel>,
    declared: &Declared<ShardedModelSpec>,
) -> Course {
    let mut turn = Turn {
        seen: *seen,
        owner: Owner::new("ShardedModel", model.as_ref()),
        model,
        writes: Vec::new(),
        against: None,
    };
    let verdict = turn.decide(declared);
    let verdict = turn.against.take().unwrap_or(verdict);
    Course {
        writes: turn.writes,
        verdict,
    }
}

/// The deployment of a model, where it is the model's.
pub fn own<'a>(world: &'a World, model: &ShardedModel) -> Option<&'a Arc<Deployment>> {
    let owner = Owner::new("ShardedModel", model);
    let there = world.deployments.get(&Place::of(model))?;
    is_of(there.as_ref(), &owner).then_some(there)
}

struct Turn<'a> {
    seen: Seen<'a>,
    model: &'a Arc<ShardedModel>,
    owner: Owner,
    writes: Vec<Write>,
    /// What stands against an object of it, which takes a person.
    against: Option<Verdict>,
}

impl Turn<'_> {
    fn decide(&mut self, declared: &Declared<ShardedModelSpec>) -> Verdict {
        if let Some(verdict) = self.waits_for_unread() {
            return verdict;
        }
        let there = own(self.seen.world, self.model).cloned();
        let request = match self.servable(declared) {
            Ok(request) => request,
            Err(mut verdict) => {
                // What serves goes on as it is, in as many replicas as are declared.
                if let Some(there) = &there {
                    verdict.message.push_str(&standing::meanwhile(there));
                    self.scale(there);
                }
                return verdict;
            }
        };
        let (place, is_there) = self.build(&request);
        let course = self.seen.builds.get(&place).filter(|_| is_there);
        let built = course.and_then(|course| course.built.as_ref());
        if let Some(recipe) = built {
            let homeless = placeless::pod(
                self.seen.world,
                &Place::of(self.model.as_ref()),
                MODEL_LABEL,
            );
            let room = homeless.map_or(Room::Maybe, |_| Room::None);
            let wanted = workers::deployment(self.model, recipe, self.seen.world.artifacts, room);
            let live = self.seen.world.deployments.get(&wanted.object.place);
            self.hold(&wanted, live);
        } else if let Some(there) = &there {
            self.scale(there);
        }
        if built.is_some() || there.is_some() {
            let front = workers::front(self.model);
            let live = self.seen.world.services.get(&front.object.place);
            self.hold(&front, live);
            let budget = workers::budget(self.model);
            let live = self.seen.world.budgets.get(&budget.object.place);
            self.hold(&budget, live);
        }
        match (built, course) {
            (Some(_), _) => {
                let changes = |write: &Write| matches!(write, Write::Apply { object, .. } if object.made == Made::Deployment);
                let steady = there
                    .as_deref()
                    .filter(|_| !self.writes.iter().any(changes));
                standing::serves(self.seen.world, self.model, steady)
            }
            (None, Some(course)) => standing::waits(&place.name, &course.verdict, there.as_deref()),
            (None, None) => working(
                "Building",
                format!("ModelBuild {} is being written", place.name),
            ),
        }
    }

    /// The program that it is to serve, where it can.
    fn servable(&self, declared: &Declared<ShardedModelSpec>) -> Result<ProgramRequest, Verdict> {
        let request = served_program(self.seen.declaration, declared).map_err(|obstacle| {
            stalled(
                &format!("{:?}", obstacle.reason),
                format!("{}: {}", obstacle.message, obstacle.hint),
            )
        })?;
        if request.target == Target::AI100 {
            return Err(stalled(
                "DriverMissing",
                "target AI100 takes a device driver that gives pods their SoCs, which this version does not have: no pods are made for it; write target CPU".to_owned(),
            ));
        }
        let against = self.group().or_else(|| self.store());
        against.map_or(Ok(request), Err)
    }

    /// Why nothing is decided of it: what it goes by is of another version.
    fn waits_for_unread(&self) -> Option<Verdict> {
        let spec = &self.model.spec;
        let own = Place::of(self.model.as_ref());
        let build = spec.build_ref.as_ref().map(|name| own.beside(name));
        let world = self.seen.world;
        let group = spec.group_ref.as_ref();
        unread::build(world, build.as_ref().unwrap_or(&own))
            .or_else(|| unread::group(world, group?))
    }

    /// What is wrong with the group that it names. Until pods hold SoCs, a model on the CPU takes none of them.
    fn group(&self) -> Option<Verdict> {
        let name = self.model.spec.group_ref.as_ref()?;
        let mut groups = self.seen.world.groups.iter();
        let shards = self.model.spec.shards;
        match groups.find(|group| group.name_any() == *name) {
            None => Some(stalled(
                "GroupMissing",
                format!("there is no P2PGroup {name}: declare it, or name another in groupRef"),
            )),
            Some(group) if group.spec.size < shards => Some(stalled(
                "GroupTooSmall",
                format!(
                    "it has {shards} shards and sets of P2PGroup {name} have {} SoCs: declare fewer shards or name a larger group",
                    group.spec.size
                ),
            )),
            Some(_) => None,
        }
    }

    /// Why nothing serves from the claim that its programs lie on.
    fn store(&self) -> Option<Verdict> {
        let spec = &self.model.spec;
        let place = Place::of(self.model.as_ref());
        let named = spec.build_ref.as_ref();
        let named = named.and_then(|name| self.seen.world.builds.get(&place.beside(name)));
        let store = match named {
            Some(build) => build.spec.store.as_ref(),
            None => spec.store.as_ref(),
        };
        let pvc = store?.pvc.as_ref()?;
        claims::is_for_one_pod(self.seen.world, &place.beside(&pvc.claim))
    }

    /// Where its build is, one that it names or one of its own, and whether that stands there as it is to be.
    fn build(&mut self, request: &ProgramRequest) -> (Place, bool) {
        let place = Place::of(self.model.as_ref());
        let own: Option<Arc<ModelBuild>> = self.seen.world.builds.get(&place).cloned();
        match &self.model.spec.build_ref {
            None => {
                let wanted = workers::build(self.model, request);
                let is_there = self.hold(&wanted, own.as_ref());
                (place, is_there)
            }
            Some(name) => {
                // The one of its own is left over from when it named none.
                let own = own.filter(|own| *name != place.name && is_of(own.as_ref(), &self.owner));
                if let Some(own) = own
                    && self.serves_only(&place.beside(name))
                {
                    self.writes.push(Write::DeleteBuild(own));
                }
                (place.beside(name), true)
            }
        }
    }

    /// Whether every replica serves the program of this build.
    fn serves_only(&self, build: &Place) -> bool {
        let course = self.seen.builds.get(build);
        let recipe = course.and_then(|course| course.built.as_ref());
        let there = self::own(self.seen.world, self.model);
        recipe.zip(there).is_some_and(|(recipe, there)| {
            there.annotations().get(PROGRAM).map(String::as_str) == Some(recipe.key.as_str())
                && standing::has_rolled(there)
        })
    }

    /// Holds an object against what is there, and says what stands against it; whether it is there as wanted.
    fn hold<K: Resource + Serialize>(&mut self, wanted: &Wanted, live: Option<&Arc<K>>) -> bool {
        let world = self.seen.world;
        let held = wanted.held(world, &self.owner, live.map(Arc::as_ref));
        let object = &wanted.object;
        if let Some(refusal) = wanted.refusal(world, &self.owner)
            && held != Held::Fits
        {
            self.against
                .get_or_insert_with(|| super::refused(object, refusal));
        }
        let fits = held == Held::Fits;
        match held {
            Held::Fits | Held::Leaves | Held::Refused => {}
            Held::Write { body, version } => self.writes.push(Write::Apply {
                object: object.clone(),
                body,
                version,
            }),
            Held::Taken => {
                let hint = match object.made {
                    Made::Build => "name it in buildRef",
                    Made::Job | Made::Deployment | Made::Service | Made::Budget => "delete it",
                };
                self.against.get_or_insert_with(|| {
                    stalled(
                        "NameTaken",
                        format!("{object} is there and is not this model's: {hint}, or give the model another name"),
                    )
                });
            }
        }
        fits
    }

    /// While a program is built, what serves goes on as it is, in as many replicas as are declared.
    fn scale(&mut self, deployment: &Arc<Deployment>) {
        let replicas = deployment.spec.replicas;
        let wanted = i32::try_from(self.model.spec.replicas).unwrap_or(i32::MAX);
        if replicas != Some(wanted) {
            self.writes.push(Write::Scale {
                deployment: deployment.clone(),
                replicas: wanted,
            });
        }
    }
}
