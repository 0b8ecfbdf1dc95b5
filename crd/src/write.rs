//! The one writer of YAML: what it writes, YAML 1.1 and 1.2 readers read alike.
use serde::Serialize;

/// Why a value has no YAML form.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The value cannot be serialized, or holds what YAML cannot.
    #[error("writing a value as YAML")]
    Serialize(#[source] serde_yaml::Error),
}

/// Writes a value as one YAML document.
pub fn to_yaml<T: Serialize + ?Sized>(value: &T) -> Result<String, WriteError> {
    serde_yaml::to_string(value).map_err(WriteError::Serialize)
}
