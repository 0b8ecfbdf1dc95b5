//! `artifact`: programs pushed to a registry and pulled from it, over real HTTP, by the real command.
mod refused;
mod registry;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::lab::{Ended, Lab, ended};
use registry::{Asks, Fault, Registry, Speaks};

/// A laboratory with a program and a registry.
struct Bench {
    lab: Lab,
    registry: Registry,
}

impl Bench {
    fn new(asks: Asks) -> Self {
        Self::with(asks, Speaks::Plainly)
    }

    fn with(asks: Asks, speaks: Speaks) -> Self {
        let lab = Lab::new();
        program(&lab.path("program"));
        fs::create_dir(lab.path("leave")).unwrap();
        let registry = Registry::start(asks, speaks);
        Self { lab, registry }
    }

    /// A secret's folder as a pod has it.
    fn given(&self, login: &str) {
        let auths = json!({ "auths": { self.registry.address.clone(): { "auth": login } } });
        fs::write(self.lab.path("leave/0.json"), auths.to_string()).unwrap();
    }

    fn image(&self, end: &str) -> String {
        format!("{}/team/programs{end}", self.registry.address)
    }

    fn push(&self) -> Ended {
        let image = self.image(":b3-00");
        let reach = [
            "--plain-http",
            "--credentials",
            "leave",
            "--digest-to",
            "said",
        ];
        let push = ["artifact", "push", "program", &image];
        self.lab.plain(&[&push[..], &reach].concat())
    }

    fn pushed(&self) -> String {
        let digest = self.push().expect(0).stdout.trim().to_owned();
        let said = fs::read_to_string(self.lab.path("said")).unwrap();
        assert_eq!(said, digest);
        digest
    }

    fn pull(&self, digest: &str, into: &str) -> Ended {
        let image = self.image(&format!("@{digest}"));
        let reach = ["--plain-http", "--credentials", "leave"];
        let pull = ["artifact", "pull", &image, into];
        self.lab.plain(&[&pull[..], &reach].concat())
    }
}

fn program(folder: &Path) {
    fs::create_dir_all(folder.join("tokens/empty")).unwrap();
    fs::write(folder.join("program.json"), "{}").unwrap();
    fs::write(folder.join("rank-0.bin"), vec![7; 70_000]).unwrap();
    fs::write(folder.join("rank-1.bin"), "").unwrap();
    fs::write(folder.join("tokens/tokenizer.json"), "[]").unwrap();
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = [
        "program.json",
        "rank-0.bin",
        "rank-1.bin",
        "tokens/tokenizer.json",
    ];
    let read = |name: &&str| (name.to_string(), fs::read(folder.join(name)).unwrap());
    names.iter().map(read).collect()
}

#[test]
fn what_is_pushed_comes_back_and_is_an_image_that_nodes_mount() {
    let bench = Bench::new(Asks::Nothing);
    let digest = bench.pushed();
    bench.pull(&digest, "pulled").expect(0);
    let pulled = bench.lab.path("pulled");
    assert_eq!(files(&pulled), files(&bench.lab.path("program")));
    assert!(pulled.join("tokens/empty").is_dir());
    let mode = fs::metadata(&pulled).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&bench.registry.state().blobs[name]).unwrap()
    };
    let manifest = read("manifests/b3-00");
    assert_eq!(manifest, read(&format!("manifests/{digest}")));
    let config = read(&format!(
        "blobs/{}",
        manifest["config"]["digest"].as_str().unwrap()
    ));
    let layer = &manifest["layers"][0];
    assert_eq!(config["rootfs"]["diff_ids"], json!([layer["digest"]]));
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let listed = bench.registry.state().blobs
        [&format!("blobs/{}", layer["digest"].as_str().unwrap())]
        .clone();
    let mut archive = tar::Archive::new(&listed[..]);
    let mut seen = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let who = (
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
        );
        assert_eq!(who, (0, 0, 0));
        seen.push(format!(
            "{:o} {}",
            header.mode().unwrap(),
            entry.path().unwrap().display()
        ));
    }
    assert_eq!(
        seen,
        [
            "644 program.json",
            "644 rank-0.bin",
            "644 rank-1.bin",
            "755 tokens",
            "755 tokens/empty",
            "644 tokens/tokenizer.json",
        ]
    );
    // What is there is not pulled again, nor pushed.
    bench.registry.state().asked.clear();
    bench.pull(&digest, "pulled").expect(0);
    assert_eq!(bench.registry.state().asked, [""; 0]);
    assert_eq!(bench.pushed(), digest);
    assert_eq!(bench.registry.state().asked, ["HEAD manifests/b3-00"]);
}

#[test]
fn the_same_files_have_the_same_digest_whoever_wrote_them_and_when() {
    let first = Bench::new(Asks::Nothing);
    let second = Bench::new(Asks::Nothing);
    let folder = second.lab.path("program");
    let old = fs::File::options()
        .write(true)
        .open(folder.join("program.json"))
        .unwrap();
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    old.set_modified(epoch + std::time::Duration::from_secs(9))
        .unwrap();
    fs::set_permissions(folder.join("rank-0.bin"), fs::Permissions::from_mode(0o600)).unwrap();
    let digest = first.pushed();
    assert_eq!(second.pushed(), digest);
    // Recorded: a digest that changes has every program pushed anew.
    if cfg!(target_arch = "x86_64") {
        assert_eq!(digest, RECORDED);
    }
    fs::write(folder.join("rank-0.bin"), vec![8; 70_000]).unwrap();
    assert_ne!(second.pushed(), digest);
}

/// The digest of the test's program.
const RECORDED: &str = "sha256:a60708ed474471485c818ed1fc4967403f5674a9b615c099a3e6c64eda29c2c8";

#[test]
fn a_blob_that_is_there_is_not_sent_again() {
    let bench = Bench::new(Asks::Nothing);
    let digest = bench.pushed();
    assert_eq!(bench.registry.asked("PUT blobs/"), 2);
    bench
        .registry
        .state()
        .blobs
        .retain(|name, _| name.starts_with("blobs/"));
    bench.registry.state().asked.clear();
    assert_eq!(bench.pushed(), digest);
    assert_eq!(bench.registry.asked("PUT blobs/"), 0);
    assert_eq!(bench.registry.asked("PUT manifests/"), 1);
}

#[test]
fn a_registry_is_shown_what_it_asks_for_and_nobody_else() {
    for asks in [Asks::Token, Asks::Password] {
        let bench = Bench::new(asks);
        bench.given("bWU6c2VjcmV0");
        let digest = bench.pushed();
        bench.pull(&digest, "pulled").expect(0);
        let tokens = bench.registry.asked("GET /token");
        assert_eq!(tokens > 0, asks == Asks::Token, "{asks:?}");
        // A token may be good no longer in the middle.
        bench.registry.state().blobs.clear();
        let denied = Bench::new(asks);
        let none = denied.push().expect(77);
        assert!(
            none.stderr.contains("does not permit it"),
            "{}",
            none.stderr
        );
        if asks == Asks::Password {
            assert!(
                none.stderr.contains("no credentials were given"),
                "{}",
                none.stderr
            );
        }
        denied.given("bWU6d3Jvbmc=");
        let wrong = denied.push().expect(77);
        assert!(
            wrong.stderr.contains("are not good for it"),
            "{}",
            wrong.stderr
        );
        assert!(!wrong.stderr.contains("wrong"), "{}", wrong.stderr);
        denied.pull(&digest, "pulled").expect(77);
    }
}

#[test]
fn a_certificate_is_good_where_its_authority_was_given() {
    let bench = Bench::with(Asks::Password, Speaks::Securely);
    bench.given("bWU6c2VjcmV0");
    let image = bench.image(":t");
    let push = [
        "artifact",
        "push",
        "program",
        &image,
        "--credentials",
        "leave",
    ];
    let ended = bench.lab.plain(&push).expect(65);
    assert!(ended.stderr.contains("UnknownIssuer"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("under the key ca.crt"),
        "{}",
        ended.stderr
    );
    let authority = include_bytes!("artifacts/authority.crt");
    fs::write(bench.lab.path("leave/0.crt"), authority).unwrap();
    bench.lab.plain(&push).expect(0);
    // Nothing was shown before it was known to whom.
    assert_eq!(bench.registry.asked("HEAD manifests/t"), 2);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_said() {
    for (fault, begin) in [
        (Fault::Status(500), "HEAD manifests/"),
        (Fault::Status(503), "HEAD blobs/"),
        (Fault::Status(429), "POST blobs/uploads/"),
        (Fault::Status(404), "PUT blobs/uploads/"),
        (Fault::Cut, "PUT blobs/uploads/"),
        (Fault::Cut, "PUT manifests/"),
    ] {
        let bench = Bench::new(Asks::Nothing);
        bench.registry.state().faults.push((begin, fault));
        let ended = bench.push().expect(0);
        assert!(
            ended.stderr.contains("again in 0.25 s"),
            "{begin}: {}",
            ended.stderr
        );
        assert!(bench.registry.state().faults.is_empty());
        bench.pull(ended.stdout.trim(), "pulled").expect(0);
    }
    for (fault, begin) in [
        (Fault::Status(502), "GET manifests/"),
        (Fault::CutShort, "GET manifests/"),
        (Fault::CutShort, "GET blobs/"),
        (Fault::Damaged, "GET blobs/"),
        (Fault::Damaged, "GET manifests/"),
    ] {
        let bench = Bench::new(Asks::Nothing);
        let digest = bench.pushed();
        bench.registry.state().faults.push((begin, fault));
        let ended = bench.pull(&digest, "pulled").expect(0);
        assert!(
            ended.stderr.contains("again in 0.25 s"),
            "{begin}: {}",
            ended.stderr
        );
        let (pulled, program) = (bench.lab.path("pulled"), bench.lab.path("program"));
        assert_eq!(files(&pulled), files(&program), "{begin} {fault:?}");
    }
    for (fault, begin, code, words) in [
        (
            Fault::Status(403),
            "POST blobs/",
            77,
            "does not permit it: as told",
        ),
        (Fault::Status(404), "POST blobs/", 66, "has no such thing"),
        (Fault::Status(413), "PUT blobs/", 65, "answers 413"),
    ] {
        let bench = Bench::new(Asks::Nothing);
        bench.registry.state().faults.push((begin, fault));
        let ended = bench.push().expect(code);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(!bench.lab.path("said").exists());
    }
}
