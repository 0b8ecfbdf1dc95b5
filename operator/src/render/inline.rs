//! Before and after of one value on one line, with the characters that differ made visible.
use crd::snapshot::FileImage;
use similar::{ChangeTag, TextDiff};

use crate::console::{Paint, Tone};

/// `before -> after`; in colour, only what differs is coloured.
pub fn change(before: &str, after: &str, paint: Paint) -> String {
    let diff = TextDiff::from_chars(before, after);
    let side = |gone: ChangeTag, tone| -> String {
        let mut text = String::new();
        for change in diff.iter_all_changes() {
            if change.tag() == ChangeTag::Equal {
                text.push_str(change.value());
            } else if change.tag() == gone {
                text.push_str(&paint.tone(tone, change.value()));
            }
        }
        text
    };
    format!(
        "{} -> {}",
        side(ChangeTag::Delete, Tone::Delete),
        side(ChangeTag::Insert, Tone::Create)
    )
}

/// A diff of two texts line by line, `+` and `-` before what differs; empty when nothing does.
pub fn lines(before: &str, after: &str, paint: Paint) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut text = String::new();
    for change in diff.iter_all_changes() {
        let value = change.value().trim_end_matches('\n');
        let (sign, tone) = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => ('-', Tone::Delete),
            ChangeTag::Insert => ('+', Tone::Create),
        };
        text.push_str(&paint.tone(tone, format_args!("{sign} {value}")));
        text.push('\n');
    }
    text
}

/// What a settings file says, on one line; comments say nothing.
pub fn file(image: &FileImage) -> String {
    let text = match image {
        FileImage::Absent => return "absent".to_owned(),
        FileImage::Text(text) => text,
    };
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .collect();
    match lines.as_slice() {
        [] => "a file that sets nothing".to_owned(),
        [one] => format!("`{one}`"),
        [one, more @ ..] => format!("`{one}` and {}", super::words::counted(more.len(), "line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_from_left_to_right() {
        assert_eq!(change("0x001d", "0x0011", Paint::Plain), "0x001d -> 0x0011");
        assert_eq!(change("off", "on", Paint::Plain), "off -> on");
        assert!(change("0x001d", "0x0011", Paint::Colored).starts_with("0x001\u{1b}["));
    }

    #[test]
    fn a_file_is_said_by_what_it_sets() {
        for (image, said) in [
            ("absent", "absent"),
            ("text:# ours\n", "a file that sets nothing"),
            ("text:# ours\n\na = 1\n", "`a = 1`"),
            ("text:a = 1\n;x\nb=2\nc=3", "`a = 1` and 2 lines"),
        ] {
            assert_eq!(file(&image.parse().unwrap()), said);
        }
    }

    #[test]
    fn only_lines_that_differ_are_shown() {
        assert_eq!(lines("a\nb\n", "a\nc\n", Paint::Plain), "- b\n+ c\n");
        assert_eq!(lines("a\n", "a\n", Paint::Plain), "");
    }
}
