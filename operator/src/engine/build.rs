//! One program: the model's digest, its key, the compiler's or the worker's work, and its place in the store.
use std::{ffi::OsString, path::Path, time::Duration};

use crd::{
    declaration::Declaration,
    id::{Digest, ProgramKey},
    kind::{Precision, Target},
    program::ProgramRequest,
    snapshot::{PresentProgram, Tools},
};
use machine::{COMPILERS, Invocation, vendor::CompilerWords};

use super::{Engine, beside, observe};
use crate::{
    console::Work,
    exit::{Exit, TABLE},
    failure::Failure,
    room::Node,
    state::{
        models::{ModelDigests, ModelError},
        programs::ProgramStore,
    },
    toolchain::{Called, killed_by},
};

/// The vendor's compiler takes up to an hour for large models; a day is beyond doubt.
pub(super) const COMPILE_LIMIT: Duration = Duration::from_hours(24);

/// How a build ended.
#[derive(Debug)]
pub enum BuildEnd {
    /// The program is in the store.
    Built,
    /// Somebody asked for a stop.
    Stopped,
    /// It did not work.
    Failed {
        /// Why, in one sentence.
        why: String,
        /// Whose fault that is.
        exit: Exit,
    },
}

impl BuildEnd {
    fn failed(exit: Exit, why: impl Into<String>) -> Self {
        Self::Failed {
            why: why.into(),
            exit,
        }
    }
}

/// Builds one program.
pub fn build(
    engine: &mut Engine<'_>,
    node: &Node,
    request: &ProgramRequest,
    work: &Work<'_>,
) -> Result<BuildEnd, Failure> {
    let Some(path) = &request.source.path else {
        return Ok(BuildEnd::failed(
            Exit::Input,
            format!(
                "{} takes its model from a volume or a registry, which only a cluster has; give `path` instead",
                request.object
            ),
        ));
    };
    let model = engine.place.resolve(path, &request.declared_in);
    work.now(&format!("reading {}", model.display()));
    let file = engine.room.state.models();
    let mut digests = ModelDigests::read(&file);
    let (stop, places) = (engine.stop, (engine.room, engine.console));
    let read = beside::workers((&mut engine.crew, stop), places, || {
        digests.compute(&model, || stop.asked().is_some())
    });
    let digest = match read {
        Ok(digest) => digest,
        Err(ModelError::Stopped { .. }) => {
            digests.write(&file)?;
            return Ok(BuildEnd::Stopped);
        }
        Err(error) => {
            let exit = Failure::from(error);
            return Ok(BuildEnd::failed(
                exit.exit(),
                format!(
                    "{} (declared in {} by {})",
                    exit.chain(),
                    request.declared_in,
                    request.object
                ),
            ));
        }
    };
    digests.write(&file)?;
    if let Some(declared) = request
        .source
        .digest
        .as_ref()
        .filter(|declared| **declared != digest)
    {
        return Ok(BuildEnd::failed(
            Exit::Input,
            format!(
                "{} declares the model's digest {declared}, but {} has {digest}; fix one of them",
                request.object,
                model.display()
            ),
        ));
    }
    let tools = observe::node(engine.room, node, &engine.surroundings())?.tools;
    let wanted = ProgramRequest {
        model: Some(digest.clone()),
        ..request.clone()
    };
    let Some(key) = reconcile::program::key(&wanted, &tools) else {
        engine.binary.path()?;
        return Ok(BuildEnd::failed(
            Exit::Unavailable,
            "what would compile it does not say what it is",
        ));
    };
    match request.target {
        Target::CPU => slice(engine, request, &model, (&key, digest), work),
        Target::AI100 => compile(engine, node, &wanted, &model, (&key, digest), &tools),
    }
}

fn slice(
    engine: &mut Engine<'_>,
    request: &ProgramRequest,
    model: &Path,
    (key, digest): (&ProgramKey, Digest),
    work: &Work<'_>,
) -> Result<BuildEnd, Failure> {
    let store = ProgramStore::new(engine.room.state.programs());
    let out = store.program(key);
    let precision = match request.precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
        Precision::Int4 => "int4",
        Precision::Fp16 | Precision::Mxfp6 => {
            return Ok(BuildEnd::failed(
                Exit::Input,
                "Fp16 and Mxfp6 are for target AI100; use F32, Bf16, Int8 or Int4",
            ));
        }
    };
    let shards = request.topology.shards.to_string();
    let arguments: Vec<OsString> = [
        "--checkpoint".into(),
        model.into(),
        "--out".into(),
        out.clone().into(),
        "--shards".into(),
        shards.into(),
        "--precision".into(),
        precision.into(),
        "--key".into(),
        key.as_str().into(),
        "--slots".into(),
        request.shapes.batch.to_string().into(),
        "--context".into(),
        request.shapes.context_length.to_string().into(),
    ]
    .into();
    let mut called = made(engine, &arguments, work)?;
    // What lies there without a record is taken where it is whole, and is damaged where it is not.
    let taken = Some(i32::from(Exit::CannotWrite.code()));
    if matches!(&called, Called::Ended { code, .. } if *code == taken) {
        store.set_aside(key)?;
        called = made(engine, &arguments, work)?;
    }
    match called {
        Called::Stopped => Ok(BuildEnd::Stopped),
        Called::Ended { code: Some(0), .. } => {
            store.record(&PresentProgram {
                key: key.clone(),
                target: Target::CPU,
                model: digest,
            })?;
            Ok(BuildEnd::Built)
        }
        Called::Ended {
            code,
            signal,
            stderr,
            ..
        } => {
            let exit = code.and_then(from_worker).unwrap_or(Exit::Unavailable);
            let last = stderr.trim();
            let said = match (signal, code) {
                (Some(signal), _) if last.is_empty() => {
                    format!("the worker was {}", killed_by(signal))
                }
                (Some(signal), _) => {
                    format!(
                        "the worker was {} (it last said: {last})",
                        killed_by(signal)
                    )
                }
                (None, Some(code)) if last.is_empty() => {
                    format!("the worker ended with exit code {code} and said nothing")
                }
                (None, _) => last.to_owned(),
            };
            Ok(BuildEnd::failed(
                exit,
                format!(
                    "building {} from {}: {said}{}",
                    request.object,
                    model.display(),
                    declared_shards(engine.declaration, request),
                ),
            ))
        }
    }
}

fn made(
    engine: &mut Engine<'_>,
    arguments: &[OsString],
    work: &Work<'_>,
) -> Result<Called, Failure> {
    let (binary, stop) = (engine.binary, engine.stop);
    let places = (engine.room, engine.console);
    beside::workers((&mut engine.crew, stop), places, || {
        binary.build(arguments, stop, |line| work.now(line))
    })
}

/// Which line asks for so many shards; nothing where what is declared has no such object any more.
fn declared_shards(declaration: &Declaration, request: &ProgramRequest) -> String {
    let Declaration {
        policies: _,
        groups: _,
        builds,
        models,
    } = declaration;
    let model = models
        .iter()
        .find(|model| model.object == request.object)
        .and_then(|model| model.span("/spec/shards"));
    let build = builds
        .iter()
        .find(|build| build.object == request.object)
        .and_then(|build| build.span("/spec/topology/shards"));
    model.or(build).map_or_else(String::new, |span| {
        format!(
            " (`shards: {}` is declared at {}:{})",
            request.topology.shards, span.file, span.line
        )
    })
}

/// The worker's exit codes are ours.
fn from_worker(code: i32) -> Option<Exit> {
    TABLE
        .iter()
        .find(|row| i32::from(row.code) == code && (64..=77).contains(&code))
        .map(|row| row.exit)
}

fn compile(
    engine: &mut Engine<'_>,
    node: &Node,
    request: &ProgramRequest,
    model: &Path,
    (key, digest): (&ProgramKey, Digest),
    tools: &Tools,
) -> Result<BuildEnd, Failure> {
    let call = match reconcile::program::compiler_call(request, tools) {
        Ok(call) => call,
        Err(error) => return Ok(BuildEnd::failed(Exit::Input, error.to_string())),
    };
    let store = ProgramStore::new(engine.room.state.programs());
    let place = store.workplace(key)?;
    let written = |source| Failure::Write {
        path: place.display().to_string(),
        source,
    };
    std::fs::create_dir(&place).map_err(written)?;
    let (from, to) = (
        model.display().to_string(),
        place.join("qpc").display().to_string(),
    );
    let arguments = call
        .arguments
        .iter()
        .map(|a| a.replace("{model}", &from).replace("{out}", &to))
        .collect();
    let invocation = Invocation {
        program: format!("{COMPILERS}/{}", call.program),
        arguments,
        files: call.files.clone(),
        results: Vec::new(),
        directory: None,
        deadline: COMPILE_LIMIT,
    };
    let places = (engine.room, engine.console);
    let ran = beside::workers((&mut engine.crew, engine.stop), places, || {
        node.machine.run(&invocation)
    });
    let output = match ran {
        Ok(output) => output,
        Err(error) => {
            return Ok(BuildEnd::failed(
                Exit::Unavailable,
                crate::failure::chain(&error),
            ));
        }
    };
    // Its exit code alone proves nothing in either direction: what counts is the program, whole as far as can be told.
    let container = place.join("qpc").join("programqpc.bin");
    let bytes = std::fs::metadata(&container)
        .map_or(0, |found| if found.is_file() { found.len() } else { 0 });
    if output.status != Some(0) || bytes == 0 {
        let Ok(words) = format!("{}\n{}", output.stdout, output.stderr).parse::<CompilerWords>();
        let ended = match (output.timed_out, output.status) {
            (true, _) => "took too long and was stopped".to_owned(),
            (false, None) => "was killed by a signal; where that was SIGKILL, most likely memory ran out (`dmesg` says)".to_owned(),
            (false, Some(0)) => {
                "ended with 0 and left no programqpc.bin, or an empty one".to_owned()
            }
            (false, Some(code)) => format!("ended with exit code {code}"),
        };
        let hint = words
            .fault
            .hint()
            .map_or_else(String::new, |hint| format!("; {hint}"));
        return Ok(BuildEnd::failed(
            Exit::Unavailable,
            format!("`{}` {ended}: {}{hint}", call.program, words.last),
        ));
    }
    // Beside the program: how it was made, so that a person can make it again.
    let recipe = serde_json::json!({ "call": call, "stdout": output.stdout });
    std::fs::write(place.join("compile.json"), format!("{recipe:#}\n")).map_err(written)?;
    store.admit(
        &place,
        &PresentProgram {
            key: key.clone(),
            target: Target::AI100,
            model: digest,
        },
    )?;
    Ok(BuildEnd::Built)
}
