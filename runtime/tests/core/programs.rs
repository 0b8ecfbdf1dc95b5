//! Program directories: found again, never raced, never half there, and verified.

use std::fs;
use std::path::Path;
use std::time::Duration;

use runtime::program::{
    BuildError, BuildOutcome, BuildRequest, MemoryLimit, Precision, Program, build, can_slice,
    toolchain,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{EIGHT, ODD, Recipe, chain, feed, options, program, step, try_build};

pub fn checkpoint() -> TempDir {
    Recipe::new("llama", ODD, json!({})).write()
}

pub fn request<'a>(checkpoint: &'a Path, out: &'a Path) -> BuildRequest<'a> {
    BuildRequest {
        checkpoint,
        out,
        shards: 2,
        precision: Precision::F32,
        key: Some("the key"),
        slots: 2,
        context: 64,
        memory: MemoryLimit::Machine,
        patience: Duration::from_secs(20),
        progress: &|_| {},
        stop: &|| false,
    }
}

#[test]
fn the_same_program_is_found_again_and_another_is_not_overwritten() {
    let (checkpoint, place) = (checkpoint(), TempDir::new().expect("a folder"));
    let out = place.path().join("program");
    let wanted = request(checkpoint.path(), &out);
    let first = build(&wanted).expect("build");
    assert_eq!(first.outcome, BuildOutcome::Fresh);
    let again = build(&wanted).expect("again");
    assert_eq!(
        (again.outcome, &again.manifest),
        (BuildOutcome::Reused, &first.manifest)
    );
    assert_eq!(
        first
            .manifest
            .copies
            .iter()
            .map(|file| file.name.as_str())
            .collect::<Vec<_>>(),
        ["config.json", "tokenizer.json"]
    );
    for (other, expected) in [
        (
            BuildRequest {
                key: Some("another"),
                ..request(checkpoint.path(), &out)
            },
            "key the key, wanted another",
        ),
        (
            BuildRequest {
                shards: 3,
                ..request(checkpoint.path(), &out)
            },
            "2 × F32, wanted 3 × F32",
        ),
        (
            BuildRequest {
                precision: Precision::Int4,
                ..request(checkpoint.path(), &out)
            },
            "wanted 2 × Int4",
        ),
    ] {
        let error = build(&other).expect_err(expected);
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
    // Without a key, a program is known by its checkpoint's bytes.
    let unkeyed = place.path().join("unkeyed");
    assert_eq!(
        try_build(checkpoint.path(), &unkeyed, 2, Precision::F32)
            .expect("build")
            .outcome,
        BuildOutcome::Fresh
    );
    assert_eq!(
        try_build(checkpoint.path(), &unkeyed, 2, Precision::F32)
            .expect("again")
            .outcome,
        BuildOutcome::Reused
    );
    let weights = checkpoint.path().join("model.safetensors");
    let mut bytes = fs::read(&weights).expect("read");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).expect("write");
    let error =
        try_build(checkpoint.path(), &unkeyed, 2, Precision::F32).expect_err("other weights");
    assert!(
        chain(&error).contains("made from other weights"),
        "{}",
        chain(&error)
    );
}

#[test]
fn builders_of_one_place_take_turns() {
    let (checkpoint, place) = (checkpoint(), TempDir::new().expect("a folder"));
    let out = place.path().join("program");
    let outcomes: Vec<BuildOutcome> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    build(&request(checkpoint.path(), &out))
                        .expect("build")
                        .outcome
                })
            })
            .collect();
        builds
            .into_iter()
            .map(|build| build.join().expect("join"))
            .collect()
    });
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == BuildOutcome::Fresh)
            .count(),
        1
    );

    let held = fs::File::create(place.path().join(".program.lock")).expect("lock file");
    held.lock().expect("lock");
    let patience = Duration::from_millis(20);
    let error = build(&BuildRequest {
        patience,
        ..request(checkpoint.path(), &out)
    })
    .expect_err("held");
    assert!(matches!(error, BuildError::Busy { .. }), "{error}");
}

#[test]
fn what_a_killed_builder_left_is_cleared() {
    let (checkpoint, place) = (checkpoint(), TempDir::new().expect("a folder"));
    let left = place.path().join(".program.partial-abc");
    fs::create_dir(&left).expect("create");
    fs::write(left.join("slice-0.bin"), "half").expect("write");
    build(&request(checkpoint.path(), &place.path().join("program"))).expect("build");
    let mut names: Vec<_> = fs::read_dir(place.path())
        .expect("list")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["program"]);
}

#[test]
fn builds_that_cannot_be_served_are_refused_with_the_numbers() {
    let (checkpoint, place) = (checkpoint(), TempDir::new().expect("a folder"));
    let out = place.path().join("program");
    let usual = || request(checkpoint.path(), &out);
    let nowhere = place.path().join("no/such/program");
    let taken = place.path().join("taken");
    fs::write(&taken, "").expect("write");
    for (bad, expected) in [
        (
            BuildRequest {
                memory: MemoryLimit::Bytes(5000),
                ..usual()
            },
            "and 5000 are available",
        ),
        (
            BuildRequest {
                context: 129,
                ..usual()
            },
            "a context of 129 tokens was asked for, and the checkpoint declares 128",
        ),
        (
            BuildRequest {
                shards: 0,
                ..usual()
            },
            "0 shards were asked for",
        ),
        (
            BuildRequest {
                shards: 7,
                ..usual()
            },
            "7 shards need at least as many attention heads, and the model has 6",
        ),
        (
            BuildRequest {
                shards: 65,
                ..usual()
            },
            "65 shards were asked for; ask for 1 to 64",
        ),
        (
            BuildRequest {
                out: &nowhere,
                ..usual()
            },
            "the folder that it is to lie in does not exist",
        ),
        (
            BuildRequest {
                out: &taken,
                ..usual()
            },
            "taken is taken: a file is there",
        ),
        (
            BuildRequest {
                out: place.path(),
                ..usual()
            },
            "is not a program",
        ),
    ] {
        let error = build(&bad).expect_err(expected);
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
    assert!(!out.exists());
}

#[test]
fn a_changed_program_is_refused() {
    let checkpoint = checkpoint();
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let (folder, _) = program(checkpoint.path(), 2, Precision::Int4);
        let path = folder.path().join("program");
        change(&path);
        let outcome = Program::open(&path).and_then(|program| program.verify());
        let error = chain(&outcome.expect_err(expected));
        assert!(error.contains(expected), "{error}");
    };
    let edit = |from: &'static str, to: &'static str| {
        move |path: &Path| {
            let text = fs::read_to_string(path.join("program.json")).expect("read");
            assert!(text.contains(from), "{text}");
            fs::write(path.join("program.json"), text.replacen(from, to, 1)).expect("write");
        }
    };
    check(
        &|path| fs::remove_file(path.join("program.json")).expect("remove"),
        "is not a program",
    );
    check(
        &|path| fs::write(path.join("program.json"), "{").expect("write"),
        "is not a manifest of ours",
    );
    check(
        &edit("\"packFormat\": 1", "\"packFormat\": 99"),
        "has pack format 99, and this worker reads 1",
    );
    check(
        &edit("\"mlpBlock\": 32", "\"mlpBlock\": 64"),
        "contradicts itself: blocks of 20 and 64",
    );
    check(
        &edit("\"layers\": 2", "\"layers\": 3"),
        "contradicts itself: 2 attention windows for 3 layers",
    );
    check(
        &edit("\"vocab\": 131", "\"vocab\": 151"),
        "where its layout takes",
    );
    check(
        &edit("\"shards\": 2", "\"shards\": 3"),
        "contradicts itself: 3 shards and 2 slices",
    );
    check(
        &edit("\"slice-0.bin\"", "\"../slice-0.bin\""),
        "contradicts itself: file name",
    );
    check(
        &|path| fs::write(path.join("slice-1.bin"), "short").expect("write"),
        "slice-1.bin has 5 bytes and the manifest says",
    );
    check(
        &|path| fs::write(path.join("tokenizer.json"), "[]").expect("write"),
        "tokenizer.json has hash",
    );
    check(
        &|path| {
            let mut bytes = fs::read(path.join("slice-0.bin")).expect("read");
            bytes[999] ^= 4;
            fs::write(path.join("slice-0.bin"), bytes).expect("write");
        },
        "slice-0.bin has hash",
    );
}

#[test]
fn checkpoint_types_and_files_give_the_same_program() {
    use runtime::ranks::{Connectivity, Ranks};
    let mut recipe = Recipe::new("llama", ODD, json!({}));
    // Numbers that all three types hold exactly.
    for (_, dtype, _, values) in &mut recipe.tensors {
        for value in values {
            *value = (*value * 64.0).round() / 64.0;
        }
        *dtype = "F32";
    }
    let run = |folder: &TempDir| {
        let (_folder, program) = program(folder.path(), 2, Precision::F32);
        let mut ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
        step(&mut ranks, &[feed(0, 0, &[3, 1, 4])])
    };
    let expected = run(&recipe.write());
    for dtype in ["F16", "BF16"] {
        recipe
            .tensors
            .iter_mut()
            .for_each(|tensor| tensor.1 = dtype);
        assert_eq!(run(&recipe.write_split()), expected, "{dtype}");
    }
}

#[test]
fn slices_cover_everything_once() {
    for sizes in [ODD, EIGHT] {
        let folder = Recipe::new("llama", sizes, json!({})).write();
        let shape = runtime::checkpoint::Checkpoint::open(folder.path())
            .expect("open")
            .shape;
        for shards in 1..=sizes.heads as u32 {
            let slices = can_slice(&shape, shards).expect("slices");
            let (mut heads, mut columns, mut vocab) = (0, 0, 0);
            for rank in &slices.ranks {
                assert_eq!(
                    (rank.heads.start, rank.columns.start, rank.vocab.start),
                    (heads, columns, vocab)
                );
                assert!(
                    rank.columns.start.is_multiple_of(slices.mlp_block) && !rank.heads.is_empty()
                );
                let group = shape.group();
                assert!(
                    rank.heads
                        .clone()
                        .all(|head| rank.kv_heads.contains(&(head / group))),
                    "{rank:?}"
                );
                (heads, columns, vocab) = (rank.heads.end, rank.columns.end, rank.vocab.end);
            }
            assert_eq!(
                (heads, columns, vocab),
                (shape.heads, shape.intermediate, shape.vocab)
            );
        }
    }
    assert_eq!(toolchain().pack_format, 1);
}
