//! `inspect` and `toolchain`: what is there, and what it would need.

use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{Format, Inspect, Toolchain};
use super::failure::{Exit, Failure};
use super::output;
use crate::model::{Architecture, ModelShape};
use crate::program::manifest::MANIFEST;
use crate::program::{Inspection, Manifest, Precision, Program, for_cards, inspect};
use crate::serve::chain;
use crate::text::{ModelText, TextError};

pub(super) fn run(arguments: &Inspect) -> Result<(), Failure> {
    let Inspect {
        path,
        shards,
        output: printed,
    } = arguments;
    let program = path.join(MANIFEST).exists();
    if !program {
        for_cards::refuse(path)?;
    }
    let (mut report, text, family) = if program {
        let program = Program::open(path)?;
        let manifest = program.manifest();
        let family = manifest.shape.architecture;
        (value(manifest)?, describe_program(manifest), family)
    } else {
        let seen = inspect(path, *shards)?;
        let family = seen.shape.architecture;
        (value(&seen)?, describe_checkpoint(&seen), family)
    };
    let tokenizer = tokenizer(path, family);
    match printed.format {
        Format::Json => {
            report["tokenizer"] = json!({ "class": tokenizer.class, "refused": tokenizer.refused });
            output::json(&report)
        }
        Format::Text => output::line(&format!("{text}\ntokenizer    {}", tokenizer.line())),
    }
}

/// How text becomes tokens.
struct Tokenizing {
    /// The class that says it, by transformers' name.
    class: Option<&'static str>,
    /// Why there is none.
    refused: Option<String>,
}

impl Tokenizing {
    fn line(&self) -> String {
        match self {
            Self {
                refused: Some(why), ..
            } => format!("none that can be used: {why}"),
            Self { class: None, .. } => "none: there is no tokenizer.json".to_owned(),
            Self {
                class: Some(AS_WRITTEN),
                ..
            } => "as tokenizer.json is written".to_owned(),
            Self {
                class: Some(class), ..
            } => format!(
                "{class}, as transformers 5 makes it: words and merges of tokenizer.json, the rest by the class"
            ),
        }
    }
}

/// What transformers calls a tokenizer for which the file alone decides.
const AS_WRITTEN: &str = "TokenizersBackend";

fn tokenizer(path: &Path, family: Architecture) -> Tokenizing {
    match ModelText::load(path, family, &[]) {
        Ok(text) => Tokenizing {
            class: Some(text.vocabulary.class().name().unwrap_or(AS_WRITTEN)),
            refused: None,
        },
        Err(TextError::NoTokenizer { .. }) => Tokenizing {
            class: None,
            refused: None,
        },
        Err(error) => Tokenizing {
            class: None,
            refused: Some(chain(&error)),
        },
    }
}

pub(super) fn toolchain(arguments: &Toolchain) -> Result<(), Failure> {
    let toolchain = crate::program::toolchain();
    match arguments.output.format {
        Format::Json => output::json(&value(&toolchain)?),
        Format::Text => output::line(&format!(
            "shardplane-worker {}, pack format {}, {} kernels",
            toolchain.version, toolchain.pack_format, toolchain.instruction_set
        )),
    }
}

fn value(report: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(report)
        .map_err(|error| Failure::new(Exit::Internal, &error).doing("writing the report"))
}

fn describe_program(manifest: &Manifest) -> String {
    let sizes: Vec<String> = manifest
        .slices
        .iter()
        .map(|slice| output::bytes(slice.bytes))
        .collect();
    [
        format!(
            "program      {} of {}",
            precision(&json!(manifest.precision)),
            describe_shape(&manifest.shape)
        ),
        format!(
            "accuracy     {}",
            accuracy(manifest.precision, manifest.shape.layers)
        ),
        format!("slices       {}: {}", manifest.shards, sizes.join(", ")),
        format!("key          {}", manifest.key.as_deref().unwrap_or("none")),
        format!(
            "source       {}",
            manifest.source.as_deref().unwrap_or("not recorded")
        ),
        format!(
            "built by     {}, pack format {}",
            manifest.builder, manifest.pack_format
        ),
    ]
    .join("\n")
}

fn describe_checkpoint(inspection: &Inspection) -> String {
    let Inspection {
        shape,
        parameters,
        checkpoint_bytes,
        shards,
        slices,
        bytes,
        kv_bytes_per_token,
        shard_counts,
        warnings,
    } = inspection;
    let counts: Vec<String> = shard_counts.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        format!("checkpoint   {}", describe_shape(shape)),
        format!(
            "weights      {parameters} parameters, {} on disk",
            output::bytes(*checkpoint_bytes)
        ),
        format!("shards       {shards}; possible: {}", counts.join(", ")),
        format!(
            "sliced       {} replicated KV heads, {} of KV cache a token",
            slices.replicated_kv_heads,
            output::bytes(*kv_bytes_per_token)
        ),
    ];
    for packed in bytes {
        let most = packed.ranks.iter().max().copied().unwrap_or_default();
        lines.push(format!(
            "as {:9} {} in all, at most {} a rank; {}",
            precision(&json!(packed.precision)),
            output::bytes(packed.ranks.iter().sum()),
            output::bytes(most),
            accuracy(packed.precision, shape.layers)
        ));
    }
    lines.extend(
        warnings
            .iter()
            .map(|warning| format!("warning      {warning}")),
    );
    lines.join("\n")
}

/// What a precision is stated to lose over so many layers. README.md says how that is meant.
fn accuracy(precision: Precision, layers: u32) -> String {
    match (precision, precision.stated_error(layers)) {
        (Precision::F32, _) => "the reference that errors are stated against".to_owned(),
        (_, Some(error)) => {
            format!(
                "error below {error:.3} of the logits' spread for random weights of variance 1/columns"
            )
        }
        (_, None) => format!("no bound is stated over {layers} layers"),
    }
}

/// A precision by the name that flags and manifests use.
fn precision(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn describe_shape(shape: &ModelShape) -> String {
    format!(
        "{:?}: {} layers of {}, {} heads over {} KV heads, vocabulary {}, context {}",
        shape.architecture,
        shape.layers,
        shape.hidden,
        shape.heads,
        shape.kv_heads,
        shape.vocab,
        shape.context
    )
}
