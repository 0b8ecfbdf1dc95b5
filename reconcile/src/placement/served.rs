//! The program that a model serves, and whether its build suits it.
use crd::{
    declaration::{Declaration, Declared},
    kind::{ModelBuildSpec, ShardedModelSpec},
    plan::ReportReason,
    program::ProgramRequest,
};

use super::Obstacle;

/// The program that a model serves, from its build or from itself.
pub fn program(
    declaration: &Declaration,
    model: &Declared<ShardedModelSpec>,
) -> Result<ProgramRequest, Box<Obstacle>> {
    let spec = &model.spec;
    let refuse = |pointer: &str, message: String, hint: &str| {
        Box::new(Obstacle {
            reason: ReportReason::BuildMismatch,
            object: model.object.clone(),
            pointer: pointer.into(),
            functions: Vec::new(),
            message,
            hint: hint.into(),
        })
    };
    let Some(name) = &spec.build_ref else {
        let (Some(source), Some(target), Some(precision)) =
            (&spec.model, spec.target, spec.precision)
        else {
            return Err(refuse(
                "/spec",
                "it names no build, and not all of model, target and precision".into(),
                "give `buildRef`, or `model`, `target` and `precision`",
            ));
        };
        return Ok(ProgramRequest {
            object: model.object.clone(),
            source: source.clone(),
            declared_in: file(model),
            target,
            precision,
            shapes: crd::kind::ProgramShapes {
                context_length: spec.serving.context_length,
                batch: spec.serving.slots,
                prompt_length: None,
            },
            topology: crd::kind::TopologyShape {
                shards: spec.shards,
                cores: None,
                connectivity: spec.connectivity,
            },
            accelerator: spec.accelerator.clone(),
            model: source.digest.clone(),
            key: None,
        });
    };
    let build = declaration.builds.iter().find(|build| {
        build.object.name == *name && build.object.namespace == model.object.namespace
    });
    let Some(build) = build else {
        return Err(refuse(
            "/spec/buildRef",
            format!("no ModelBuild {name} is declared in its namespace"),
            "declare it, or give `model` instead of `buildRef`",
        ));
    };
    let ModelBuildSpec {
        topology, shapes, ..
    } = &build.spec;
    let mismatch = if topology.shards != spec.shards {
        Some((
            "/spec/shards",
            format!(
                "it wants {} shards and build {name} makes {}",
                spec.shards, topology.shards
            ),
        ))
    } else if topology.connectivity != spec.connectivity {
        let text = format!(
            "it wants {:?} and build {name} is for {:?}",
            spec.connectivity, topology.connectivity
        );
        Some(("/spec/connectivity", text))
    } else if spec.serving.context_length > shapes.context_length {
        let (want, have) = (spec.serving.context_length, shapes.context_length);
        Some((
            "/spec/serving/contextLength",
            format!("it wants {want} tokens and build {name} holds {have}"),
        ))
    } else if spec.serving.slots > shapes.batch {
        let (want, have) = (spec.serving.slots, shapes.batch);
        Some((
            "/spec/serving/slots",
            format!("it wants {want} slots and build {name} holds {have}"),
        ))
    } else {
        None
    };
    match mismatch {
        Some((pointer, message)) => Err(refuse(pointer, message, "make model and build agree")),
        None => Ok(build_request(build)),
    }
}

/// The program that a build makes; keys and cores are filled in on a node.
pub fn build_request(build: &Declared<ModelBuildSpec>) -> ProgramRequest {
    let ModelBuildSpec {
        source,
        target,
        precision,
        shapes,
        topology,
        accelerator,
        store: _,
        pod: _,
    } = &build.spec;
    ProgramRequest {
        object: build.object.clone(),
        source: source.clone(),
        declared_in: file(build),
        target: *target,
        precision: *precision,
        shapes: shapes.clone(),
        topology: *topology,
        accelerator: accelerator.clone(),
        model: source.digest.clone(),
        key: None,
    }
}

fn file<S>(object: &Declared<S>) -> String {
    object
        .span("")
        .map_or_else(String::new, |span| span.file.clone())
}
