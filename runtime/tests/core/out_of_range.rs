//! A sequence whose numbers leave the range of the sums fails alone: the others have the bits that they have alone.

use runtime::program::Precision;
use runtime::ranks::{Connectivity, Feed, Logits, Lost, RankError, Ranks};
use serde_json::json;

use crate::support::{ODD, Recipe, feed, options, program, step};

/// The one token that has something in column 0 of the residual stream.
const BAD: u32 = 7;

/// Where the numbers of [`BAD`] leave the range. Each is a place that one rank alone computes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// One MLP column of the second layer.
    Mlp,
    /// One head of the first layer, through a value that is not finite.
    Head,
    /// One row of the vocabulary.
    Logit,
}

/// A model that computes as any other does, until it is fed [`BAD`].
fn recipe(place: Place) -> Recipe {
    let mut recipe = Recipe::new("llama", ODD, json!({}));
    for (name, _, shape, values) in &mut recipe.tensors {
        let columns = shape.last().copied().unwrap_or(1);
        let mut column = |value: fn(usize) -> f32| {
            for (at, row) in values.chunks_mut(columns).enumerate() {
                row[0] = value(at);
            }
        };
        match (name.as_str(), place) {
            ("model.embed_tokens.weight", _) => {
                column(|token| if token == BAD as usize { 1.0 } else { 0.0 });
            }
            // Column 150 lies in a late block, which the last rank owns.
            ("model.layers.1.mlp.up_proj.weight", Place::Mlp) => {
                column(|row| if row == 150 { 1e9 } else { 0.0 });
            }
            // Row 45 belongs to the last key and value head.
            ("model.layers.0.self_attn.v_proj.weight", Place::Head) => {
                column(|row| if row == 45 { 3e38 } else { 0.0 });
            }
            ("lm_head.weight", Place::Logit) => {
                column(|row| if row == 130 { 3e38 } else { 0.0 });
            }
            (name, _) => {
                // Nothing else writes column 0.
                if name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") {
                    values[..columns].fill(0.0);
                }
                // A normed value is below √72 · 1.2, and this keeps it above one.
                if matches!(place, Place::Logit) && name == "model.norm.weight"
                    || matches!(place, Place::Head) && name.ends_with("0.input_layernorm.weight")
                {
                    values[0] = 10.0;
                }
            }
        }
    }
    recipe
}

/// What a step gave: bits of the rows, and who was lost.
fn lossy(ranks: &mut Ranks, feeds: &[Feed<'_>]) -> (Vec<Vec<u32>>, Vec<Lost>) {
    let mut logits = Vec::new();
    let lost = match ranks.step(feeds, &mut logits) {
        Ok(()) => Vec::new(),
        Err(RankError::OutOfRange { lost }) => lost,
        Err(error) => panic!("{error}"),
    };
    let rows = logits
        .chunks(ODD.vocab)
        .map(|row| row.iter().map(|value| value.to_bits()).collect())
        .collect();
    (rows, lost)
}

fn is_lost(row: &[u32]) -> bool {
    row.iter().all(|bits| f32::from_bits(*bits).is_nan())
}

#[test]
fn only_the_sequence_that_left_the_range_is_lost_on_every_rank() {
    // The second is longer than a pass, so that its neighbour's bad row lies in the second of two.
    let short: Vec<u32> = (0..9).map(|at| (at * 31 + 12) % 97).collect();
    let long: Vec<u32> = (0..72).map(|at| (at * 29 + 8) % 97).collect();
    let long: Vec<u32> = long.into_iter().filter(|token| *token != BAD).collect();
    assert!(!short.contains(&BAD) && long.len() > 64);
    let bad = [3, 5, BAD, 4, 6];
    for place in [Place::Mlp, Place::Head, Place::Logit] {
        let checkpoint = recipe(place).write();
        let mut alone: Option<Vec<Vec<u32>>> = None;
        for shards in [1, 2, 3, 4] {
            let (_folder, program) = program(checkpoint.path(), shards, Precision::F32);
            for connectivity in [Connectivity::P2P, Connectivity::ThroughHost] {
                let what = format!("{place:?} over {shards} {connectivity:?}");
                let mut ranks = Ranks::start(&program, options(connectivity)).expect(&what);
                let ends = [short.len() as u32, long.len() as u32];
                let expected = alone.get_or_insert_with(|| {
                    vec![
                        step(&mut ranks, &[feed(0, 0, &short)]),
                        step(&mut ranks, &[feed(0, ends[0], &[9])]),
                        step(&mut ranks, &[feed(1, 0, &long)]),
                        step(&mut ranks, &[feed(1, ends[1], &[2])]),
                    ]
                });
                // Only the last token's row of logits is asked for, so there the bad one comes last.
                let until = if matches!(place, Place::Logit) { 3 } else { 5 };
                let lost = |index, position| Lost {
                    feed: index,
                    slot: 3,
                    position,
                };

                // In the first pass before a neighbour, in the second after one, and while both decode.
                let feeds = [
                    feed(0, 0, &short),
                    feed(3, 0, &bad[..until]),
                    feed(1, 0, &long),
                ];
                let (rows, who) = lossy(&mut ranks, &feeds);
                assert_eq!(who, [lost(1, 2)], "{what}");
                assert!(rows[0] == expected[0], "{what}: before");
                assert!(is_lost(&rows[1]), "{what}");
                assert!(rows[2] == expected[2], "{what}: after");
                let feeds = [feed(1, 0, &long), feed(3, 0, &bad[..until])];
                let (rows, who) = lossy(&mut ranks, &feeds);
                assert_eq!(who, [lost(1, 2)], "{what}");
                assert!(rows[0] == expected[2], "{what}: in an earlier pass");

                let feeds = [
                    feed(0, ends[0], &[9]),
                    feed(1, ends[1], &[2]),
                    feed(3, 0, &bad[2..3]),
                ];
                let (rows, who) = lossy(&mut ranks, &feeds);
                assert_eq!(who, [lost(2, 0)], "{what}");
                assert!(rows[0] == expected[1], "{what}: decoding");
                assert!(rows[1] == expected[3], "{what}: decoding");

                // What was computed from lost numbers cannot be gone on with; the slot serves the next sequence.
                let skipped = Feed {
                    logits: Logits::Skip,
                    ..feed(3, 0, &bad[..until])
                };
                if !matches!(place, Place::Logit) {
                    assert_eq!(lossy(&mut ranks, &[skipped]).1, [lost(0, 2)], "{what}");
                }
                let onwards = ranks.step(&[feed(3, 3, &[1])], &mut Vec::new());
                assert!(
                    matches!(onwards, Err(RankError::Feed { slot: 3, .. })),
                    "{what}: {onwards:?}"
                );
                assert!(
                    step(&mut ranks, &[feed(3, 0, &short)]) == expected[0],
                    "{what}"
                );
                ranks.stop().expect("stop");
            }
        }
    }
}

#[test]
fn the_sentence_names_the_slot_the_place_and_the_cause() {
    let lost = Lost {
        feed: 1,
        slot: 2,
        position: 5,
    };
    let error = RankError::OutOfRange { lost: vec![lost] };
    assert_eq!(
        error.to_string(),
        "the numbers of slot 2 left the range of the fixed-point sums (±131072 a block) at position 5 of its sequence: \
         the checkpoint's weights are broken or of a scale that this runtime does not hold"
    );
}

/// Weights that are scaled as a whole load well and answer nobody: it is told when the server starts.
#[test]
fn a_model_that_never_gives_numbers_is_not_served() {
    let mut scaled = Recipe::new("llama", ODD, json!({}));
    for (_, _, _, values) in &mut scaled.tensors {
        for value in values {
            *value *= 1e5;
        }
    }
    let cases = [
        (scaled, false),
        // One token's row alone is broken, of those that are tried the first: the others are served.
        (recipe(Place::Mlp), true),
        (Recipe::new("llama", ODD, json!({})), true),
    ];
    for (mut recipe, served) in cases {
        if served {
            let (_, _, _, values) = recipe
                .tensors
                .iter_mut()
                .find(|(name, ..)| name == "model.embed_tokens.weight")
                .expect("an embedding");
            let first = ODD.vocab / 8;
            values[first * 72] = 1e9;
        }
        let checkpoint = recipe.write();
        let (_folder, program) = program(checkpoint.path(), 2, Precision::Bf16);
        let mut ranks = Ranks::start(&program, options(Connectivity::P2P)).expect("ranks");
        match ranks.probe() {
            Ok(()) => assert!(served),
            Err(RankError::NoNumbers { tokens }) => {
                assert!(!served);
                assert_eq!(tokens, [16, 49, 81, 114]);
            }
            Err(error) => panic!("{error}"),
        }
    }
}
