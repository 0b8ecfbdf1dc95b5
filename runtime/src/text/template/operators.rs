//! `%`, which the engine has for numbers alone, as a filter that formats text too.

/// The filter that stands for `%`.
pub(super) const FILTER: &str = "percent__";

/// Rewrites every `%` that may follow text; what stands outside of blocks, in comments and in raw blocks stays.
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

/// What stands before a value, as far as it matters to `%`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that binds the value.
    Nothing,
    /// A value: an operator follows.
    Value,
    /// An operator that binds as tightly, or a sign: the value belongs to it, and is a number.
    Tight,
}

/// Words that are no values.
const KEYWORDS: [&str; 22] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "for",
    "set",
    "do",
    "call",
    "filter",
    "macro",
    "recursive",
    "with",
    "without",
    "context",
    "import",
    "include",
    "from",
    "as",
];

fn expression(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = Before::Nothing;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let keyword = word(rest).filter(|length| KEYWORDS.contains(&&rest[..*length]));
        if let Some(length) = keyword {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            before = Before::Nothing;
            continue;
        }
        if let Some(length) = operand(rest) {
            let (value, after) = rest.split_at(length);
            out.push_str(&inside(value));
            rest = formatted(value, after, before, &mut out);
            before = Before::Value;
            continue;
        }
        // `**` and `//` bind as tightly as `*` and `/` do.
        let tight = matches!(first, '*' | '/' | '%')
            || matches!(first, '-' | '+') && before != Before::Value;
        before = if tight {
            Before::Tight
        } else {
            Before::Nothing
        };
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// Writes every `% value` that follows a value which may be text as a filter; what is left comes back.
fn formatted<'a>(value: &str, mut rest: &'a str, before: Before, out: &mut String) -> &'a str {
    if before == Before::Tight || value.starts_with(|c: char| c.is_ascii_digit()) {
        return rest;
    }
    // A block's own `%}` is not in its inside; `- %}` cannot follow a value and an operator.
    while let Some(values) = rest.trim_start().strip_prefix('%').map(str::trim_start) {
        let Some(length) = operand(values) else {
            break;
        };
        let (values, after) = values.split_at(length);
        if after.trim_start().starts_with("**") {
            break;
        }
        for part in ["|", FILTER, "(", &inside(values), ")"] {
            out.push_str(part);
        }
        rest = after;
    }
    rest
}

/// A value with what stands in its brackets rewritten.
fn inside(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => string(rest),
            '(' | '[' | '{' => {
                let length = group(rest);
                if let Some(length) = length {
                    out.push(first);
                    out.push_str(&expression(&rest[1..length - 1]));
                    out.push_str(&rest[length - 1..length]);
                    rest = &rest[length..];
                    continue;
                }
                None
            }
            _ => None,
        };
        let (part, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        out.push_str(part);
        rest = after;
    }
    out
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
