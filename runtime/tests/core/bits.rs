//! Logits have the same bits for every shard count, connectivity and batch composition.

use runtime::program::Precision;
use runtime::ranks::{Connectivity, Feed, InstructionSet, Logits, RankOptions, Ranks};
use serde_json::{Value, json};

use crate::support::{
    EIGHT, MANY, ODD, Recipe, Sizes, feed, instruction_sets, options, program, step,
};

/// A prompt longer than one pass, so that it is cut somewhere inside.
fn prompt() -> Vec<u32> {
    (0..70).map(|at| (at * 29 + 3) % 97).collect()
}

/// Feeds one sequence in every way that a batcher could, and returns the bits after its prompt and after three more
/// tokens. All ways must agree with the first.
fn ways(ranks: &mut Ranks, what: &str) -> Vec<u32> {
    let prompt = prompt();
    let more = [5, 11, 2];
    let end = prompt.len() as u32;
    let follow = |ranks: &mut Ranks, slot: u32| -> Vec<u32> {
        (0..3)
            .flat_map(|at| step(ranks, &[feed(slot, end + at as u32, &more[at..=at])]))
            .collect()
    };
    let mut whole = step(ranks, &[feed(0, 0, &prompt)]);
    whole.extend(follow(ranks, 0));

    let mut singly = Vec::new();
    for (at, token) in prompt.iter().enumerate() {
        singly = step(ranks, &[feed(1, at as u32, &[*token])]);
    }
    singly.extend(follow(ranks, 1));
    assert!(
        singly == whole,
        "{what}: token by token differs from a whole prompt"
    );

    // In chunks, beside two other sequences that are fed and restarted.
    let mut chunked = Vec::new();
    let mut at = 0;
    for size in [1_usize, 30, 7, 32] {
        let other: Vec<u32> = (0..=(size as u32 % 11))
            .map(|token| (token * 7 + at as u32) % 97)
            .collect();
        let skipped = Feed {
            logits: Logits::Skip,
            ..feed(3, 0, &other)
        };
        let feeds = [
            feed(2, 0, &other),
            feed(0, at as u32, &prompt[at..at + size]),
            skipped,
        ];
        let bits = step(ranks, &feeds);
        let row = bits.len() / 2;
        chunked = bits[row..].to_vec();
        at += size;
    }
    chunked.extend(follow(ranks, 0));
    assert!(
        chunked == whole,
        "{what}: in chunks beside others differs from a whole prompt"
    );

    // Two copies of the sequence decoding side by side.
    let together = step(ranks, &[feed(1, end, &more[..1]), feed(0, end, &more[..1])]);
    let row = whole.len() / 4;
    assert!(
        together[..row] == whole[row..2 * row] && together[row..] == whole[row..2 * row],
        "{what}: side by side"
    );
    whole
}

fn check(family: &str, sizes: Sizes, extra: Value, precision: Precision, shards: &[u32]) {
    check_on(
        InstructionSet::Best,
        family,
        sizes,
        extra,
        precision,
        shards,
    );
}

fn check_on(
    instructions: InstructionSet,
    family: &str,
    sizes: Sizes,
    extra: Value,
    precision: Precision,
    shards: &[u32],
) -> Vec<u32> {
    let checkpoint = Recipe::new(family, sizes, extra).write();
    let mut first: Option<Vec<u32>> = None;
    for count in shards {
        let (_folder, program) = program(checkpoint.path(), *count, precision);
        for connectivity in [Connectivity::P2P, Connectivity::ThroughHost] {
            let what =
                format!("{family} {precision:?} over {count} {connectivity:?} {instructions:?}");
            let chosen = RankOptions {
                instructions,
                ..options(connectivity)
            };
            let mut ranks = Ranks::start(&program, chosen).expect(&what);
            let bits = ways(&mut ranks, &what);
            assert!(
                bits.iter().any(|bits| bits & 0x7fff_ffff != 0),
                "{what}: all logits are zero"
            );
            let expected = first.get_or_insert_with(|| bits.clone());
            assert!(
                bits == *expected,
                "{what}: other bits than over {} shards",
                shards[0]
            );
            ranks.stop().expect("stop");
        }
    }
    first.unwrap_or_default()
}

#[test]
fn llama_f32() {
    check(
        "llama",
        ODD,
        json!({"attention_bias": true, "mlp_bias": true}),
        Precision::F32,
        &[1, 2, 3, 4],
    );
}

#[test]
fn llama_tied_over_more_ranks_than_key_heads() {
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32});
    check(
        "llama",
        EIGHT,
        json!({"tie_word_embeddings": true, "rope_scaling": scaling}),
        Precision::F32,
        &[1, 3, 8],
    );
}

#[test]
fn mistral_bf16() {
    check(
        "mistral",
        ODD,
        json!({"sliding_window": 9}),
        Precision::Bf16,
        &[1, 2, 3, 4],
    );
}

#[test]
fn qwen2_int8() {
    check("qwen2", ODD, json!({}), Precision::Int8, &[1, 2, 3, 4]);
}

#[test]
fn qwen3_int4() {
    check("qwen3", ODD, json!({}), Precision::Int4, &[1, 2, 3, 4, 6]);
}

#[test]
fn an_mlp_of_one_block_leaves_ranks_idle() {
    check(
        "llama",
        Sizes {
            intermediate: 24,
            ..ODD
        },
        json!({}),
        Precision::Int8,
        &[1, 4],
    );
}

#[test]
fn twenty_ranks_of_thirty_two_heads() {
    check("llama", MANY, json!({}), Precision::F32, &[1, 20]);
}

/// The bits are promised on one instruction set; that two sets differ shows that the choice reaches the kernels.
#[test]
fn every_instruction_set_keeps_its_own_bits() {
    let biases = json!({"attention_bias": true, "mlp_bias": true});
    let mut seen: Vec<Vec<u32>> = Vec::new();
    for instructions in instruction_sets() {
        for precision in [Precision::Int8, Precision::F32] {
            let bits = check_on(
                instructions,
                "llama",
                ODD,
                biases.clone(),
                precision,
                &[1, 2, 3, 4],
            );
            assert!(
                !seen.contains(&bits),
                "{instructions:?} {precision:?} computes as another does"
            );
            seen.push(bits);
        }
    }
}
