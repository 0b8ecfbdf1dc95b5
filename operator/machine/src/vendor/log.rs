//! Log lines, which the vendor's runtime writes on the stream that its tools print to, and complaints among the other lines.
//!
//! Format: observed (`[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device …`, in a published capture).

/// Whether a line is one of the runtime's log: it begins with a bracket.
pub fn is_log(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// Lines that end. One that does not was cut off, and half a number is another number.
pub(super) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end].lines()
}

/// The line up to where a log line was printed into it: two writers share one stream.
pub(super) fn before_log(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find('[') {
        let at = from + at;
        if is_time(&line.as_bytes()[at + 1..]) {
            return &line[..at];
        }
        from = at + 1;
    }
    line
}

/// `15:58:55.536]`, or without the fraction.
fn is_time(bytes: &[u8]) -> bool {
    let digits = |at: usize| {
        bytes
            .get(at..at + 2)
            .is_some_and(|two| two.iter().all(u8::is_ascii_digit))
    };
    digits(0)
        && digits(3)
        && digits(6)
        && bytes[2] == b':'
        && bytes[5] == b':'
        && matches!(bytes.get(8), Some(b'.' | b']'))
}

/// Words by which a tool says that something did not work.
const COMPLAINTS: [&str; 9] = [
    "cannot",
    "denied",
    "differ",
    "invalid",
    "mismatch",
    "no such",
    "refused",
    "timed out",
    "unable",
];
/// Beginnings of words that are counted too: `Errors: 0` says that nothing went wrong.
const COUNTED: [&str; 2] = ["error", "fail"];

/// The first line that speaks of a failure, log lines left out: the runtime logs errors that its tools get over.
pub fn complaint(text: &str) -> Option<&str> {
    text.lines()
        .map(|line| before_log(line).trim())
        .find(|line| !is_log(line) && complains(&line.to_ascii_lowercase()))
}

fn complains(line: &str) -> bool {
    if COMPLAINTS.iter().any(|word| line.contains(word)) {
        return true;
    }
    let words: Vec<&str> = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !matches!(*word, "count" | "cnt" | "rate"))
        .collect();
    let none = |at: Option<usize>| {
        let word = at.and_then(|at| words.get(at));
        word.is_some_and(|word| matches!(*word, "0" | "no" | "null" | "none"))
    };
    words.iter().enumerate().any(|(at, word)| {
        COUNTED.iter().any(|counted| word.starts_with(counted))
            && !none(at.checked_sub(1))
            && !none(Some(at + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_within_a_line_ends_it() {
        for (line, want) in [
            ("\tStatus:Ready", "\tStatus:Ready"),
            ("\tStatus:Ready[15:58:55.536][error][x] y", "\tStatus:Ready"),
            ("\tStatus:Ready[15:58:55][error]", "\tStatus:Ready"),
            ("\tDev Link:[a] [b", "\tDev Link:[a] [b"),
            ("[15:58:55.536][error]", ""),
            ("[", "["),
            ("é[1:2:3]", "é[1:2:3]"),
        ] {
            assert_eq!(before_log(line), want, "{line}");
        }
    }

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
            (
                "Failed to query Device ID: 0\n",
                Some("Failed to query Device ID: 0"),
            ),
            ("{\"error\": null}", None),
            ("connection refused", Some("connection refused")),
            ("Permission denied\r\n", Some("Permission denied")),
        ] {
            assert_eq!(complaint(text), want, "{text}");
        }
    }
}
