//! Bounded reads of the small files beside a model's weights.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::TextError;
use crate::regular;

/// The largest published `tokenizer.json` has some 35 MB; ten times that is no tokenizer.
const LIMIT: u64 = 256 * 1024 * 1024;

/// The file's bytes; `None` where it does not exist.
pub(super) fn bytes(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, TextError> {
    let path = directory.join(name);
    let read = || -> std::io::Result<(u64, Vec<u8>)> {
        let file = regular::open(&path)?;
        let size = file.metadata()?.len();
        let mut content = Vec::new();
        if size <= LIMIT {
            file.take(LIMIT).read_to_end(&mut content)?;
        }
        Ok((size, content))
    };
    match read() {
        Ok((size, _)) if size > LIMIT => Err(TextError::TooLarge {
            path,
            size,
            limit: LIMIT,
        }),
        Ok((_, content)) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Read { path, source }),
    }
}

/// The file as a JSON object; `None` where it does not exist.
pub(super) fn object(
    directory: &Path,
    name: &str,
) -> Result<Option<Map<String, Value>>, TextError> {
    let Some(content) = bytes(directory, name)? else {
        return Ok(None);
    };
    let path = directory.join(name);
    match serde_json::from_slice(&content) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(_) => Err(TextError::Json { path, source: None }),
        Err(error) => Err(TextError::Json {
            path,
            source: Some(error),
        }),
    }
}
