//! The two documents beside the layers: by them a node knows that it can mount the image. Written so, never otherwise.
use serde::Deserialize;
use serde_json::json;

use super::{digest, error::ArtifactError, layers::Layer};

/// A manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A layer as we write it: not compressed, for numbers hardly are.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A document and its digest.
#[derive(Clone, Debug)]
pub struct Document {
    /// As it is sent.
    pub text: String,
    /// `sha256:…`.
    pub digest: String,
}

/// What an image is, beside its layers.
#[derive(Clone, Debug)]
pub struct Image {
    /// What a runtime would start: nothing.
    pub config: Document,
    /// What names all of it.
    pub manifest: Document,
}

/// A blob as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// What it is.
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Named>,
}

impl Image {
    /// The image of these layers. A node takes only what is for its own architecture, as programs are: this machine's.
    pub fn of(layers: &[Layer]) -> Self {
        let digests: Vec<&String> = layers.iter().map(|layer| &layer.digest).collect();
        let config = document(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {},
            // What is not compressed is its own content.
            "rootfs": { "type": "layers", "diff_ids": digests },
        }));
        let named: Vec<_> = layers
            .iter()
            .map(|layer| json!({ "mediaType": LAYER, "digest": layer.digest, "size": layer.size }))
            .collect();
        let manifest = document(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.text.len() },
            "layers": named,
        }));
        Self { config, manifest }
    }
}

/// The layers that a manifest of ours names.
pub fn named(doing: &str, manifest: &[u8]) -> Result<Vec<Named>, ArtifactError> {
    let wrong = |why: String| ArtifactError::NoProgram {
        doing: doing.to_owned(),
        why,
    };
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|error| wrong(format!("its manifest names no layers ({error})")))?;
    if let Some(other) = manifest.layers.iter().find(|one| one.media_type != LAYER) {
        return Err(wrong(format!(
            "it has a layer that is {}",
            other.media_type
        )));
    }
    Ok(manifest.layers)
}

fn document(value: &serde_json::Value) -> Document {
    let text = value.to_string();
    let digest = digest(text.as_bytes());
    Document { text, digest }
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
