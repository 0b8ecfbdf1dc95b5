//! `qaic-exec` and `qaic-compile`: a double that checks its call, keeps a record of it, and leaves a marker nobody can serve.
use std::{fs, io, path::Path};

use super::{complained, said};
use crate::{
    access::{Invocation, ToolOutput},
    linux::opened::{self, For},
    rack::{RackError, RackServer},
};

/// Begins the `programqpc.bin` that a rack's compiler double leaves: whoever would serve it can tell that it is none.
pub const COMPILER_MARKER: &str = "SHARDPLANE-RACK-COMPILER-DOUBLE";

pub(super) fn run(
    server: &RackServer,
    program: &str,
    invocation: &Invocation,
    arguments: &[String],
) -> Result<ToolOutput, RackError> {
    let number = server.store.transact(|live, _| {
        live.compiler_calls += 1;
        Ok(live.compiler_calls)
    })?;
    let record = serde_json::json!({
        "program": program,
        "arguments": arguments,
        "files": invocation.files.iter().map(|(name, text)| serde_json::json!({ "name": name, "text": text })).collect::<Vec<_>>(),
    });
    let folder = server.store.folder().join("compiler-calls");
    let path = folder.join(format!("{number:04}.json"));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, format!("{record:#}\n")))
        .map_err(|source| RackError::State {
            doing: "recording the compiler's call in",
            path,
            source,
        })?;
    let value = |names: &[&str]| {
        arguments.iter().find_map(|argument| {
            names
                .iter()
                .find_map(|name| argument.strip_prefix(name)?.strip_prefix('='))
        })
    };
    let (Some(model), Some(out)) = (value(&["-m", "-model"]), value(&["-aic-binary-dir"])) else {
        return Ok(complained("usage: -m=MODEL -aic-binary-dir=DIR …\n", 255));
    };
    if !Path::new(model).is_file() {
        return Ok(complained(&format!("Unable to open model {model}\n"), 255));
    }
    for flag in [
        "-mdp-load-partition-config",
        "-network-specialization-config",
    ] {
        if let Some(file) = value(&[flag]) {
            let parsed = opened::read(file.as_ref(), For::Reading)
                .map_err(|error| error.to_string())
                .and_then(|text| {
                    serde_json::from_slice::<serde_json::Value>(&text)
                        .map_err(|error| error.to_string())
                });
            if let Err(error) = parsed {
                return Ok(complained(&format!("{flag}: {error}\n"), 255));
            }
        }
    }
    // Some versions of the real compiler refuse a folder that exists, so that none may be there.
    let made = match fs::create_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Ok(complained(
                &format!("Output directory {out} already exists\n"),
                255,
            ));
        }
        other => other,
    };
    let written = made.and_then(|()| {
        fs::write(
            Path::new(out).join("programqpc.bin"),
            format!("{COMPILER_MARKER}\n{record:#}\n"),
        )
    });
    if let Err(error) = written {
        return Ok(complained(
            &format!("Unable to write {out}: {error}\n"),
            255,
        ));
    }
    Ok(said("Reading ONNX Model from file\nCompile complete\n", 0))
}
