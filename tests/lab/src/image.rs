//! The first root of a lab machine: busybox, pciutils, our static binaries, and what makes this machine differ from others.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use machine::rack::timeout_parameter;

use crate::{archive::Archive, place::Places, vm::Order};

/// How long the rack's firmware double takes where a real SoC takes a minute: by how much its time is faster where a file
/// does not say.
const SPEEDUP: u32 = 1000;

/// Files that one machine has and another has not, by path.
pub(crate) type Own = Vec<(String, String)>;

/// The part that every machine of a run has.
pub(crate) fn base(places: &Places) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in ["bin", "lab", "lab/declared", "lab/modules", "lib64", "usr"] {
        archive.folder(folder);
    }
    let mut put = |to: &str, from: &Path| -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        archive.file(to, 0o755, &bytes);
        Ok(())
    };
    put("init", &places.root.join("tests/lab/guest/init"))?;
    put(
        "lab/lockdown",
        &places.root.join("tests/lab/guest/lockdown"),
    )?;
    put("bin/busybox", &found("busybox", &["/bin", "/usr/bin"])?)?;
    put("bin/guest", &places.inside.join("guest"))?;
    put("bin/shardplane", &places.inside.join("shardplane"))?;
    // The reader that nothing of ours has a part in.
    let setpci = found("setpci", &["/usr/bin", "/usr/sbin", "/sbin", "/bin"])?;
    put("bin/setpci", &setpci)?;
    let mut folders: Vec<String> = Vec::new();
    let mut libraries = Vec::new();
    for line in host::output(host::command("ldd").arg(&setpci))?.lines() {
        let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            continue;
        };
        libraries.push(path.to_owned());
    }
    for library in &libraries {
        put_into(&mut archive, &mut folders, library)?;
    }
    let modules = places.kernel.join("modules");
    for entry in fs::read_dir(&modules).with_context(|| format!("listing {}", modules.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name {
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            archive.file(&format!("lab/modules/{name}"), 0o644, &bytes);
        }
    }
    Ok(archive.finish())
}

/// The part that one machine alone has.
pub(crate) fn own(files: &Own) -> Vec<u8> {
    let mut archive = Archive::new();
    for (path, text) in files {
        archive.file(path, 0o644, text.as_bytes());
    }
    archive.finish()
}

/// A library where the loader looks for it, its folders first.
fn put_into(archive: &mut Archive, folders: &mut Vec<String>, library: &str) -> Result<()> {
    let mut at = String::new();
    let parents = Path::new(library).parent().into_iter().flat_map(Path::iter);
    for part in parents.filter(|part| *part != "/") {
        at = format!("{at}/{}", part.to_string_lossy());
        if !folders.contains(&at) && at != "/lib64" {
            archive.folder(&at);
            folders.push(at.clone());
        }
    }
    let bytes = fs::read(library).with_context(|| format!("reading {library}"))?;
    archive.file(library, 0o755, &bytes);
    Ok(())
}

fn found(program: &str, folders: &[&str]) -> Result<PathBuf> {
    folders
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program} is not installed; run tests/lab/install"))
}

/// The build of the driver's double that has the parameter by the name that this server's driver gives it.
fn driver(order: &Order<'_>) -> &'static str {
    match timeout_parameter(order.server, 0) {
        ("control_resp_timeout", _) => "qaic-first",
        _ => "qaic",
    }
}

/// Files of one machine's own.
pub(crate) fn files(order: &Order<'_>) -> Result<Own> {
    let mut rack = order.rack.clone();
    rack.spec.speedup.get_or_insert(SPEEDUP);
    let mut files = vec![
        ("lab/rack.json".to_owned(), serde_json::to_string(&rack)?),
        ("lab/server".to_owned(), order.server.name.to_string()),
        ("lab/driver".to_owned(), driver(order).to_owned()),
    ];
    for (name, text) in &order.declared {
        files.push((format!("lab/declared/{name}"), text.clone()));
    }
    Ok(files)
}
