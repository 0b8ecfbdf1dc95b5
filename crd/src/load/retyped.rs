//! Plain text that YAML 1.1 readers take for a truth value, a number, a date or nothing.
use super::{Notation, document::Document, words::field_path};
use crate::diagnostic::{Diagnostic, Site, catalog};

/// Warns of every plain scalar that is text here and something else to a YAML 1.1 reader, unless one of the document's
/// own problems (those from `first` on) is about it already.
pub(super) fn check(document: &Document<'_>, first: usize, diagnostics: &mut Vec<Diagnostic>) {
    let mut warnings = Vec::new();
    for (pointer, place) in &document.places.by_pointer {
        let text = document.lines.text();
        let plain_key = place
            .key
            .clone()
            .filter(|key| retyped_by_yaml_1_1(&text[key.clone()]).is_some());
        if let Some(key) = plain_key {
            warnings.push(warning(document, pointer, &text[key.clone()], &key));
        }
        if place.notation != Notation::Plain {
            continue;
        }
        let Some(value) = document.text(pointer) else {
            continue;
        };
        if retyped_by_yaml_1_1(value).is_some() {
            warnings.push(warning(document, pointer, value, &place.value));
        }
    }
    let known: Vec<_> = diagnostics[first..]
        .iter()
        .map(|known| known.span.clone())
        .collect();
    warnings.retain(|warning| !known.contains(&warning.span));
    diagnostics.append(&mut warnings);
}

fn warning(
    document: &Document<'_>,
    pointer: &str,
    text: &str,
    range: &std::ops::Range<usize>,
) -> Diagnostic {
    let what = retyped_by_yaml_1_1(text).unwrap_or_default();
    Diagnostic::warning(
        &catalog::RETYPED_SCALAR,
        format!("YAML 1.1 readers take `{text}` for {what}"),
    )
    .at(Site {
        span: document.lines.span(range),
        field: field_path(pointer),
    })
    .help(format!(
        "write it in quotes: \"{text}\" (`shardplane fmt` does)"
    ))
}

/// What a YAML 1.1 reader makes of a plain scalar; `None` when it stays text. Follows the implicit resolvers of YAML 1.1
/// as PyYAML has them, and what other readers take too: `y`, `n`, and numbers that begin with zeros.
pub(crate) fn retyped_by_yaml_1_1(text: &str) -> Option<&'static str> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some("nothing"),
        "<<" => return Some("a merge key"),
        "=" => return Some("a default value"),
        ".nan" | ".NaN" | ".NAN" => return Some("a number"),
        _ => {}
    }
    if ["y", "n", "yes", "no", "true", "false", "on", "off"]
        .iter()
        .any(|word| spelt_as(text, word))
    {
        return Some("a truth value");
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || is_integer(unsigned) || is_float(unsigned) {
        return Some("a number");
    }
    is_date(text).then_some("a date")
}

/// `word` in one of its three spellings: lower, capitalised, upper.
fn spelt_as(text: &str, word: &str) -> bool {
    text == word || text == word.to_uppercase() || {
        text.eq_ignore_ascii_case(word)
            && text[..1] == word[..1].to_uppercase()
            && text[1..] == word[1..]
    }
}

fn is_integer(text: &str) -> bool {
    let all = |digits: &str, taken: &dyn Fn(u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|byte| byte == b'_' || taken(byte))
    };
    if let Some(digits) = text.strip_prefix("0b") {
        return all(digits, &|byte| matches!(byte, b'0' | b'1'));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, &|byte| byte.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix('0') {
        // With an 8 or 9 it is no octal number, and yet one to readers in Go, kubectl among them.
        return digits.is_empty() || all(digits, &|byte| byte.is_ascii_digit());
    }
    let (first, sixties) = sexagesimal(text);
    first.starts_with(|c: char| c.is_ascii_digit())
        && all(first, &|byte| byte.is_ascii_digit())
        && sixties
}

fn is_float(text: &str) -> bool {
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_digit())
    };
    let Some((whole, rest)) = text.split_once('.') else {
        return false;
    };
    if whole.contains(':') {
        let (first, sixties) = sexagesimal(whole);
        return sixties
            && first.starts_with(|c: char| c.is_ascii_digit())
            && digits(first)
            && digits(rest);
    }
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let exponent = exponent.is_none_or(|exponent| {
        exponent.strip_prefix(['+', '-']).is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    let begun = if whole.is_empty() { fraction } else { whole };
    begun.starts_with(|c: char| c.is_ascii_digit()) && digits(whole) && digits(fraction) && exponent
}

/// Splits `12:30:59` before its first colon, and says whether what follows counts in sixties.
fn sexagesimal(text: &str) -> (&str, bool) {
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let sixty = |part: &str| match part.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    };
    (first, parts.all(sixty))
}

/// `2026-01-01`, alone or with a time after it.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let numeric = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    if year.len() != 4 || !numeric(year, 4) || !numeric(month, 2) || !numeric(day, 2) {
        return false;
    }
    if time.is_empty() {
        return month.len() == 2 && day.len() == 2;
    }
    let time = time
        .strip_prefix(['T', 't'])
        .unwrap_or_else(|| time.trim_start_matches([' ', '\t']));
    let mut clock = time.splitn(3, ':');
    matches!((clock.next(), clock.next(), clock.next()), (Some(hour), Some(minute), Some(second))
        if numeric(hour, 2) && minute.len() == 2 && numeric(minute, 2)
            && second.len() >= 2 && numeric(&second[..2], 2))
}
