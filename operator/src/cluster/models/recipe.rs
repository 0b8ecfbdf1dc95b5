//! What a build comes to in this cluster: the program's key and where everything lies, or why there is none.
use crd::{
    id::{Digest, ObjectRef, ProgramKey},
    kind::{ModelBuild, ModelBuildSpec, OciStore, Precision, Target},
    program::ProgramRequest,
};
use kube_client::ResourceExt;

use super::{
    Verdict,
    claims::{self, Nodes},
    stalled,
    world::{Place, World},
};

/// A program that can be built here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The program's key.
    pub key: ProgramKey,
    /// Digest of the model.
    pub model: Digest,
    /// Where the program goes to.
    pub store: Store,
    /// The image that builds it and serves it.
    pub image: String,
    /// The weights' precision, as the worker calls it.
    pub precision: &'static str,
}

/// Where a program goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A volume.
    Claim {
        /// The claim.
        name: String,
        /// Its uid, where it is there: another of its name has not got the program.
        uid: Option<String>,
        /// Where pods may be that mount it.
        nodes: Nodes,
    },
    /// A registry.
    Registry {
        /// As it is declared.
        declared: OciStore,
        /// The program there, `repository@sha256:…`, once it is known.
        artifact: Option<String>,
    },
}

impl Store {
    /// The name of the claim or of the repository.
    pub fn name(&self) -> &str {
        match self {
            Self::Claim { name, .. } => name,
            Self::Registry { declared, .. } => &declared.repository,
        }
    }
}

/// What a build comes to in this cluster; else why nobody can build it, which takes a person.
pub fn recipe(build: &ModelBuild, world: &World) -> Result<Recipe, Verdict> {
    let ModelBuildSpec {
        source,
        target,
        precision,
        shapes,
        topology,
        accelerator,
        store,
        pod: _,
    } = &build.spec;
    let refuse = |reason: &str, message: &str| Err(stalled(reason, message));
    let precision_name = match (target, precision) {
        (Target::CPU, Precision::F32) => "f32",
        (Target::CPU, Precision::Bf16) => "bf16",
        (Target::CPU, Precision::Int8) => "int8",
        (Target::CPU, Precision::Int4) => "int4",
        (
            Target::AI100,
            Precision::F32
            | Precision::Bf16
            | Precision::Int8
            | Precision::Int4
            | Precision::Fp16
            | Precision::Mxfp6,
        )
        | (Target::CPU, Precision::Fp16 | Precision::Mxfp6) => {
            return refuse(
                "CompilerMissing",
                "target AI100 is compiled by the vendor's compiler, which no image that this controller knows has; build it on a machine that has the Apps SDK, or write target CPU",
            );
        }
    };
    let Some(image) = world.image.as_deref() else {
        return refuse(
            "ImageMissing",
            "the controller knows no image that builds and serves models: start it with --worker-image, which the Helm chart does where `featureGates.models` is true",
        );
    };
    if source.path.is_some() {
        return refuse(
            "SourceUnreachable",
            "a path means nothing in a cluster: name the model's source by pvc or by oci",
        );
    }
    let store = store.clone().unwrap_or_default();
    let store = match (store.pvc, store.oci) {
        (Some(pvc), _) => {
            let (uid, nodes) = claims::holds(world, &Place::of(build).beside(&pvc.claim));
            Store::Claim {
                name: pvc.claim,
                uid,
                nodes,
            }
        }
        (None, Some(declared)) => Store::Registry {
            declared,
            artifact: None,
        },
        (None, None) => {
            return refuse(
                "StoreMissing",
                "spec.store says of no volume and of no registry that the program is to go there: write `store: {pvc: {claim: NAME}}` or `store: {oci: {repository: REGISTRY/PATH}}`",
            );
        }
    };
    let Some(model) = reconcile::program::declared_model(source) else {
        return refuse(
            "ModelDigestMissing",
            "what lies on a volume may be anything, so a program made of it has no key: declare the model's digest beside pvc (once a model was built on one machine, `shardplane plan -o json` shows it)",
        );
    };
    let request = ProgramRequest {
        object: ObjectRef {
            kind: "ModelBuild".to_owned(),
            namespace: build.namespace(),
            name: build.name_any(),
        },
        source: source.clone(),
        declared_in: String::new(),
        target: *target,
        precision: *precision,
        shapes: shapes.clone(),
        topology: *topology,
        accelerator: accelerator.clone(),
        model: Some(model.clone()),
        key: None,
    };
    match reconcile::program::key(&request, &reconcile::program::tools_of_image(image)) {
        Some(key) => Ok(Recipe {
            key,
            model,
            store,
            image: image.to_owned(),
            precision: precision_name,
        }),
        None => refuse(
            "KeyUnknown",
            "the program has no key; report this with `kubectl get mbuild -o yaml`",
        ),
    }
}
