//! Pulls an image of ours into a folder: whole and as it was named, or not there.
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};

use super::{
    BUFFER, digest,
    error::ArtifactError,
    image::{self, Named},
    name::Reference,
    registry::{Registry, Sent, body},
    written,
};

/// Pulls the image that the registry's name has a digest for. A folder that is there is left as it is: it was pulled whole.
pub fn pull(
    registry: &mut Registry,
    folder: &Path,
    tell: &dyn Fn(&str),
) -> Result<(), ArtifactError> {
    let Reference::Digest(named) = registry.name.reference().clone() else {
        return Err(ArtifactError::Name {
            name: registry.name.reference().as_str().to_owned(),
            wanted: "digest: a tag may be another image's tomorrow",
        });
    };
    if folder.exists() {
        tell("it is there already");
        return Ok(());
    }
    let unwritten = |path: &Path| {
        let path = path.to_owned();
        move |source| ArtifactError::Write { path, source }
    };
    let doing = format!("pulling manifest {named}");
    let address = registry.address(&format!("manifests/{named}"));
    let manifest = registry.tried(tell, |registry| {
        let mut answer = registry.ask(&doing, ("GET", &address), &[], || Sent::Nothing)?;
        let text = body(&mut answer).map_err(|error| registry.failed(&doing, error))?;
        same(&doing, &named, digest(&text)).map(|()| text)
    })?;
    let layers = image::named(&doing, &manifest)?;
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let scratch = tempfile::Builder::new()
        .prefix(".pulling-")
        .tempdir_in(parent)
        .map_err(unwritten(parent))?;
    for layer in &layers {
        tell(&format!(
            "pulling blob {} ({} bytes)",
            layer.digest, layer.size
        ));
        registry.tried(tell, |registry| unpacked(registry, layer, scratch.path()))?;
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch.path(), open).map_err(unwritten(scratch.path()))?;
    fs::rename(scratch.path(), folder).map_err(unwritten(folder))?;
    // What it was to remove is another's now.
    let _ = scratch.keep();
    Ok(())
}

fn same(doing: &str, expected: &str, found: String) -> Result<(), ArtifactError> {
    if found == expected {
        return Ok(());
    }
    Err(ArtifactError::Differs {
        doing: doing.to_owned(),
        expected: expected.to_owned(),
        found,
    })
}

/// Unpacks a layer as it comes; another try writes over what this one wrote.
fn unpacked(registry: &mut Registry, layer: &Named, into: &Path) -> Result<(), ArtifactError> {
    let doing = format!("pulling blob {}", layer.digest);
    let address = registry.address(&format!("blobs/{}", layer.digest));
    let mut answer = registry.ask(&doing, ("GET", &address), &[], || Sent::Nothing)?;
    let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
    let mut hashed = Hashed {
        // One byte more than it has shows that there are more.
        inner: reader.take(layer.size.saturating_add(1)),
        hash: Sha256::new(),
    };
    let outcome = entries(&doing, &mut hashed, into);
    let cut_off = |source| registry.failed(&doing, ureq::Error::Io(source));
    match outcome {
        Err(Broken::Stream(source)) => return Err(cut_off(source)),
        // Whether it is damaged or odd shows when all of it has come.
        Err(Broken::Odd(error)) => {
            hashed.drained().map_err(cut_off)?;
            same(&doing, &layer.digest, written(hashed.hash))?;
            return Err(error);
        }
        Ok(()) => hashed.drained().map_err(cut_off)?,
    }
    same(&doing, &layer.digest, written(hashed.hash))
}

/// What ended an archive early.
enum Broken {
    /// It did not come to its end, or is no archive.
    Stream(io::Error),
    /// It cannot be written, or is not to be.
    Odd(ArtifactError),
}

fn entries(doing: &str, from: &mut impl Read, into: &Path) -> Result<(), Broken> {
    let mut archive = Archive::new(from);
    for entry in archive.entries().map_err(Broken::Stream)? {
        let mut entry = entry.map_err(Broken::Stream)?;
        let named = entry.path().map_err(Broken::Stream)?.into_owned();
        let plain = named
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let kind = entry.header().entry_type();
        let path: PathBuf = into.join(&named);
        let unwritten = |source| {
            let path = named.clone();
            Broken::Odd(ArtifactError::Write { path, source })
        };
        match kind {
            EntryType::Regular if plain => {
                let mut file = File::create(&path).map_err(unwritten)?;
                copy(&mut entry, &mut file, unwritten)?;
            }
            EntryType::Directory if plain => fs::create_dir_all(&path).map_err(unwritten)?,
            _ => {
                return Err(Broken::Odd(ArtifactError::NoProgram {
                    doing: doing.to_owned(),
                    why: format!("no program has {}", named.display()),
                }));
            }
        }
    }
    Ok(())
}

/// Copies, and tells whether reading or writing failed.
fn copy(
    from: &mut impl Read,
    into: &mut impl io::Write,
    unwritten: impl Fn(io::Error) -> Broken,
) -> Result<(), Broken> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).map_err(Broken::Stream)?;
        if read == 0 {
            return Ok(());
        }
        into.write_all(&buffer[..read]).map_err(&unwritten)?;
    }
}

/// What is read is hashed.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    /// Reads what is left: an archive ends before its padding does.
    fn drained(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(|_| ())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.hash.update(&into[..read]);
        Ok(read)
    }
}
