//! Complaints among a tool's own lines.
//!
//! Format: inferred, but for the sentences of the open runtime that the tests have. No list of a tool's complaints is published.
use super::log::{before_log, is_log, without_escapes};

/// Words by which a tool says that something did not work.
const COMPLAINTS: [&str; 8] = [
    "cannot",
    "denied",
    "differ",
    "invalid",
    "no such",
    "refused",
    "timed out",
    "unable",
];
/// Beginnings of words that are counted too: `Errors: 0` says that nothing went wrong.
const COUNTED: [&str; 3] = ["error", "fail", "mismatch"];

/// The first line that speaks of a failure, log lines left out: the runtime logs errors that its tools get over.
pub fn complaint(text: &str) -> Option<String> {
    without_escapes(text)
        .lines()
        .map(|line| before_log(line).trim())
        .find(|line| !is_log(line) && complains(&line.to_ascii_lowercase()))
        .map(str::to_owned)
}

fn complains(line: &str) -> bool {
    if COMPLAINTS.iter().any(|word| line.contains(word)) {
        return true;
    }
    let words: Vec<&str> = words_of(line)
        .into_iter()
        .filter(|word| !matches!(*word, "count" | "cnt" | "rate"))
        .collect();
    (0..words.len()).any(|at| is_counted(words[at]) && !counts_nothing(&words, at))
        || is_of_wrong_data(line, &words)
}

/// Words and numbers of a line, a comma or a semicolon between as a word of its own: what stands behind one is about something
/// else.
pub(super) fn words_of(line: &str) -> Vec<&str> {
    let ends = |sign: char| sign == ',' || sign == ';';
    let mut words = Vec::new();
    for (at, part) in line.split(ends).enumerate() {
        if at > 0 {
            words.push(",");
        }
        let plain = part
            .split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '.')
            .map(|word| word.trim_matches('.'));
        words.extend(plain.filter(|word| !word.is_empty()));
    }
    words
}

/// `got the wrong data`, `read 0xff instead of 0x11`; not where the line itself says that there was none of it.
fn is_of_wrong_data(line: &str, words: &[&str]) -> bool {
    let any = |of: &[&str]| words.iter().any(|word| of.contains(word));
    let wrong = words
        .iter()
        .any(|word| *word == "wrong" || word.starts_with("corrupt"));
    let other = line.contains("instead of") && any(&["read", "got", "found", "received"]);
    let fine =
        any(&["pass", "passed", "ok", "success"]) || words.iter().any(|word| is_nothing(word));
    (wrong || other) && !fine
}

fn is_counted(word: &str) -> bool {
    COUNTED.iter().any(|counted| word.starts_with(counted))
}

/// Whether the word at this place is one of failure, of which there is none: `errors: 0`, `no mismatch`. A number behind it is its
/// own; one before it may be another's.
pub(super) fn counts_nothing(words: &[&str], at: usize) -> bool {
    let Some(word) = words.get(at) else {
        return false;
    };
    let behind = words.get(at + 1);
    let before = at.checked_sub(1).map(|at| words[at]);
    let counted = behind.is_some_and(|word| word.parse::<f64>().is_ok());
    let none = behind.is_some_and(|word| is_nothing(word));
    is_counted(word) && (none || !counted && before.is_some_and(is_nothing))
}

/// Whether a word says that there is none of something.
pub(super) fn is_nothing(word: &str) -> bool {
    matches!(word, "no" | "null" | "none") || word.parse::<f64>().is_ok_and(|number| number == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_heard_and_logs_are_not() {
        for (text, want) in [
            ("all fine\n", None),
            (
                "one\n  Failed to open device\n",
                Some("Failed to open device"),
            ),
            ("[15:58:55.536][error][LogCommon] Failed to open\n", None),
            ("InferenceCnt 10[15:58:55.536][error] Failed\n", None),
            ("Errors: 0\n0 errors\nError count=0\nno failures\n", None),
            ("10 errors\n", Some("10 errors")),
            ("Output mismatches: 0\nno mismatch\n", None),
            ("pass=0 fail=10\n", Some("pass=0 fail=10")),
            ("0 failures, 10 passed\nno corruption found\n", None),
            (
                "Using default batch size 1 instead of 4\nData corruption check: passed\nwrong data: 0\n0 corrupt blocks\n",
                None,
            ),
            ("3 corrupt blocks\n", Some("3 corrupt blocks")),
            ("got the wrong data\n", Some("got the wrong data")),
            (
                "read 0xff instead of 0x11\n",
                Some("read 0xff instead of 0x11"),
            ),
            ("Output mismatches: 7\n", Some("Output mismatches: 7")),
            ("mismatch at byte 0\n", Some("mismatch at byte 0")),
            (
                "Failed to query Device ID: 0\n",
                Some("Failed to query Device ID: 0"),
            ),
            ("{\"error\": null}", None),
            ("connection refused", Some("connection refused")),
            ("Permission denied\r\n", Some("Permission denied")),
            (
                "\u{1b}[31mPermission denied\u{1b}[0m\n",
                Some("Permission denied"),
            ),
            ("\u{1b}[31m[15:58:55.536][error] failed\u{1b}[0m\n", None),
        ] {
            assert_eq!(complaint(text).as_deref(), want, "{text}");
        }
    }
}
