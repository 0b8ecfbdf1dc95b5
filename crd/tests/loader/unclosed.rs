//! Brackets, quotes and marks in any order: whatever the parser gives up on is told, and nothing panics.
use crd::load::{SourceText, load};
use proptest::prelude::*;

/// What texts are put together from.
const PIECES: [&str; 14] = [
    "{", "}", "[", "]", "\"", "'", ":", ",", "- ", "? ", " ", "\n", "a", "é",
];

fn read(text: &str) {
    for found in load(&[SourceText::new("input", text)]).diagnostics {
        assert!(!found.help.is_empty(), "no help with {found:?} in {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_order_of_marks_is_read_or_told(pieces in prop::collection::vec(0..PIECES.len(), 0..24)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        read(&text);
    }
}

#[test]
fn a_bracket_too_long_to_be_a_key_is_told_where_it_opens() {
    // YAML lets a key that no `?` announces have 1,024 characters.
    for length in [1000, 1010, 1015, 1020, 1030, 2000] {
        for (open, close) in [("{\"b\":", "}"), ("[", "]")] {
            let long = "x".repeat(length);
            for text in [
                format!("{{\"a\":[{open}\"{long}\"{close}:}}"),
                format!("a: [{open}\"{long}\"{close}: 1]\n"),
                format!("[\n{open}\n\"{long}\"{close}: 1]\n"),
                format!("{open}\"{long}\"{close}: 1\n"),
            ] {
                read(&text);
            }
        }
    }
}
