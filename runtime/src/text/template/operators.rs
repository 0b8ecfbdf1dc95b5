//! `'…' % values`, which the engine does not have, as the filter that it has for the same.

/// Rewrites every `%` that follows a literal string in a block; text, comments and raw blocks stay.
pub(super) fn with_format_filters(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = ["{{", "{%", "{#"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min()
    {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let comment = rest.starts_with("{#");
        let close = if rest.starts_with("{{") { "}}" } else { "%}" };
        let length = if comment {
            rest.find("#}").map(|end| end + 2)
        } else {
            block(&rest[2..], close).map(|end| end + 4)
        };
        let Some(length) = length else { break };
        let (whole, after) = rest.split_at(length);
        if comment {
            out.push_str(whole);
            rest = after;
            continue;
        }
        out.push_str(&whole[..2]);
        out.push_str(&expression(&whole[2..length - 2]));
        out.push_str(close);
        rest = after;
        let word =
            whole[2..length - 2].trim_matches(|c: char| "-+".contains(c) || c.is_whitespace());
        if close == "%}" && word == "raw" {
            let end = rest.find("endraw").unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

/// How long the inside of a block is: to its closing mark outside of strings and braces.
fn block(inside: &str, close: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while at < inside.len() {
        let rest = &inside[at..];
        if depth == 0 && rest.starts_with(close) {
            return Some(at);
        }
        match rest.as_bytes()[0] {
            b'\'' | b'"' => at += string(rest)?,
            open @ (b'{' | b'}') => {
                depth = if open == b'{' {
                    depth + 1
                } else {
                    depth.checked_sub(1)?
                };
                at += 1;
            }
            _ => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    None
}

/// The length of the string that the text begins with.
fn string(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

fn expression(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(length) = string(rest) else { break };
        let (literal, after) = rest.split_at(length);
        out.push_str(literal);
        rest = after;
        // A block's own `%}` is not in its inside; `- %}` cannot follow a string and an operator.
        let Some(values) = after.trim_start().strip_prefix('%').map(str::trim_start) else {
            continue;
        };
        let Some(length) = operand(values) else {
            continue;
        };
        let (values, after) = values.split_at(length);
        for part in ["|format(", &expression(arguments(values)), ")"] {
            out.push_str(part);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A tuple gives one value a place; anything else is one value.
fn arguments(values: &str) -> &str {
    let inside = values
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    match inside {
        Some(inside) if group(values) == Some(values.len()) && has_comma(inside) => {
            inside.trim_end().trim_end_matches(',')
        }
        Some(_) | None => values,
    }
}

fn has_comma(inside: &str) -> bool {
    let mut at = 0;
    while at < inside.len() {
        let rest = &inside[at..];
        let length = match rest.as_bytes()[0] {
            b',' => return true,
            b'\'' | b'"' => string(rest),
            b'(' | b'[' | b'{' => group(rest),
            _ => rest.chars().next().map(char::len_utf8),
        };
        let Some(length) = length else { return false };
        at += length;
    }
    false
}

/// The length of the bracketed group that the text begins with.
fn group(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        let rest = &text[at..];
        match rest.as_bytes()[0] {
            b'\'' | b'"' => {
                at += string(rest)?;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

fn word(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(end.unwrap_or(text.len())).filter(|length| *length > 0)
}

/// The length of one value with everything that binds more tightly than `%`.
fn operand(text: &str) -> Option<usize> {
    let mut at = match text.as_bytes().first()? {
        b'\'' | b'"' => string(text)?,
        b'(' | b'[' | b'{' => group(text)?,
        _ => word(text)?,
    };
    loop {
        let rest = &text[at..];
        let next = rest.trim_start();
        let space = rest.len() - next.len();
        at += space
            + match next.as_bytes().first() {
                Some(b'(' | b'[') => group(next)?,
                Some(b'.' | b'|') => {
                    let name = next[1..].trim_start();
                    let gap = next.len() - name.len();
                    gap + word(name)?
                }
                Some(_) | None => return Some(at),
            };
    }
}
