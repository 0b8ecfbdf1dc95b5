//! How a snapshot was recorded: by what, until when it counts, what was replaced in it, and the hash that seals it.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HardwareSnapshot;
use crate::id::Digest;

/// How a snapshot was recorded. It is about the file, not the machine, and enters neither digests nor decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recording {
    /// The program that wrote it, and its version.
    #[schemars(length(max = 64))]
    pub tool: String,
    /// When it was taken; written where it expires, so that two recordings that do not are the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24), regex(pattern = MOMENT))]
    pub taken_at: Option<String>,
    /// From when on nothing should be planned by it; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24), regex(pattern = MOMENT))]
    pub expires_at: Option<String>,
    /// What was replaced by pseudonyms; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// BLAKE3 over canonical JSON (RFC 8785) of the whole document without this field, `b3:` form.
    pub hash: Digest,
}

/// A moment in UTC with milliseconds, `2026-01-31T09:00:00.000Z`. Of this form, text order is the order of time.
pub(crate) const MOMENT: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$";

/// What was replaced by pseudonyms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redaction {
    /// Fingerprint of the key: recordings with the same one give the same thing the same pseudonym.
    #[schemars(length(max = 32))]
    pub key: String,
    /// Labels that stand as they were, by key, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 320)))]
    pub kept_labels: Vec<String>,
}

impl Recording {
    /// Whether it counts no more at a moment that is written as its own are.
    pub fn is_expired(&self, now: &str) -> bool {
        self.expires_at.as_deref().is_some_and(|until| until <= now)
    }
}

impl HardwareSnapshot {
    /// The snapshot as a recording writes it: sealed with a hash over all of it. `recording` comes without its hash.
    #[must_use]
    pub fn sealed(mut self, recording: Recording) -> Self {
        self.recording = Some(recording);
        // A snapshot of plain structs and text keys always has a JSON form.
        let document = serde_json::to_value(&self).unwrap_or_default();
        if let Some(recording) = &mut self.recording {
            recording.hash = hash(document);
        }
        self
    }
}

/// The hash that a recorded document should carry, whatever it does carry.
pub(crate) fn hash(mut document: Value) -> Digest {
    if let Some(Value::Object(recording)) = document.get_mut("recording") {
        recording.shift_remove("hash");
    }
    let bytes =
        serde_json_canonicalizer::to_vec(&document).unwrap_or_else(|e| e.to_string().into());
    Digest(format!("b3:{}", blake3::hash(&bytes).to_hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_ends_at_its_moment() {
        let recording = Recording {
            tool: "test".into(),
            taken_at: None,
            expires_at: Some("2026-03-01T00:00:00.000Z".into()),
            redaction: None,
            hash: Digest(String::new()),
        };
        for (now, expired) in [
            ("2025-12-31T23:59:59.999Z", false),
            ("2026-02-28T23:59:59.999Z", false),
            ("2026-03-01T00:00:00.000Z", true),
            ("2030-01-01T00:00:00.000Z", true),
        ] {
            assert_eq!(recording.is_expired(now), expired, "{now}");
        }
        let endless = Recording {
            expires_at: None,
            ..recording
        };
        assert!(!endless.is_expired("9999-12-31T23:59:59.999Z"));
    }
}
