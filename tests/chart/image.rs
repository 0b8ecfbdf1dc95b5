//! The image's archive, read back as a container engine would: each blob by its digest, each file by its place.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tests::{binary, root};

/// Runs the script that assembles it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the command that people run"
)]
fn assemble(binaries: &Path, out: &Path) -> Result<String, String> {
    let ended = Command::new(root().join("packaging/image/assemble"))
        .arg(binaries)
        .arg("0.1.0")
        .arg(out)
        .stdin(Stdio::null())
        .output()
        .expect("the script starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ended.status.success() {
        Ok(text(&ended.stdout))
    } else {
        Err(text(&ended.stderr))
    }
}

/// What `tar` says of an archive: the mode and the owner of each entry, with its name.
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the archive with the tool that everybody has"
)]
fn tar(arguments: &[&str], archive: &Path) -> Vec<u8> {
    let ended = Command::new("tar")
        .args(arguments)
        .arg("-f")
        .arg(archive)
        .output()
        .expect("tar starts");
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    ended.stdout
}

#[expect(
    clippy::disallowed_methods,
    reason = "a digest is taken by another program than the one that wrote it"
)]
fn digest(file: &Path) -> String {
    let ended = Command::new("sha256sum").arg(file).output();
    let ended = ended.expect("sha256sum starts").stdout;
    let text = String::from_utf8_lossy(&ended);
    format!("sha256:{}", text.split(' ').next().unwrap_or_default())
}

/// Two programs that are no binaries: what they are is no matter here.
fn programs(folder: &Path) -> PathBuf {
    let folder = folder.join("programs");
    fs::create_dir_all(&folder).expect("a folder for programs");
    for name in ["shardplane", "shardplane-worker"] {
        fs::write(folder.join(name), format!("#!{name}\n")).expect("a program is written");
    }
    folder
}

/// A layout on disk, whose blobs are checked when they are asked for.
struct Layout(PathBuf);

impl Layout {
    fn unpack(archive: &Path, into: &Path) -> Self {
        fs::create_dir_all(into).expect("a folder for the layout");
        tar(&["-x", "-C", &into.display().to_string()], archive);
        Self(into.to_owned())
    }

    fn json(&self, file: &str) -> Value {
        let text = fs::read_to_string(self.0.join(file)).expect("the layout has the file");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// The file of a descriptor, which has the digest and the size that it says.
    fn blob(&self, descriptor: &Value) -> PathBuf {
        let named = descriptor["digest"].as_str().expect("a digest");
        let hex = named.strip_prefix("sha256:").expect("of SHA-256");
        let path = self.0.join("blobs/sha256").join(hex);
        assert_eq!(digest(&path), named);
        let size = fs::metadata(&path).expect("the blob is there").len();
        assert_eq!(descriptor["size"], size, "{named}");
        path
    }

    fn document(&self, descriptor: &Value) -> Value {
        let text = fs::read_to_string(self.blob(descriptor)).expect("the blob is text");
        serde_json::from_str(&text).expect("it is JSON")
    }
}

#[test]
fn the_archive_has_both_programs_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("image.tar");
    let said = assemble(&programs(folder.path()), &archive).expect("it is assembled");
    let layout = Layout::unpack(&archive, &folder.path().join("layout"));
    assert_eq!(
        layout.json("oci-layout"),
        json!({ "imageLayoutVersion": "1.0.0" })
    );
    let index = layout.json("index.json");
    let [named] = index["manifests"].as_array().expect("an index").as_slice() else {
        panic!("one image: {index}");
    };
    assert_eq!(named["digest"], said);
    let manifest = layout.document(named);
    let config = layout.document(&manifest["config"]);
    let runs = json!({
        "User": "65532:65532",
        "Env": ["PATH=/usr/bin"],
        "Entrypoint": ["/usr/bin/shardplane"],
        "Labels": {
            "org.opencontainers.image.version": "0.1.0",
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    });
    assert_eq!(config["config"], runs);
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 1);
    // Not compressed: the layer's digest is that of what is in it.
    assert_eq!(config["rootfs"]["diff_ids"], json!([layers[0]["digest"]]));
    let layer = layout.blob(&layers[0]);
    let listed = tar(&["-t", "-v", "--numeric-owner"], &layer);
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let entries: Vec<(&str, &str, &str)> = listed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0], words[1], *words.last().expect("a name"))
        })
        .collect();
    let expected = [
        ("drwxr-xr-x", "0/0", "usr/"),
        ("drwxr-xr-x", "0/0", "usr/bin/"),
        ("-rwxr-xr-x", "0/0", "usr/bin/shardplane"),
        ("-rwxr-xr-x", "0/0", "usr/bin/shardplane-worker"),
    ];
    assert_eq!(entries, expected);
    let program = tar(&["-x", "-O", "usr/bin/shardplane-worker"], &layer);
    assert_eq!(program, b"#!shardplane-worker\n");
}

#[test]
fn the_same_programs_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let first = assemble(&programs(&at("a")), &at("a.tar")).expect("it is assembled");
    let second = assemble(&programs(&at("b")), &at("b.tar")).expect("it is assembled");
    assert_eq!(
        (&first, digest(&at("a.tar"))),
        (&second, digest(&at("b.tar")))
    );
    let changed = programs(&at("c"));
    fs::write(changed.join("shardplane"), "another").expect("a program is written");
    let third = assemble(&changed, &at("c.tar")).expect("it is assembled");
    assert_ne!(first, third);
}

/// The test's own binaries ask for a loader, which an empty image has not.
#[test]
fn a_program_that_is_not_static_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let programs = programs(folder.path());
    fs::copy(binary("shardplane"), programs.join("shardplane")).expect("it is copied");
    let why = assemble(&programs, &folder.path().join("image.tar"));
    let why = why.expect_err("it is taken");
    assert!(
        why.contains("is not static: run `make static` first"),
        "{why}"
    );
}

/// What an engine builds from the Containerfile is what is assembled without one.
#[test]
fn the_containerfile_says_the_same() {
    let text = fs::read_to_string(root().join("packaging/image/Containerfile"));
    let text = text.expect("there is one");
    let says = |line: &str| assert!(text.lines().any(|found| found == line), "{line}");
    says("FROM scratch");
    says("COPY --chmod=0755 ${BINARIES}/shardplane ${BINARIES}/shardplane-worker /usr/bin/");
    says("ENV PATH=/usr/bin");
    says("USER 65532:65532");
    says(r#"ENTRYPOINT ["/usr/bin/shardplane"]"#);
    says(
        r#"LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.licenses="Apache-2.0""#,
    );
    // Of the version that `make image` takes, unless somebody says another.
    let chart = fs::read_to_string(root().join("charts/shardplane/Chart.yaml"));
    let chart: Value = serde_yaml::from_str(&chart.expect("there is a chart")).expect("it is YAML");
    let version = chart["appVersion"].as_str().expect("it has a version");
    says(&format!("ARG VERSION={version}"));
}
