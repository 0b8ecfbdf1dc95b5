//! Lines no longer than a width, as Python's `textwrap` breaks them and Jinja's `wordwrap` asks for them.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, ErrorKind, Value};

use super::methods;

/// The filter `wordwrap`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
pub(super) fn wordwrap(text: &Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    const NAMES: [&str; 4] = [
        "width",
        "break_long_words",
        "wrapstring",
        "break_on_hyphens",
    ];
    let given = methods::in_order(&given, &named, &NAMES)?;
    let [width, long, between, hyphens] = given.as_slice() else {
        return Err(ErrorKind::TooManyArguments.into());
    };
    let width = if width.is_undefined() {
        79
    } else {
        usize::try_from(width.clone())?
    };
    if width == 0 {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "lines of no width hold nothing",
        ));
    }
    let is_set = |value: &Value| value.is_undefined() || value.is_true();
    let between = between.as_str().unwrap_or("\n");
    let text = text.to_string();
    let lines = super::lines::split(&text, false).into_iter();
    let wrapped = lines.map(|line| wrap(line, width, is_set(long), is_set(hyphens)).join(between));
    Ok(wrapped.collect::<Vec<_>>().join(between))
}

/// One line in lines of at most `width` characters.
fn wrap(line: &str, width: usize, break_long: bool, on_hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = chunks(line, on_hyphens);
    chunks.reverse();
    let mut lines = Vec::new();
    while !chunks.is_empty() {
        let (mut current, mut length): (Vec<String>, usize) = (Vec::new(), 0);
        // White space at the beginning of a line goes, but of the first.
        if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.pop() {
            let more = chunk.chars().count();
            if length + more <= width {
                length += more;
                current.push(chunk);
                continue;
            }
            if more > width {
                let room = width - length;
                if break_long {
                    let end = cut(&chunk, room, on_hyphens);
                    let at = chunk
                        .char_indices()
                        .nth(end)
                        .map_or(chunk.len(), |(at, _)| at);
                    current.push(chunk[..at].to_owned());
                    chunks.push(chunk[at..].to_owned());
                } else if current.is_empty() {
                    current.push(chunk);
                } else {
                    chunks.push(chunk);
                }
            } else {
                chunks.push(chunk);
            }
            break;
        }
        if current.last().is_some_and(|chunk| is_blank(chunk)) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}

/// Where a word longer than a line is cut: behind the last hyphen that fits, else at the end of the room.
fn cut(chunk: &str, room: usize, on_hyphens: bool) -> usize {
    let fits: Vec<char> = chunk.chars().take(room).collect();
    if on_hyphens && chunk.chars().count() > room {
        let hyphen = fits.iter().rposition(|c| *c == '-');
        if let Some(hyphen) = hyphen.filter(|at| *at > 0)
            && fits[..hyphen].iter().any(|c| *c != '-')
        {
            return hyphen + 1;
        }
    }
    room
}

fn is_blank(chunk: &str) -> bool {
    chunk.trim().is_empty()
}

/// Runs of white space, and words, cut behind hyphens that stand between letters.
fn chunks(line: &str, on_hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let characters: Vec<char> = line.chars().collect();
    let mut start = 0;
    for at in 0..characters.len() {
        let here = characters[at].is_whitespace();
        let next = characters.get(at + 1);
        let turns = next.is_none_or(|next| next.is_whitespace() != here);
        if turns || !here && on_hyphens && breaks_after(&characters, start, at) {
            chunks.push(characters[start..=at].iter().collect());
            start = at + 1;
        }
    }
    chunks
}

/// Whether a word may be broken behind this character: a hyphen after two letters and before two, each pair perhaps with
/// a hyphen of its own in it; or before or behind a dash of several hyphens.
fn breaks_after(characters: &[char], start: usize, at: usize) -> bool {
    let letter = |at: Option<usize>| {
        at.and_then(|at| characters.get(at))
            .is_some_and(|c| c.is_alphabetic() || *c == '_')
    };
    let is = |at: Option<usize>, c: char| at.and_then(|at| characters.get(at)) == Some(&c);
    let back = |count: usize| at.checked_sub(count).filter(|at| *at >= start);
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    let punctuated = |at: usize| {
        characters
            .get(at)
            .is_some_and(|c| word(c) || "!\"'&.,?".contains(*c))
    };
    let dash_from = |at: usize| {
        let hyphens = characters[at..].iter().take_while(|c| **c == '-').count();
        hyphens >= 2 && characters.get(at + hyphens).is_some_and(word)
    };
    // A dash is a chunk of its own.
    if punctuated(at) && at + 1 < characters.len() && dash_from(at + 1) {
        return true;
    }
    if characters[at] != '-' {
        return false;
    }
    if characters.get(at + 1).is_some_and(word) {
        let first = (start..=at)
            .rev()
            .take_while(|at| characters[*at] == '-')
            .last();
        if let Some(first) = first
            && first < at
            && first == start
            && first.checked_sub(1).is_some_and(punctuated)
        {
            return true;
        }
    }
    let two_before = letter(back(1)) && letter(back(2))
        || letter(back(1)) && is(back(2), '-') && letter(back(3));
    let two_after = letter(Some(at + 1))
        && (letter(Some(at + 2)) || is(Some(at + 2), '-') && letter(Some(at + 3)));
    two_before && two_after
}
