//! Toolchains that are known by the image that carries them, as in a cluster, where whoever decides runs none of them.
use std::collections::BTreeMap;

use crd::{
    Fact, Unknown,
    id::Digest,
    kind::ModelSource,
    snapshot::{Tools, WorkerToolchain},
};

/// The model's digest where the declaration alone says it: declared itself, or that of an artifact, which is named by its
/// content. What lies on a volume may be anything.
pub fn declared_model(source: &ModelSource) -> Option<Digest> {
    source.digest.clone().or_else(|| {
        let (_, digest) = source.oci.as_ref()?.reference.split_once('@')?;
        Some(Digest(digest.to_owned()))
    })
}

/// What builds and serves for target `CPU` in this image.
///
/// The reference stands for the worker's version and pack format: by digest, it changes exactly when they may. What is
/// packed is the same on every instruction set, and is served on whichever a node has.
pub fn tools_of_image(reference: &str) -> Tools {
    Tools {
        platform_sdk: nobody_looked(reference),
        apps_sdk: nobody_looked(reference),
        compiler: nobody_looked(reference),
        qmonitor_running: nobody_looked(reference),
        qmonitor_owner: None,
        qmonitor_masked: None,
        missing: BTreeMap::new(),
        worker: Fact::known(
            WorkerToolchain {
                pack_format: 0,
                instruction_set: "any".to_owned(),
                version: reference.to_owned(),
            },
            reference,
        ),
    }
}

fn nobody_looked<T>(reference: &str) -> Fact<T> {
    Fact::unknown(Unknown::Absent, reference)
}
