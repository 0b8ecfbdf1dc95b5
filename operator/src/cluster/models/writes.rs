//! What a turn writes: values first, then each at the API server, on the version that it was decided on.
use std::sync::Arc;

use crd::kind::{
    API_VERSION, Condition, ModelBuild, ModelBuildStatus, ShardedModel, ShardedModelStatus,
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment, batch::v1::Job, core::v1::Service, policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
    serde_json::{Value, json},
};
use kube_client::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
    core::{ApiResource, DynamicObject, NamespaceResourceScope},
};

use super::world::{Made, Object, Place};
use crate::cluster::{
    names::MODELS,
    read::{Read, Unread},
};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Make an object or change it.
    Apply {
        /// Which.
        object: Object,
        /// The whole of what is ours to say.
        body: Value,
        /// The version that it was decided on; absent makes the object.
        version: Option<String>,
    },
    /// Change the replicas of a deployment alone.
    Scale {
        /// Which.
        deployment: Arc<Deployment>,
        /// How many.
        replicas: i32,
    },
    /// Take a job away, its pods too.
    DeleteJob(Arc<Job>),
    /// Take a build away.
    DeleteBuild(Arc<ModelBuild>),
    /// Say how a build stands.
    BuildStatus {
        /// Which.
        build: Arc<ModelBuild>,
        /// The status.
        status: ModelBuildStatus,
    },
    /// Say how a model stands.
    ModelStatus {
        /// Which.
        model: Arc<ShardedModel>,
        /// The status.
        status: ShardedModelStatus,
    },
    /// Say of an object that it is not understood, and leave whatever else its status says.
    Unread {
        /// Which.
        object: Arc<Unread>,
        /// Its kind.
        kind: Kind,
        /// What is said.
        conditions: Vec<Condition>,
    },
}

/// A kind that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// What is made for builds and models.
    Made(Made),
}

impl Kind {
    /// The kind as Kubernetes calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "ShardedModel",
            Self::Made(made) => made.name(),
        }
    }
}

/// An object and the version that a write left it at; no version for one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its kind.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
    /// Its version.
    pub version: Option<String>,
}

/// Carries one write out.
pub async fn write(client: &Client, write: &Write) -> Result<Written, kube_client::Error> {
    match write {
        Write::Apply {
            object,
            body,
            version,
        } => {
            let mut body = body.clone();
            let mut parameters = PatchParams::apply(MODELS);
            let Place { namespace, name } = &object.place;
            let kind = resource(object.made);
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
            let version = match version {
                Some(version) => Some(version.clone()),
                None => unseen(&api, name, &body).await?,
            };
            if let Some(version) = version {
                body["metadata"]["resourceVersion"] = json!(version);
                parameters = parameters.force();
            }
            let done = api.patch(name, &parameters, &Patch::Apply(body)).await?;
            Ok(written(Kind::Made(object.made), &done))
        }
        Write::Scale {
            deployment,
            replicas,
        } => {
            // Applied alone, it would be all that we say of it.
            let patch = json!({
                "metadata": { "resourceVersion": deployment.resource_version() },
                "spec": { "replicas": replicas },
            });
            let parameters = PatchParams {
                field_manager: Some(MODELS.to_owned()),
                ..PatchParams::default()
            };
            let done = beside(client, deployment.as_ref())
                .patch(&deployment.name_any(), &parameters, &Patch::Merge(patch))
                .await?;
            Ok(written(Kind::Made(Made::Deployment), &done))
        }
        Write::DeleteJob(job) => delete(client, job.as_ref(), Made::Job).await,
        Write::DeleteBuild(build) => delete(client, build.as_ref(), Made::Build).await,
        Write::BuildStatus { build, status } => {
            let done = tell(client, build.as_ref(), "ModelBuild", json!(status)).await?;
            Ok(written(Kind::Made(Made::Build), &done))
        }
        Write::ModelStatus { model, status } => {
            let done = tell(client, model.as_ref(), "ShardedModel", json!(status)).await?;
            Ok(written(Kind::Model, &done))
        }
        Write::Unread {
            object,
            kind: kind @ Kind::Model,
            conditions,
        } => unread::<ShardedModel>(client, object, *kind, conditions).await,
        Write::Unread {
            object,
            kind: kind @ Kind::Made(_),
            conditions,
        } => unread::<ModelBuild>(client, object, *kind, conditions).await,
    }
}

/// The version of an object that is not followed and is there all the same: ours, whose label somebody took away. Where there
/// is none, none; one that is somebody else's is an error, as it would be for whoever creates it. Applied, it would be taken
/// over wherever it does not say otherwise: a Service without a selector, `kubernetes` itself.
async fn unseen(
    api: &Api<DynamicObject>,
    name: &str,
    body: &Value,
) -> Result<Option<String>, kube_client::Error> {
    let new = serde_json::from_value(body.clone()).map_err(kube_client::Error::SerdeError)?;
    // Tried alone, it leaves no second manager of what is applied then.
    let tried = PostParams {
        dry_run: true,
        field_manager: Some(MODELS.to_owned()),
    };
    let Err(taken) = api.create(&tried, &new).await else {
        return Ok(None);
    };
    if !matches!(&taken, kube_client::Error::Api(status) if status.code == 409) {
        return Err(taken);
    }
    // Changing nothing shows what is there to whoever may patch it.
    let nothing = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let there = api.patch(name, &nothing, &Patch::Merge(json!({}))).await?;
    let owner = |owners: &[OwnerReference]| {
        let controls = owners.iter().find(|owner| owner.controller == Some(true));
        controls.map(|owner| owner.uid.clone())
    };
    let ours = owner(new.metadata.owner_references.as_deref().unwrap_or_default());
    if ours.is_some() && owner(there.owner_references()) == ours {
        Ok(there.resource_version())
    } else {
        Err(taken)
    }
}

fn resource(made: Made) -> ApiResource {
    match made {
        Made::Build => ApiResource::erase::<ModelBuild>(&()),
        Made::Job => ApiResource::erase::<Job>(&()),
        Made::Deployment => ApiResource::erase::<Deployment>(&()),
        Made::Service => ApiResource::erase::<Service>(&()),
        Made::Budget => ApiResource::erase::<PodDisruptionBudget>(&()),
    }
}

/// The objects of a kind in the namespace of one of them.
fn beside<K>(client: &Client, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

async fn tell<K>(
    client: &Client,
    object: &K,
    kind: &str,
    status: Value,
) -> Result<K, kube_client::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let name = object.name_any();
    let said = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": { "name": name, "namespace": object.namespace(), "resourceVersion": object.resource_version() },
        "status": status,
    });
    let parameters = PatchParams::apply(MODELS).force();
    beside(client, object)
        .patch_status(&name, &parameters, &Patch::Apply(said))
        .await
}

/// Merged and not applied: an autoscaler goes by the rest of the status, which applying would take away.
async fn unread<K>(
    client: &Client,
    object: &Unread,
    kind: Kind,
    conditions: &[Condition],
) -> Result<Written, kube_client::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let Place { namespace, name } = Place::named(&object.metadata);
    let patch = json!({
        "metadata": { "resourceVersion": object.metadata.resource_version },
        "status": {
            "observedGeneration": object.metadata.generation,
            "conditions": conditions,
        },
    });
    let parameters = PatchParams {
        field_manager: Some(MODELS.to_owned()),
        ..PatchParams::default()
    };
    let done = Api::<Read<K>>::namespaced(client.clone(), &namespace)
        .patch_status(&name, &parameters, &Patch::Merge(patch))
        .await?;
    Ok(written(kind, &done))
}

async fn delete<K>(client: &Client, object: &K, made: Made) -> Result<Written, kube_client::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let parameters = DeleteParams {
        // A job's pods would be left behind otherwise.
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        }),
        ..DeleteParams::default()
    };
    beside(client, object)
        .delete(&object.name_any(), &parameters)
        .await?;
    Ok(Written {
        kind: Kind::Made(made),
        place: Place::of(object),
        version: None,
    })
}

fn written(kind: Kind, object: &impl ResourceExt) -> Written {
    Written {
        kind,
        place: Place::of(object),
        version: object.resource_version(),
    }
}
