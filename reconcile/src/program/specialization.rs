//! Specializations and custom I/O: the shapes and cache tensors that the vendor's compiler is told about.
use std::fmt::Write as _;

use crd::{
    kind::{KvPrecision, ProgramShapes},
    snapshot::Toolchain,
};
use serde_json::{Value, json};

use super::key::PROMPT_LENGTH;

/// How specializations are written. A compiler given the other form fails with exit code 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Symbols directly in each entry (before 1.22).
    Flat,
    /// Entries with `name` and `symbols` (1.22 and later).
    Named,
}

impl Form {
    /// The form that a compiler of this version reads.
    pub fn of(toolchain: &Toolchain) -> Self {
        if crate::selection::version(&toolchain.version) >= vec![1, 22] {
            Self::Named
        } else {
            Self::Flat
        }
    }
}

/// `specializations.json`: one entry for the prompt, one for each next token (left out where they are the same).
///
/// With more than one sequence the prompt of one sequence is taken in while the others decode (continuous batching).
pub fn specializations(shapes: &ProgramShapes, form: Form) -> Value {
    let prompt = shapes.prompt_length.unwrap_or(PROMPT_LENGTH);
    let entry = |batch: u32, tokens: u32| {
        let mut symbols = serde_json::Map::new();
        symbols.insert("batch_size".into(), batch.to_string().into());
        symbols.insert("seq_len".into(), tokens.to_string().into());
        symbols.insert("ctx_len".into(), shapes.context_length.to_string().into());
        if shapes.batch > 1 {
            symbols.insert("full_batch_size".into(), shapes.batch.to_string().into());
        }
        Value::Object(symbols)
    };
    let mut entries = vec![("Prefill", entry(1, prompt))];
    if prompt > 1 || shapes.batch > 1 {
        entries.push(("Decode", entry(shapes.batch, 1)));
    }
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(name, symbols)| match form {
            Form::Flat => symbols,
            Form::Named => json!({ "name": name, "symbols": symbols }),
        })
        .collect();
    json!({ "specializations": entries })
}

/// `custom_io.yaml`: the precision of every cache tensor, going in and retained.
pub fn custom_io(layers: u32, precision: KvPrecision) -> String {
    let precision = match precision {
        KvPrecision::Fp16 => "float16",
        KvPrecision::Mxint8 => "mxint8",
    };
    let mut text = String::new();
    for suffix in ["", "_RetainedState"] {
        for layer in 0..layers {
            for tensor in ["past_key", "past_value"] {
                // Writing to a String cannot fail.
                let _ = writeln!(
                    text,
                    " - IOName: {tensor}.{layer}{suffix}\n   Precision: {precision}"
                );
            }
        }
    }
    text
}
