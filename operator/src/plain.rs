//! Text as it may reach a terminal: what others wrote may hold sequences that move on it, rename it or ring its bell.
//!
//! Tools, the kernel, cards, containers and declarations all say things that end up in our sentences. None of them is looked
//! at where it enters; everything is, once, where it goes out.
use std::{borrow::Cow, fmt::Write};

use crate::console::Paint;

/// A text without any control character but the end of a line: each is written out as JSON writes it, a tab as a space, and so
/// is what turns the direction of writing around. Our own colours stay where there are any.
pub fn plain(text: &str, paint: Paint) -> Cow<'_, str> {
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(commands) {
        let (before, from) = rest.split_at(at);
        safe.push_str(before);
        let color = match paint {
            Paint::Colored => color(from),
            Paint::Plain => None,
        };
        if let Some(color) = color {
            safe.push_str(color);
            rest = &from[color.len()..];
            continue;
        }
        let mut chars = from.chars();
        match chars.next() {
            Some('\t') => safe.push(' '),
            Some(c) => {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// As [`plain`], for words that are somebody's text and not a sentence of ours: it keeps its tabs.
pub fn spoken(text: &str) -> String {
    let parts: Vec<Cow<'_, str>> = text
        .split('\t')
        .map(|part| plain(part, Paint::Plain))
        .collect();
    parts.join("\t")
}

/// A JSON text in which no such character stands as it is: the writer leaves those beyond ASCII, and they may only stand in
/// strings.
pub fn json(text: String) -> String {
    if !text.contains(commands) {
        return text;
    }
    plain(&text, Paint::Plain).into_owned()
}

/// Whether a character commands instead of being shown: it controls, breaks a line, turns the direction around or has no width.
fn commands(c: char) -> bool {
    let turns = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    turns || c.is_control() && c != '\n'
}

/// The colour that a text begins with: one that whoever prints for us uses. None of those hides anything.
fn color(text: &str) -> Option<&str> {
    /// More than any of ours has.
    const LONGEST: usize = 16;
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find('m').filter(|&end| end <= LONGEST)?;
    let shown = |number: &str| match number.parse() {
        // Plain, bold, dimmed, italic, underlined; the six colours that are neither black nor white, and bright ones.
        Ok(0..=4 | 22..=24 | 31..=36 | 39 | 91..=96) => true,
        Ok(_) => false,
        Err::<u8, _>(_) => number.is_empty(),
    };
    parameters[..end]
        .split(';')
        .all(shown)
        .then(|| &text[..="\u{1b}[".len() + end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::console::Tone;

    #[test]
    fn what_commands_is_written_out() {
        for (text, expected) in [
            ("plain\nwords é", "plain\nwords é"),
            ("a\u{1b}[2Jb", "a\\u001b[2Jb"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("a\rb\u{8}\u{7f}", "a\\u000db\\u0008\\u007f"),
            ("\u{9b}31m", "\\u009b31m"),
            ("abc\u{202e}def", "abc\\u202edef"),
            ("a\tb", "a b"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u001b[31mred\\u001b[0m"),
            ("", ""),
        ] {
            assert_eq!(plain(text, Paint::Plain), expected, "{text:?}");
        }
        assert_eq!(spoken("a\tb\u{7}"), "a\tb\\u0007");
        let value = serde_json::json!({ "a": "\u{9b}\u{7f}\u{1b}" });
        let turned = serde_json::json!({ "a": "b\u{202e}c\u{2028}\u{200b}" });
        let only = json(turned.to_string());
        assert!(only.is_ascii(), "{only:?}");
        let read: serde_json::Value = serde_json::from_str(&only).unwrap();
        assert_eq!(read, turned);
        let written = json(value.to_string());
        assert!(!written.contains(char::is_control), "{written:?}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn our_own_colours_stay_and_nothing_else_does() {
        for tone in [
            Tone::Create,
            Tone::Update,
            Tone::Delete,
            Tone::Reset,
            Tone::Read,
            Tone::Dim,
            Tone::Strong,
        ] {
            let text = Paint::Colored.tone(tone, "x");
            assert!(text.contains('\u{1b}'));
            assert_eq!(plain(&text, Paint::Colored), text, "{tone:?}");
        }
        for text in [
            "\u{1b}[8mhidden",
            "\u{1b}[30;40mblack",
            "\u{1b}[1;1H",
            "\u{1b}[2J",
            "\u{1b}[38;5;0m",
            "\u{1b}[",
            "\u{1b}",
        ] {
            let expected = text.replace('\u{1b}', "\\u001b");
            assert_eq!(plain(text, Paint::Colored), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_control_character(parts in proptest::collection::vec(any::<char>(), 0..60)) {
            let text: String = parts.iter().collect();
            let safe = plain(&text, Paint::Plain);
            prop_assert!(!safe.contains(|c: char| c.is_control() && c != '\n'));
            prop_assert_eq!(plain(&safe, Paint::Plain), safe.as_ref());
            prop_assert_eq!(safe.lines().count(), text.split('\n').count() - usize::from(text.is_empty() || text.ends_with('\n')));
        }
    }
}
