//! Damaged checkpoints: each has its own error, which names file, tensor and numbers.

use std::fs;
use std::path::Path;

use runtime::checkpoint::Checkpoint;
use runtime::program::Precision;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{ODD, Recipe, chain, file, try_build};

fn recipe() -> Recipe {
    Recipe::new("llama", ODD, json!({}))
}

fn open(folder: &Path) -> String {
    Checkpoint::open(folder).map_or_else(|error| chain(&error), |_| "it opened".to_owned())
}

/// Damages a whole checkpoint and expects an error with all of `parts` in it.
fn check(damage: impl Fn(&Path), parts: &[&str]) {
    let folder = recipe().write();
    damage(folder.path());
    let error = open(folder.path());
    assert!(
        parts.iter().all(|part| error.contains(part)),
        "expected {parts:?} in: {error}"
    );
}

/// As `check`, with another file in place of the weights.
fn check_file(bytes: &[u8], parts: &[&str]) {
    check(
        |folder| fs::write(folder.join("model.safetensors"), bytes).expect("write"),
        parts,
    );
}

#[test]
fn files_that_are_missing_or_no_json() {
    assert!(open(Path::new("/nowhere/model")).contains("/nowhere/model is not a folder"));
    let remove = |name: &'static str| {
        move |folder: &Path| fs::remove_file(folder.join(name)).expect("remove")
    };
    check(
        remove("config.json"),
        &["config.json is missing", "give the folder"],
    );
    check(
        remove("model.safetensors"),
        &[
            "model.safetensors is missing",
            "pickled .bin files are not read",
        ],
    );
    let write = |name: &'static str, text: &'static str| {
        move |folder: &Path| fs::write(folder.join(name), text).expect("write")
    };
    check(
        write("config.json", "{\"hidden_size\": 7"),
        &["config.json is not valid JSON", "line 1"],
    );
    check(
        write("config.json", "[]"),
        &[
            "config.json is JSON, but not of the shape",
            "expected a map",
        ],
    );
    check(
        write("generation_config.json", "{"),
        &["generation_config.json is not valid JSON"],
    );
    // An index counts where the weights are not in one file.
    let index = |text: &'static str| {
        move |folder: &Path| {
            let part = folder.join("model-1.safetensors");
            fs::rename(folder.join("model.safetensors"), part).expect("rename");
            fs::write(folder.join("model.safetensors.index.json"), text).expect("write");
        }
    };
    check(
        index("{}"),
        &["index.json is JSON, but not of the shape", "weight_map"],
    );
    // A pipe would be waited for without end.
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        check(
            |folder| {
                let path = folder.join(name);
                let _ = fs::remove_file(&path);
                nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
            },
            &[name, "a pipe is there, not a regular file"],
        );
    }
    check(
        index("{\"weight_map\": {\"x\": \"../other.safetensors\"}}"),
        &["is no name inside the folder"],
    );
    check(
        index("{\"weight_map\": {\"x\": \"model-9.safetensors\"}}"),
        &["model-9.safetensors is missing"],
    );
    check(
        index("{\"weight_map\": {\"x\": \"model-1.safetensors\"}}"),
        &["tensor `x`", "the index says", "header does not"],
    );
}

#[test]
fn headers_that_lie() {
    check_file(&[], &["it has 0 bytes"]);
    check_file(
        &[1, 2, 3],
        &["it has 3 bytes, and the header's length alone takes 8"],
    );
    check_file(
        &1000_u64.to_le_bytes(),
        &["its header claims 1000 bytes, and 0 follow"],
    );
    check_file(
        &u64::MAX.to_le_bytes(),
        &["its header claims 18446744073709551615 bytes"],
    );
    check_file(&file("not json", &[]), &["is not valid JSON"]);
    check_file(&file("[]", &[]), &["not of the shape that belongs there"]);
    let entry = |entry: &str, body: usize| file(&format!("{{\"a\": {entry}}}"), &vec![0; body]);
    let good = |shape: &str, offsets: &str| {
        format!("{{\"dtype\": \"F32\", \"shape\": {shape}, \"data_offsets\": {offsets}}}")
    };
    check_file(&entry("7", 0), &["tensor `a`", "does not parse"]);
    check_file(
        &entry(&good("[-1]", "[0, 4]"), 4),
        &["tensor `a`", "does not parse"],
    );
    check_file(
        &entry(&good("[2, 3]", "[0, 20]"), 20),
        &["tensor `a`: shape [2, 3] takes 24 bytes, and the offsets are 0..20"],
    );
    check_file(&entry(&good("[1]", "[8, 4]"), 8), &["the offsets are 8..4"]);
    check_file(
        &entry(&good("[4]", "[0, 16]"), 15),
        &["tensor `a`: its bytes are 0..16, and the file holds 15"],
    );
    check_file(
        &entry(&good("[4]", "[0, 16]"), 20),
        &["describes 16 bytes of tensors, and the file holds 20"],
    );
    let huge = good("[4294967296, 4294967296, 4]", "[0, 0]");
    check_file(&entry(&huge, 0), &["tensor `a`", "is larger than any file"]);
    let other = "{\"dtype\": \"I64\", \"shape\": [1], \"data_offsets\": [0, 8]}";
    check_file(
        &entry(other, 8),
        &["tensor `a` has type I64", "convert the checkpoint"],
    );
    let two = format!(
        "{{\"a\": {}, \"b\": {}}}",
        good("[2]", "[0, 8]"),
        good("[2]", "[4, 12]")
    );
    check_file(
        &file(&two, &[0; 12]),
        &["tensor `b`: its bytes are 4..12, and those of `a` end at 8: they overlap"],
    );
}

/// What other readers of the format refuse: there, two of them could find different tensors.
#[test]
fn headers_that_say_a_thing_twice_or_leave_bytes_to_nobody() {
    let good = |offsets: &str| {
        format!("{{\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": {offsets}}}")
    };
    let (first, second, late) = (good("[0, 8]"), good("[8, 16]"), good("[12, 20]"));
    let header = |text: String, body: usize| file(&text, &vec![0; body]);
    check_file(
        &header(format!("{{\"a\": {first}, \"a\": {second}}}"), 16),
        &["tensor `a`: its header has two entries of that name"],
    );
    check_file(
        &header(format!("{{\"a\": {first}, \"a\": {first}}}"), 8),
        &["tensor `a`: its header has two entries of that name"],
    );
    check_file(
        &header("{\"__metadata__\": {}, \"__metadata__\": {}}".to_owned(), 0),
        &["tensor `__metadata__`: its header has two entries"],
    );
    check_file(
        &header(format!("{{\"a\": {first}, \"b\": {late}}}"), 20),
        &["tensor `b`: its bytes begin at 12, and the tensors before it end at 8"],
    );
    check_file(
        &header(format!("{{\"a\": {second}}}"), 16),
        &["tensor `a`: its bytes begin at 8, and the tensors before it end at 0"],
    );
    let twice = first.replace("\"F32\"", "\"F16\", \"dtype\": \"F32\"");
    check_file(
        &header(format!("{{\"a\": {twice}}}"), 8),
        &["tensor `a`: its header entry gives `dtype` twice"],
    );
}

#[test]
fn a_key_with_two_values_is_refused_wherever_it_is() {
    let insert = |name: &'static str, text: &'static str| {
        move |folder: &Path| {
            let path = folder.join(name);
            let whole = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
            let comma = if whole.trim() == "{}" { "" } else { "," };
            fs::write(&path, format!("{{{text}{comma}{}", &whole[1..])).expect("write");
        }
    };
    check(
        insert("config.json", "\"num_hidden_layers\": 1"),
        &["config.json: `num_hidden_layers` stands there twice, with two values"],
    );
    check(
        insert(
            "config.json",
            "\"rope_scaling\": {\"factor\": 1, \"factor\": 2}",
        ),
        &["config.json: `factor` stands there twice"],
    );
    check(
        insert(
            "generation_config.json",
            "\"eos_token_id\": 1, \"eos_token_id\": 2",
        ),
        &["generation_config.json: `eos_token_id` stands there twice"],
    );
    // Saying the same again changes nothing, whoever reads it.
    check(
        insert("config.json", "\"num_hidden_layers\": 2"),
        &["it opened"],
    );
    let split = recipe().write_split();
    let index = split.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).expect("the index");
    let other = "\"weight_map\": {\"model.norm.weight\": \"model-9.safetensors\",";
    fs::write(&index, text.replace("\"weight_map\":{", other)).expect("write");
    let error = open(split.path());
    assert!(
        error.contains("index.json: `model.norm.weight` stands there twice"),
        "{error}"
    );
}

#[test]
fn an_index_that_leaves_out_a_tensor_is_refused() {
    let split = recipe().write_split();
    let index = split.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).expect("the index");
    let entry = "\"model.norm.weight\":\"model-0.safetensors\",";
    assert!(text.contains(entry), "{text}");
    fs::write(&index, text.replace(entry, "")).expect("write");
    let error = open(split.path());
    for part in [
        "model.safetensors.index.json",
        "model-0.safetensors",
        "`model.norm.weight`",
    ] {
        assert!(error.contains(part), "expected {part} in: {error}");
    }
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let folder = recipe().write();
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).expect("read");
    for length in [whole.len() - 1, whole.len() / 2, 4000, 100, 8, 7, 0] {
        fs::write(&path, &whole[..length]).expect("write");
        let error = open(folder.path());
        assert!(
            error.contains("model.safetensors: ") && error.contains("truncated or damaged"),
            "{length}: {error}"
        );
    }
}

#[test]
fn tensors_that_are_not_the_models() {
    let error = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = recipe();
        change(&mut recipe);
        open(recipe.write().path())
    };
    let missing = error(&|recipe| {
        recipe
            .tensors
            .retain(|(name, ..)| !name.contains("1.mlp.up"));
    });
    assert!(
        missing
            .contains("tensor `model.layers.1.mlp.up_proj.weight` of shape [180, 72] is missing"),
        "{missing}"
    );
    let shape = error(&|recipe| recipe.tensors[0].2 = vec![72, 131]);
    assert!(
        shape.contains(
            "`model.embed_tokens.weight` has shape [72, 131] and config.json implies [131, 72]"
        ),
        "{shape}"
    );
    let extra = |name: &str| (name.to_owned(), "F32", vec![3], vec![0.0; 3]);
    let stray = error(&|recipe| {
        recipe
            .tensors
            .push(extra("model.layers.0.self_attn.q_proj.bias"));
    });
    assert!(
        stray.contains(
            "`model.layers.0.self_attn.q_proj.bias` of shape [3] is not part of the model"
        ),
        "{stray}"
    );
    let harmless = error(&|recipe| {
        recipe
            .tensors
            .push(extra("model.layers.0.self_attn.rotary_emb.inv_freq"));
    });
    assert_eq!(harmless, "it opened");

    let split = recipe().write_split();
    let copy = split.path().join("model-0.safetensors");
    fs::copy(&copy, split.path().join("model-1.safetensors")).expect("copy");
    assert!(
        open(split.path()).contains("tensor `model.embed_tokens.weight` is in"),
        "{}",
        open(split.path())
    );
}

#[test]
fn weights_that_are_no_numbers_stop_the_build_and_leave_nothing() {
    let mut recipe = recipe();
    let at = recipe
        .tensors
        .iter()
        .position(|(name, ..)| name.contains("1.self_attn.o_proj"))
        .expect("o_proj");
    recipe.tensors[at].3[120 * 5 + 3] = f32::NAN;
    let (checkpoint, place) = (recipe.write(), TempDir::new().expect("a folder"));
    let error = try_build(
        checkpoint.path(),
        &place.path().join("program"),
        2,
        Precision::F32,
    )
    .expect_err("a NaN");
    let text = chain(&error);
    assert!(
        text.contains("`model.layers.1.self_attn.o_proj.weight` holds NaN at row 5"),
        "{text}"
    );
    let left = fs::read_dir(place.path()).expect("list").count();
    assert_eq!(left, 0);
}
