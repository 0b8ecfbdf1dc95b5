//! Log lines, which the vendor's runtime writes on the stream that its tools print to.
//!
//! Format: observed (`[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device …`, in a published capture). That a
//! time may stand without its brackets, `15:58:55.536 [error] …`, is inferred.
use std::{borrow::Cow, str::Chars};

/// Whether a line is one of the runtime's log: it begins with a bracket, or with a time and then one.
pub fn is_log(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('[') || before_log(line).is_empty() && !line.is_empty()
}

/// A text without the sequences by which a program colours a terminal and moves on it, and without a mark of its encoding.
pub(super) fn without_escapes(text: &str) -> Cow<'_, str> {
    // One after the other: a search for one character is a search for bytes.
    if !text.contains('\u{1b}') && !text.contains('\u{feff}') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{feff}' => {}
            '\u{1b}' => skip_escape(&mut rest),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Takes what belongs to an escape sequence (ECMA-48); one that breaks off at a line's end ends there.
fn skip_escape(rest: &mut Chars<'_>) {
    let ended = |c: char| c == '\n' || c == '\r';
    let ahead = |rest: &Chars<'_>| rest.clone().next().filter(|&c| !ended(c));
    match ahead(rest) {
        // Parameters, then one letter.
        Some('[') => {
            rest.next();
            while let Some(c) = ahead(rest) {
                rest.next();
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        // A string, up to a bell or another escape sequence.
        Some(']') => {
            while let Some(c) = ahead(rest) {
                rest.next();
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    if ahead(rest).is_some() {
                        rest.next();
                    }
                    break;
                }
            }
        }
        Some(_) => {
            rest.next();
        }
        None => {}
    }
}

/// The lines of the tool itself. Log lines are taken out from between them, and from within: what was torn apart by one is put
/// together again where what follows can only be the rest. A line that does not end was cut off, and half a number is another
/// number: it is none, and neither is a torn line whose rest is lost.
pub(super) fn own_lines(text: &str) -> Vec<String> {
    let mut own = mended_lines(text);
    for line in &mut own {
        line.retain(|sign| sign != BREAK);
    }
    own
}

/// Where lines were put together; no line has it of its own.
pub(super) const BREAK: char = '\n';

/// As [`own_lines`], with a [`BREAK`] where a line was torn: it may have been a line of the log, too, and then something between
/// is lost.
pub(super) fn mended_lines(text: &str) -> Vec<String> {
    let text = without_escapes(text);
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    let mut own: Vec<String> = Vec::new();
    let mut torn = false;
    for line in text[..end].lines().filter(|line| !is_log(line)) {
        let part = before_log(line);
        match own.last_mut().filter(|_| torn) {
            Some(last) if is_rest(last, part) => {
                last.push(BREAK);
                last.push_str(part);
            }
            Some(last) => {
                if !part.trim().is_empty() {
                    doubt(last);
                }
                own.push(part.to_owned());
            }
            None => own.push(part.to_owned()),
        }
        torn = part.len() < line.len();
    }
    if let Some(last) = own.last_mut().filter(|_| torn) {
        doubt(last);
    }
    own
}

/// How many bytes a text has without its log lines. A runtime that has much to complain about writes thousands of them, and
/// none of them is part of the tool's answer.
pub(crate) fn own_size(text: &str) -> usize {
    let text = without_escapes(text);
    let own = text.lines().filter(|line| !is_log(line));
    own.map(|line| before_log(line).len() + 1).sum()
}

/// Whether a line is the rest of the one before it, which a log line tore apart.
fn is_rest(torn: &str, line: &str) -> bool {
    let starts = line.starts_with("QID") || line.trim().is_empty();
    !starts
        && !is_sentence(line)
        && (!line.contains(':') || !torn.contains(':') && !torn.starts_with("QID"))
}

/// `Device 3 invalid`: values are names, numbers and signs, and have no such words after a capital letter.
pub(super) fn is_sentence(line: &str) -> bool {
    let word = |word: &str| word.len() >= 3 && word.bytes().all(|b| b.is_ascii_lowercase());
    line.starts_with(|c: char| c.is_ascii_uppercase()) && line.split(' ').any(word)
}

/// Takes away the value of a line that may have had more of it, and with it the key: half a list says that the rest is off. A
/// block's beginning stays one, without its number. Words and addresses that cannot be half of others stay.
fn doubt(line: &mut String) {
    const WHOLE: [&str; 3] = ["Ready", "Error", "Initializing"];
    const SUCCESS: &str = " success";
    let stays = match line.split_once(':') {
        Some((_, value)) => value.contains(':') || WHOLE.contains(&value.trim()),
        None => line.ends_with(SUCCESS),
    };
    if stays {
        return;
    }
    let begins = line.starts_with("QID") && !line.contains(':');
    let end = if begins { "QID".len() } else { 0 };
    line.truncate(end);
}

/// The line up to where a log line was printed into it: two writers share one stream.
pub(super) fn before_log(line: &str) -> &str {
    let bytes = line.as_bytes();
    let begins = |&at: &usize| match bytes[at] {
        b'[' => is_time(&bytes[at + 1..]),
        b'0'..=b'9' => is_bare_time(&bytes[at..]),
        _ => false,
    };
    // No time without two colons, and most lines have one: that is found without a look at each place.
    let first = line.find(':').filter(|at| line[at + 1..].contains(':'));
    // Brackets and digits of a time stand at most three bytes before its first colon.
    let from = first.map_or(bytes.len(), |at| at.saturating_sub(3));
    (from..bytes.len())
        .find(begins)
        .map_or(line, |at| without_date(&line[..at]))
}

/// What stands before a log line's time, without its date.
fn without_date(before: &str) -> &str {
    /// `2026-11-28`.
    const LENGTH: usize = 10;
    let trimmed = before.trim_end_matches([' ', 'T']);
    let date = trimmed.len().checked_sub(LENGTH);
    let is_date = |date: &str| {
        date.char_indices().all(|(at, c)| match at {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        })
    };
    match date.and_then(|at| trimmed.split_at_checked(at)) {
        Some((rest, date)) if is_date(date) => rest,
        _ => before,
    }
}

/// `15:58:55.536 [`: a time without brackets, and the bracket of whatever follows it.
fn is_bare_time(bytes: &[u8]) -> bool {
    let Some((time, rest)) = bytes.split_at_checked("15:58:55".len()) else {
        return false;
    };
    let plain = time.iter().enumerate().all(|(at, byte)| match at {
        2 | 5 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let rest = match rest {
        [b'.' | b',', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            &rest[digits..]
        }
        rest => rest,
    };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    plain && spaces > 0 && rest.get(spaces) == Some(&b'[')
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
            ("\tNsp Total:115:58:55.536 [error] x", "\tNsp Total:1"),
            ("0000:15:00.015:58:55 [error] x", "0000:15:00.0"),
            ("\tBuilt:12:30:15", "\tBuilt:12:30:15"),
            ("\tBuilt:12:30:15 x", "\tBuilt:12:30:15 x"),
        ] {
            assert_eq!(before_log(line), want, "{line}");
        }
    }

    #[test]
    fn escapes_are_no_text() {
        for (text, want) in [
            ("plain", "plain"),
            ("\u{feff}QID 0", "QID 0"),
            ("\u{1b}[1;32mReady\u{1b}[0m\n", "Ready\n"),
            ("\u{1b}[2K\u{1b}[1GQID 0", "QID 0"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;x\u{1b}\\b", "ab"),
            ("\u{1b}(Ba\u{1b}", "Ba"),
            ("\u{1b}[31\nStatus", "\nStatus"),
            ("\u{1b}]title\r\nStatus", "\r\nStatus"),
            ("\u{1b}]title\u{1b}\nStatus", "\nStatus"),
        ] {
            assert_eq!(without_escapes(text), want, "{text:?}");
        }
    }

    #[test]
    fn log_lines_have_no_size() {
        for (text, want) in [
            ("", 0),
            ("a:1\n", 4),
            ("a:1", 4),
            (
                "15:58:55.536 [error] y\n2026-11-28 15:58:55.536 [error] y\n",
                0,
            ),
            (
                "[15:58:55.536][error][x] y\n\u{1b}[31m[15:58:55.536] z\u{1b}[0m\n",
                0,
            ),
            ("a:1[15:58:55.536][error][x] y\nb:2\n", 8),
        ] {
            assert_eq!(own_size(text), want, "{text:?}");
        }
    }

    #[test]
    fn torn_lines_are_mended_or_doubted() {
        const LOG: &str = "[15:58:55.536][error][x] y\n";
        for (text, want) in [
            ("a:1\nb:2\n", vec!["a:1", "b:2"]),
            ("a:1\r\nb:2", vec!["a:1"]),
            ("LOGa:1\nLOGb:2\n", vec!["a:1", "b:2"]),
            // Torn within a number, a word, a key, a block's number, and just before its end.
            ("\ta:1LOG6\n\tb:2\n", vec!["\ta:16", "\tb:2"]),
            ("\ta:ReLOGLOGady\n", vec!["\ta:Ready"]),
            ("\ta bLOGc:7\n", vec!["\ta bc:7"]),
            ("QILOGD 1\n", vec!["QID 1"]),
            ("QID 1LOG1\n\ta:2\n", vec!["QID 11", "\ta:2"]),
            ("\ta:16LOG\n\tb:2\n", vec!["\ta:16", "", "\tb:2"]),
            ("\ta: x+LOG y+\n", vec!["\ta: x+ y+"]),
            ("\ta:1LOG6LOG3\n", vec!["\ta:163"]),
            // The rest is nowhere, or may be another line: the value is none.
            ("\ta:1LOG\tb:2\n", vec!["", "\tb:2"]),
            ("\ta:ReadyLOG\tb:2\n", vec!["\ta:Ready", "\tb:2"]),
            ("QID 1LOG\tb:2\n", vec!["QID", "\tb:2"]),
            ("\ta:1LOGQID 2\n", vec!["", "QID 2"]),
            (
                "a successLOGDevice 3 invalid\n",
                vec!["a success", "Device 3 invalid"],
            ),
            ("\ta: x+ LOGMDP+ SSR+\n", vec!["\ta: x+ MDP+ SSR+"]),
            ("\ta:1LOG", vec![""]),
            ("", vec![]),
        ] {
            assert_eq!(own_lines(&text.replace("LOG", LOG)), want, "{text:?}");
        }
    }
}
