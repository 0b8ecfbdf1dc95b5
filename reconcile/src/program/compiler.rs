//! The whole command line of the vendor's compiler, in the dialect of the one that is installed.
use crd::{
    kind::{KvPrecision, Precision, Target},
    program::{CompilerCall, ProgramRequest},
    snapshot::{Toolchain, Tools},
};

use super::{
    partition::{PartitionError, partition_config},
    specialization::{Form, custom_io, specializations},
};

/// Why there is no compiler call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompilerError {
    /// The target is not the vendor's.
    #[error("the program is for target CPU, which the worker builds itself")]
    NotAnAccelerator,
    /// No compiler is installed.
    #[error("no compiler for target AI100 is installed; install the Apps SDK")]
    NoCompiler,
    /// A compiler whose dialect is not known.
    #[error("the compiler `{0}` is neither qaic-exec nor qaic-compile")]
    UnknownCompiler(String),
    /// The number of cores is not declared and could not be read.
    #[error("the number of cores of each SoC is unknown; declare `topology.cores`")]
    CoresUnknown,
    /// The precision is one of the CPU target's.
    #[error("precision {0:?} is not one of target AI100; declare Fp16 or Mxfp6")]
    Precision(Precision),
    /// No partition config can be made.
    #[error("cannot lay the program out")]
    Partition(#[from] PartitionError),
    /// A generated file could not be written as JSON.
    #[error("cannot write {file}: {why}")]
    Encode {
        /// The file.
        file: String,
        /// The encoder's words.
        why: String,
    },
}

/// The flags that differ between the vendor's two compilers.
struct Dialect {
    hardware: &'static str,
    compile_only: Option<&'static str>,
}

/// The call that compiles `request` with the compiler in `tools`.
pub fn compiler_call(
    request: &ProgramRequest,
    tools: &Tools,
) -> Result<CompilerCall, CompilerError> {
    match request.target {
        Target::CPU => return Err(CompilerError::NotAnAccelerator),
        Target::AI100 => {}
    }
    let toolchain = tools.compiler.get().ok_or(CompilerError::NoCompiler)?;
    let dialect = dialect(toolchain)?;
    let cores = request.topology.cores.ok_or(CompilerError::CoresUnknown)?;
    let options = request.accelerator.clone().unwrap_or_default();
    let mut files = Vec::new();
    let mut arguments: Vec<String> = vec![
        "-m={model}".into(),
        "-aic-hw".into(),
        format!("-aic-hw-version={}", dialect.hardware),
        format!("-aic-num-cores={cores}"),
        "-retained-state".into(),
    ];
    arguments.extend(dialect.compile_only.map(Into::into));
    match request.precision {
        Precision::Fp16 => arguments.push("-convert-to-fp16".into()),
        Precision::Mxfp6 => {
            arguments.extend(["-convert-to-fp16".into(), "-mxfp6-matmul".into()]);
        }
        other @ (Precision::F32 | Precision::Bf16 | Precision::Int8 | Precision::Int4) => {
            return Err(CompilerError::Precision(other));
        }
    }
    if let Some(split) = options.weight_split_cores {
        arguments.push(format!("-mos={split}"));
    }
    if options.depth_first == Some(true) {
        arguments.push("-aic-enable-depth-first".into());
    }
    if options.compressed_links == Some(true) {
        arguments.push("-allow-mxint8-mdp-io".into());
    }
    let shapes = specializations(&request.shapes, Form::of(toolchain));
    arguments.push("-network-specialization-config={dir}/specializations.json".into());
    files.push((
        "specializations.json".into(),
        pretty("specializations.json", &shapes)?,
    ));
    if let Some(layers) = options.layers {
        let precision = options.kv_precision.unwrap_or(KvPrecision::Fp16);
        arguments.push("-custom-IO-list-file={dir}/custom_io.yaml".into());
        files.push(("custom_io.yaml".into(), custom_io(layers, precision)));
    }
    // One device needs no partition config: the vendor's own tools leave it out.
    if request.topology.shards > 1 {
        let name = format!("mdp_ts_{}.json", request.topology.shards);
        let config = partition_config(&request.topology, cores, &[])?;
        arguments.push(format!("-mdp-load-partition-config={{dir}}/{name}"));
        let text = pretty(&name, &config)?;
        files.push((name, text));
    }
    arguments.push("-aic-binary-dir={out}".into());
    Ok(CompilerCall {
        program: toolchain.program.clone(),
        arguments,
        files,
    })
}

fn dialect(toolchain: &Toolchain) -> Result<Dialect, CompilerError> {
    match toolchain.program.rsplit('/').next() {
        Some("qaic-exec") => Ok(Dialect {
            hardware: "2.0",
            compile_only: Some("-compile-only"),
        }),
        Some("qaic-compile") => Ok(Dialect {
            hardware: "ai100",
            compile_only: None,
        }),
        _ => Err(CompilerError::UnknownCompiler(toolchain.program.clone())),
    }
}

fn pretty<T: serde::Serialize>(file: &str, value: &T) -> Result<String, CompilerError> {
    serde_json::to_string_pretty(value).map_err(|e| CompilerError::Encode {
        file: file.to_owned(),
        why: e.to_string(),
    })
}
