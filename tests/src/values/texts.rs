//! Texts that a schema allows: by its pattern, at the lengths where servers draw lines, and those that are taken for
//! something else.
use std::collections::BTreeSet;

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    string::string_regex,
    test_runner::TestRunner,
};
use serde_json::Value;

/// What YAML or a template takes for something else, and what is nearly well formed.
const ODD: [&str; 41] = [
    "",
    "1",
    "123",
    "1e3",
    "0x1f",
    "0o7",
    "010",
    "1_000",
    ".5",
    "-1",
    "true",
    "no",
    "null",
    "~",
    "12:30:00",
    "2026-01-01",
    "a",
    "a..b",
    "a-",
    "a/b",
    "a.b/c-d",
    "a.b:5000/c",
    "a:1",
    "a.b:5000/c:1.0",
    "..",
    "/a",
    "/var/../lib",
    "/var/./lib",
    "a b",
    "a b!",
    " a",
    "a: b",
    "a #b",
    "a\n- b",
    "a\n",
    "UPPER CASE",
    "Upper",
    "{{ .Release.Name }}",
    "\"'\\",
    "&a *a",
    "\u{e9}",
];
/// Longest labels, names and keys, an image's name, and what is longer than any of them, in characters.
const LENGTHS: [usize; 9] = [63, 64, 237, 253, 254, 255, 300, 1024, 5000];
/// Texts that are drawn by a pattern; fewer are kept, since one sample is made for each.
const DRAWN: usize = 32;
const KEPT: usize = 6;

/// Texts that are `allowed`, which holds at least what the schema's own patterns say.
///
/// # Panics
/// When a pattern does not hold for the whole text, or nothing that is drawn by it is allowed.
pub fn texts(schema: &Value, allowed: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let all = schema["allOf"].as_array().into_iter().flatten();
    let patterns = all.chain([schema]).filter_map(|of| of["pattern"].as_str());
    let mut patterns: Vec<&str> = patterns.collect();
    if patterns.is_empty() {
        patterns.push("^[ -~\n]{0,32}$");
    }
    let by_pattern: BTreeSet<String> = patterns
        .iter()
        .flat_map(|pattern| by_pattern(pattern))
        .filter(|text| allowed(text))
        .take(KEPT)
        .collect();
    assert!(!by_pattern.is_empty(), "nothing was drawn from {schema}");
    let mut found: BTreeSet<String> = ODD
        .iter()
        .filter(|text| allowed(text))
        .map(|text| (*text).to_owned())
        .chain(by_pattern)
        .collect();
    let most = schema["maxLength"].as_u64();
    let most = most.and_then(|most| usize::try_from(most).ok());
    let lengths = LENGTHS.into_iter().chain(most);
    let long: Vec<String> = lengths
        .filter_map(|length| {
            let stretched = found.iter().flat_map(|text| stretched(text, length));
            stretched.into_iter().find(|text| allowed(text))
        })
        .collect();
    found.extend(long);
    found
}

#[expect(
    clippy::expect_used,
    reason = "a pattern that nothing can be drawn from must fail the test"
)]
fn by_pattern(pattern: &str) -> Vec<String> {
    let whole = pattern
        .strip_prefix('^')
        .and_then(|rest| rest.strip_suffix('$'));
    let whole = whole.expect("a pattern holds for the whole text");
    let mut runner = TestRunner::deterministic();
    // What may be said without end comes out longer than other rules allow where that is nested: shorter ones before.
    let short = whole.replace(")*", "){0,1}").replace("]*", "]{0,3}");
    let mut draw = |pattern: &str| -> Vec<String> {
        let strategy = string_regex(pattern).expect("the pattern can be drawn from");
        (0..DRAWN)
            .filter_map(|_| Some(strategy.new_tree(&mut runner).ok()?.current()))
            .collect()
    };
    let (short, long) = (draw(&short), draw(whole));
    short
        .into_iter()
        .zip(long)
        .flat_map(<[_; 2]>::from)
        .collect()
}

/// The text with one of its characters so often that it has `length` of them: once for each.
fn stretched(text: &str, length: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let Some(more) = length.checked_sub(letters.len()) else {
        return Vec::new();
    };
    let again = |(place, letter): (usize, &char)| {
        let (before, after) = letters.split_at(place);
        let middle = std::iter::repeat_n(*letter, more);
        before
            .iter()
            .copied()
            .chain(middle)
            .chain(after.iter().copied())
            .collect()
    };
    letters.iter().enumerate().map(again).collect()
}
