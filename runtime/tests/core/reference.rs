//! Logits and greedy tokens against values that transformers computed (`tests/numerics`).

use std::fs;
use std::path::{Path, PathBuf};

use runtime::program::Precision;
use runtime::ranks::{Connectivity, Feed, InstructionSet, RankOptions, Ranks};
use serde_json::Value;

use crate::support::{feed, instruction_sets, options, program, step};

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn cases() -> Vec<(String, Value)> {
    let mut cases: Vec<(String, Value)> = fs::read_dir(tests_folder().join("numerics"))
        .expect("reference values")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .filter_map(|path| {
            let bytes = fs::read(&path).expect("a file");
            let value: Value = serde_json::from_slice(&bytes).expect("JSON");
            // The tiny guide's own values lie in the same folder; they have questions, and no random checkpoint.
            let name = value["checkpoint"].as_str()?.to_owned();
            Some((name, value))
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 14, "only {} cases", cases.len());
    cases
}

fn tokens(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("tokens")
        .iter()
        .map(|token| token.as_u64().expect("a token") as u32)
        .collect()
}

fn logits(ranks: &mut Ranks, feed: Feed<'_>) -> Vec<f32> {
    step(ranks, &[feed])
        .into_iter()
        .map(f32::from_bits)
        .collect()
}

/// The largest error and the root of the mean squared one over all prompts, the first as a part of the logit scale,
/// the second as a part of the logits' standard deviation.
fn errors(
    case: &Value,
    precision: Precision,
    shards: u32,
    connectivity: Connectivity,
    instructions: InstructionSet,
) -> (f64, f64) {
    let checkpoint = tests_folder()
        .join("checkpoints")
        .join(case["checkpoint"].as_str().expect("a name"));
    let (_folder, program) = program(&checkpoint, shards, precision);
    let chosen = RankOptions {
        instructions,
        ..options(connectivity)
    };
    let mut ranks = Ranks::start(&program, chosen).expect("start");
    let scale = case["logit_scale"].as_f64().expect("a scale");
    let (mut worst, mut squares, mut all, mut sum, mut count) = (0.0f64, 0.0, 0.0, 0.0, 0.0);
    for prompt in case["prompts"].as_array().expect("prompts") {
        let ours = logits(&mut ranks, feed(0, 0, &tokens(&prompt["tokens"])));
        let theirs: Vec<f64> = prompt["logits"]
            .as_array()
            .expect("logits")
            .iter()
            .map(|value| value.as_f64().expect("a logit"))
            .collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let error = (f64::from(*ours) - theirs).abs();
            worst = worst.max(error / scale);
            squares += error * error;
            all += theirs * theirs;
            sum += theirs;
            count += 1.0;
        }
    }
    ranks.stop().expect("stop");
    let variance = all / count - (sum / count) * (sum / count);
    (worst, (squares / count / variance).sqrt())
}

#[test]
fn f32_logits_are_the_reference_for_every_architecture() {
    for (at, (name, case)) in cases().into_iter().enumerate() {
        // Shard counts and connectivities take turns: `bits` shows that none of them changes a bit.
        let connectivity = if at % 2 == 0 {
            Connectivity::P2P
        } else {
            Connectivity::ThroughHost
        };
        let shards = 1 + (at as u32 % 3);
        for instructions in instruction_sets() {
            let (worst, _) = errors(&case, Precision::F32, shards, connectivity, instructions);
            assert!(
                worst <= 1e-4,
                "{name} over {shards} with {instructions:?}: {worst:e} of the logit scale"
            );
        }
        // Each feature moves the logits by far more than the bound, or the bound would prove nothing about it.
        for (feature, effect) in case["effect_of"].as_object().into_iter().flatten() {
            assert!(
                effect.as_f64().expect("an effect") > 0.05,
                "{name}: {feature}"
            );
        }
    }
}

#[test]
fn greedy_tokens_are_the_reference_for_every_architecture() {
    for (name, case) in cases() {
        let checkpoint = tests_folder().join("checkpoints").join(&name);
        let (_folder, program) = program(&checkpoint, 2, Precision::F32);
        let mut ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("start");
        let mut fed = tokens(&case["greedy"]["prompt"]);
        let mut position = 0;
        let mut found = Vec::new();
        for _ in 0..16 {
            let row = logits(&mut ranks, feed(0, position, &fed));
            position += fed.len() as u32;
            let best = row
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))
                .map(|(token, _)| token as u32)
                .expect("a token");
            found.push(best);
            fed = vec![best];
        }
        ranks.stop().expect("stop");
        assert_eq!(found, tokens(&case["greedy"]["tokens"]), "{name}");
    }
}

/// The errors of bf16, int8 and int4 measured for each checkpoint, over two shards on AVX-512; bf16 of a checkpoint that
/// is stored in bf16 loses nothing but the last bits of its sums, which count as 1e-5.
const MEASURED: &[(&str, [f64; 3])] = &[
    ("llama-linear", [1e-5, 0.02, 0.2]),
    ("llama-odd", [1e-5, 0.018, 0.2]),
    ("llama2-mha", [0.0069, 0.019, 0.26]),
    ("llama2-sharded", [0.0059, 0.018, 0.19]),
    ("llama3-hub4", [1e-5, 0.015, 0.2]),
    ("llama3-hub5", [1e-5, 0.036, 0.41]),
    ("mistral-hub5", [1e-5, 0.019, 0.24]),
    ("mistral-window", [1e-5, 0.019, 0.23]),
    ("qwen2-tied", [1e-5, 0.033, 0.36]),
    ("qwen2-window", [1e-5, 0.015, 0.16]),
    ("qwen25-hub5", [1e-5, 0.02, 0.34]),
    ("qwen3-hub4", [1e-5, 0.029, 0.26]),
    ("qwen3-hub5", [1e-5, 0.018, 0.22]),
    ("tinyllama", [0.0057, 0.016, 0.2]),
];
/// Other instructions sum in another order; an error that doubles is a defect.
const MARGIN: f64 = 1.5;

/// The bounds that `Precision` states for models of that depth (see `depth` for deeper ones), as root-mean-square error
/// over the logits' standard deviation, and those of each checkpoint, which are tighter.
#[test]
fn quantised_logits_stay_within_the_stated_bounds() {
    let cases = cases();
    assert_eq!(
        cases.len(),
        MEASURED.len(),
        "a checkpoint was never measured"
    );
    for ((name, case), (measured_name, measured)) in cases.into_iter().zip(MEASURED) {
        assert_eq!(name, *measured_name);
        let found = [Precision::Bf16, Precision::Int8, Precision::Int4].map(|precision| {
            errors(&case, precision, 2, Connectivity::P2P, InstructionSet::Best).1
        });
        let bounds = [0.01, 0.07, 0.6].map(|one| one * std::f64::consts::SQRT_2);
        for ((found, bound), measured) in found.into_iter().zip(bounds).zip(measured) {
            assert!(found <= bound, "{name}: {found} is over {bound}");
            assert!(
                found <= MARGIN * measured,
                "{name}: {found} where {measured} was measured"
            );
        }
        // bf16 of a checkpoint that is stored in bf16 loses nothing, so no lower bound there.
        assert!(
            found[1] > 1e-5 && found[2] > found[1],
            "{name}: {found:?} lost nothing to quantisation"
        );
    }
}
