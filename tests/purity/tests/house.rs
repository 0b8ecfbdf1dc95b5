//! The crates that name and decide open no way out, and each way out that is known is caught.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use purity::{Allowed, house, ways_out};

/// What one file alone may name: file, what, and why it opens no way out there.
const OWNED: [(&str, &str, &str); 5] = [
    (
        "crd/src/kind/per_kind.rs",
        "OnceLock",
        "what is kept is a function of a kind alone",
    ),
    (
        "crd/src/kind/per_kind.rs",
        "fn pointer",
        "a plain function, so that what is kept can hold no argument",
    ),
    (
        "crd/src/load/ruled.rs",
        "OnceCell",
        "the evaluator of rules cannot be shared, so each thread compiles them once; what it answers is the same",
    ),
    ("crd/src/load/ruled.rs", "thread_local!", "the same"),
    (
        "reconcile/src/doctor/mod.rs",
        "fn pointer",
        "the table of checks; a check is called and never shown",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn allowed() -> Allowed {
    house::allowed(&root()).expect("the list and the manifests")
}

fn read(name: &str) -> String {
    house::text(&root().join(name)).expect("a file of the purity check")
}

#[test]
fn the_pure_crates_open_no_way_out() {
    let allowed = allowed();
    let mut found = Vec::new();
    let mut owned = BTreeSet::new();
    for name in house::PURE {
        for path in house::sources(&root(), name).expect("the sources") {
            let file = path
                .strip_prefix(root())
                .expect("below the root")
                .display()
                .to_string();
            let source = house::text(&path).expect("a source file");
            for way in ways_out(&source, &allowed).expect("a source is Rust") {
                let last = way.what.rsplit("::").next().unwrap_or_default();
                match OWNED
                    .iter()
                    .find(|(owner, what, _)| *owner == file && *what == last)
                {
                    Some((_, what, _)) => _ = owned.insert((file.clone(), *what)),
                    None => found.push(format!("{file}:{}: {}", way.line, way.what)),
                }
            }
        }
    }
    assert!(found.is_empty(), "a pure crate opens a way out: {found:#?}");
    assert_eq!(
        owned.len(),
        OWNED.len(),
        "an owner that owns nothing: {owned:?}"
    );
}

/// A crate is its sources: nothing is brought in beside them or made while it is built, and no switch makes it another.
#[test]
fn a_pure_crate_is_what_its_sources_say() {
    for name in house::PURE {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let sections: Vec<&str> = manifest
            .lines()
            .filter(|line| line.starts_with('['))
            .collect();
        assert_eq!(
            sections,
            [
                "[package]",
                "[lints]",
                "[dependencies]",
                "[dev-dependencies]"
            ],
            "{name}"
        );
        // A dependency has the workspace's features and name, none of its own.
        let plain = |line: &&str| !line.ends_with("workspace = true") && !line.starts_with('[');
        let own: Vec<&str> = manifest
            .lines()
            .filter(plain)
            .filter(|line| !line.is_empty())
            .map(|line| line.split(" = ").next().unwrap_or_default())
            .collect();
        assert_eq!(own, ["name", "description"], "{name}: what is its own");
        assert!(!root().join(name).join("build.rs").exists(), "{name}");
        for path in house::sources(&root(), name).expect("the sources") {
            let kind = fs::symlink_metadata(&path)
                .expect("a source file")
                .file_type();
            let is_rust = path.extension().is_some_and(|ending| ending == "rs");
            assert!(kind.is_file() && is_rust, "{} is no source", path.display());
        }
    }
}

/// `(what, line)` of each planted leak; a line may have several.
fn planted(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.lines().zip(1..).flat_map(|(line, at)| {
        let leaks = line.split("LEAK ").skip(1);
        leaks.map(move |what| (what.trim_end_matches(['/', ' ', ';']), at))
    })
}

#[test]
fn every_ban_has_its_leak() {
    let bans = read("crd/clippy.toml");
    assert_eq!(bans, read("reconcile/clippy.toml"));
    let banned: BTreeSet<&str> = bans
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ path = \"")?.split('"').next())
        .collect();
    assert!(banned.len() > 100, "{} bans", banned.len());
    let leaks = read("tests/purity/leaks.rs");
    let leaked: BTreeSet<&str> = planted(&leaks).map(|(what, _)| what).collect();
    assert_eq!(banned, leaked);
}

#[test]
fn every_planted_leak_is_caught() {
    let allowed = allowed();
    let hidden = read("tests/purity/hidden.rs");
    let found: BTreeSet<(String, usize)> = ways_out(&hidden, &allowed)
        .expect("the leaks are Rust")
        .into_iter()
        .map(|way| (way.what, way.line))
        .collect();
    let missed: Vec<_> = planted(&hidden)
        .filter(|(what, line)| !found.contains(&((*what).to_owned(), *line)))
        .collect();
    assert!(missed.is_empty(), "{missed:?} of {found:#?}");
    let lines: BTreeSet<usize> = planted(&hidden).map(|(_, line)| line).collect();
    let more: Vec<_> = found
        .iter()
        .filter(|(_, line)| !lines.contains(line))
        .collect();
    assert!(more.is_empty(), "found where nothing is planted: {more:?}");
}
