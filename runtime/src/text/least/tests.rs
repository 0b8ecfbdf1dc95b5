//! Never more than a tokenizer makes of a text, and not much less.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::vocabulary::tests::{
    byte_fallback_file, byte_level_file, metaspace_file, vocabulary,
};
use super::super::{SpecialTokens, Vocabulary};
use super::Least;

/// The fewest tokens that a text is said to have: the largest budget that it is beyond, and one.
fn least(vocabulary: &Vocabulary, text: &str) -> u32 {
    let (mut low, mut high) = (0, u32::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        match vocabulary.budget(middle).spend(text) {
            Ok(()) => high = middle,
            Err(_) => low = middle + 1,
        }
    }
    low
}

/// With tokens of more than one character.
fn merging(mut file: Value) -> Value {
    let merges = [("a", "b"), ("ab", "ab"), ("e", "e"), ("ee", "ee")];
    let mut next = file["model"]["vocab"].as_object().unwrap().len() + 3;
    for (left, right) in merges {
        for word in [left, right] {
            if file["model"]["vocab"].get(word).is_none() {
                file["model"]["vocab"][word] = json!(next);
                next += 1;
            }
        }
        file["model"]["vocab"][format!("{left}{right}")] = json!(next);
        next += 1;
    }
    file["model"]["merges"] = merges.map(|(left, right)| format!("{left} {right}")).into();
    file
}

fn composing(mut file: Value) -> Value {
    file["normalizer"] = json!({"type": "NFC"});
    file
}

/// Its special tokens take the blanks around them with them.
fn stripping(mut file: Value) -> Value {
    for token in file["added_tokens"].as_array_mut().unwrap() {
        token["lstrip"] = json!(true);
        token["rstrip"] = json!(true);
    }
    file
}

fn files() -> Vec<Value> {
    let plain = [byte_level_file(), byte_fallback_file(), metaspace_file()];
    let mut files: Vec<Value> = plain
        .into_iter()
        .flat_map(|file| [merging(file.clone()), file])
        .collect();
    files.extend([
        composing(merging(byte_level_file())),
        composing(byte_level_file()),
    ]);
    let stripped: Vec<Value> = files.iter().cloned().map(stripping).collect();
    files.extend(stripped);
    files
}

#[test]
fn a_plain_text_is_counted_as_it_is() {
    let check = |file: &Value, text: &str, expected| {
        assert_eq!(least(&vocabulary(file), text), expected, "{text:?}");
    };
    check(&byte_level_file(), "wxyz", 4);
    // Letters that stand in an added token count for less.
    check(&byte_level_file(), &"s".repeat(80), 10);
    check(&byte_level_file(), "☃☃", 6);
    check(&byte_fallback_file(), "☃☃", 2);
    // What may be dropped counts for nothing.
    check(&stripping(byte_level_file()), "    ", 0);
    check(&composing(byte_level_file()), "e\u{301}\u{301}", 0);
    check(&composing(byte_level_file()), "wxyz", 3);
    let mut words = byte_level_file();
    words["pre_tokenizer"] = json!({"type": "Whitespace"});
    check(&words, "w w w", 0);
    words = byte_level_file();
    words["model"] = json!({"type": "WordLevel", "vocab": {"w": 0}, "unk_token": "w"});
    check(&words, "w w w", 0);
    // A byte that is no token vanishes.
    let mut holed = byte_level_file();
    holed["model"]["vocab"].as_object_mut().unwrap().remove("w");
    check(&holed, "wxw", 1);
}

#[test]
fn a_budget_counts_pieces_as_one_text() {
    let file = byte_level_file();
    let least = Least::of(&file);
    let mut budget = least.budget(3);
    assert!(budget.spend("wx").is_ok());
    assert!(budget.spend("y").is_ok());
    assert!(budget.spend("z").is_err());
}

proptest! {
    #[test]
    fn no_text_has_fewer_tokens(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("ab".to_owned()), Just("abab".to_owned()), Just("eeee".to_owned()), Just(" ".to_owned()),
                Just("   \n".to_owned()), Just("<|end|>".to_owned()), Just("<tool>".to_owned()), Just("</s>".to_owned()),
                Just("e\u{301}".to_owned()), Just("\u{1100}\u{1161}".to_owned()), Just("漢".to_owned()),
                Just("Hello world".to_owned()), any::<char>().prop_map(String::from),
            ],
            0..40,
        )
    ) {
        let text = pieces.concat();
        for file in files() {
            let vocabulary = vocabulary(&file);
            let tokens = vocabulary.encode(&text, SpecialTokens::Present).unwrap().len();
            let least = least(&vocabulary, &text) as usize;
            prop_assert!(least <= tokens, "{least} of {tokens}: {text:?}");
        }
    }
}
