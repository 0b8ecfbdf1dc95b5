//! Pushes a folder: what the registry has already is not sent again, and what is sent is named by its digest throughout.
use std::{
    io::{Cursor, Read},
    path::Path,
};

use super::{
    error::ArtifactError,
    image::{Document, Image, MANIFEST},
    layers::{Layer, layers},
    name::Reference,
    registry::{Registry, Sent},
};

/// By this header a registry says what it has.
const DIGEST: &str = "docker-content-digest";

/// Pushes a folder as the image that the registry's name has a tag for; its digest. Twice is the same as once.
pub fn push(
    registry: &mut Registry,
    folder: &Path,
    tell: &dyn Fn(&str),
) -> Result<String, ArtifactError> {
    let Reference::Tag(tag) = registry.name.reference().clone() else {
        return Err(ArtifactError::Name {
            name: registry.name.reference().as_str().to_owned(),
            wanted: "tag: an image is pushed by one, and has its digest then",
        });
    };
    let layers = layers(folder)?;
    let Image { config, manifest } = Image::of(&layers);
    let to = format!("manifests/{tag}");
    let doing = format!("looking for the manifest of {tag}");
    let address = registry.address(&to);
    let there = registry.tried(tell, |registry| {
        registry.ask(&doing, ("HEAD", &address), &[404], || Sent::Nothing)
    })?;
    let has = there.headers().get(DIGEST);
    if there.status().is_success() && has.is_some_and(|has| has == manifest.digest.as_str()) {
        tell("the registry has it already");
        return Ok(manifest.digest);
    }
    for layer in &layers {
        let Layer { digest, size, .. } = layer;
        blob(registry, (digest, *size), tell, || Box::new(layer.bytes()))?;
    }
    let Document { text, digest } = &config;
    blob(registry, (digest, text.len() as u64), tell, || {
        Box::new(Cursor::new(text.clone()))
    })?;
    let doing = format!("pushing the manifest of {tag}");
    let answer = registry.tried(tell, |registry| {
        registry.ask(&doing, ("PUT", &address), &[], || {
            Sent::Text(MANIFEST, &manifest.text)
        })
    })?;
    let found = answer.headers().get(DIGEST);
    let found = found.map(|found| found.to_str().unwrap_or("something else"));
    match found {
        Some(found) if found != manifest.digest => Err(ArtifactError::Differs {
            doing,
            found: found.to_owned(),
            expected: manifest.digest,
        }),
        _ => Ok(manifest.digest),
    }
}

/// Pushes a blob where it is not there.
fn blob<'a>(
    registry: &mut Registry,
    (digest, size): (&str, u64),
    tell: &dyn Fn(&str),
    bytes: impl Fn() -> Box<dyn Read + 'a>,
) -> Result<(), ArtifactError> {
    registry.tried(tell, |registry| {
        let doing = format!("looking for blob {digest}");
        let address = registry.address(&format!("blobs/{digest}"));
        let there = registry.ask(&doing, ("HEAD", &address), &[404], || Sent::Nothing)?;
        if there.status().is_success() {
            return Ok(());
        }
        tell(&format!("pushing blob {digest} ({size} bytes)"));
        let doing = format!("pushing blob {digest}");
        let address = registry.address("blobs/uploads/");
        let begun = registry.ask(&doing, ("POST", &address), &[], || Sent::Nothing)?;
        let location = begun.headers().get("location");
        let Some(location) = location.and_then(|location| location.to_str().ok()) else {
            return Err(ArtifactError::NoProgram {
                doing,
                why: "the registry does not say where to".to_owned(),
            });
        };
        let join = if location.contains('?') { '&' } else { '?' };
        let to = registry.resolved(&format!("{location}{join}digest={digest}"));
        let answer = registry.ask(&doing, ("PUT", &to), &[404, 416], || {
            Sent::Bytes(size, bytes())
        })?;
        match answer.status().as_u16() {
            // It knows nothing any more of what it had begun.
            status @ (404 | 416) => Err(ArtifactError::Answered {
                doing,
                registry: registry.name.registry().to_owned(),
                status: 500,
                said: format!(": the upload was lost ({status})"),
            }),
            _ => Ok(()),
        }
    })
}
