//! White space and line ends, as Python has them: the engine, as its language, knows fewer of both.

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, Value};

use super::methods;

/// Whether `str.isspace` says so: four separators more than Unicode's white space.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&character)
}

/// The lines of a text, as `str.splitlines` has them; with their ends where those are kept.
pub(super) fn split(text: &str, ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1C}'
                ..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let width = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..if ends { at + width } else { at }]);
        rest = &rest[at + width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// What a text's ends are stripped of: `strip`, `lstrip` or `rstrip`, of white space or of these characters.
pub(super) fn strip<'a>(text: &'a str, method: &str, characters: Option<&str>) -> &'a str {
    let drops = |c: char| characters.map_or_else(|| is_space(c), |all| all.contains(c));
    match method {
        "lstrip" => text.trim_start_matches(drops),
        "rstrip" => text.trim_end_matches(drops),
        _ => text.trim_matches(drops),
    }
}

/// `str.split` and `str.rsplit`: at a mark, or at runs of white space; at most so many cuts.
pub(super) fn parts(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (mark, most): (Option<&str>, Option<i64>) = from_args(args)?;
    let most = most.and_then(|most| usize::try_from(most).ok());
    let from_right = method == "rsplit";
    let mut parts: Vec<&str> = match (mark, most) {
        (Some(""), _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
        }
        (Some(mark), Some(most)) if from_right => text.rsplitn(most + 1, mark).collect(),
        (Some(mark), Some(most)) => text.splitn(most + 1, mark).collect(),
        (Some(mark), None) if from_right => text.rsplit(mark).collect(),
        (Some(mark), None) => text.split(mark).collect(),
        (None, most) => words(text, from_right, most.unwrap_or(usize::MAX)),
    };
    if from_right {
        parts.reverse();
    }
    Ok(Value::from_iter(parts))
}

/// Words from one side, and after so many cuts the rest, with the blanks at its far end.
fn words(text: &str, from_right: bool, most: usize) -> Vec<&str> {
    let near = if from_right { "rstrip" } else { "lstrip" };
    let mut words = Vec::new();
    let mut rest = strip(text, near, None);
    while !rest.is_empty() && words.len() < most {
        let cut = if from_right {
            rest.rfind(is_space)
                .map(|at| at + rest[at..].chars().next().map_or(1, char::len_utf8))
                .map(|at| (&rest[at..], &rest[..at]))
        } else {
            rest.find(is_space).map(|at| (&rest[..at], &rest[at..]))
        };
        let (word, after) = cut.unwrap_or((rest, ""));
        words.push(word);
        rest = strip(after, near, None);
    }
    if !rest.is_empty() {
        words.push(rest);
    }
    words
}

/// The filter `trim`.
pub(super) fn trim(text: &Value, characters: Option<&str>) -> String {
    strip(&text.to_string(), "strip", characters).to_owned()
}

/// The filter `indent`: so many blanks, or that text, before each line but the first.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
pub(super) fn indent(text: &Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let given = methods::in_order(&given, &named, &["width", "first", "blank"])?;
    let [width, first, blank] = given.as_slice() else {
        return Err(ErrorKind::MissingArgument.into());
    };
    let indention = match width.kind() {
        ValueKind::Undefined => " ".repeat(4),
        ValueKind::String => width.to_string(),
        _ => {
            let width = i64::try_from(width.clone())?;
            methods::bounded(usize::try_from(width.max(0)).unwrap_or(usize::MAX))?;
            " ".repeat(usize::try_from(width).unwrap_or(0))
        }
    };
    let text = text.to_string() + "\n";
    let mut out = String::new();
    for (at, line) in split(&text, false).into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let indented = if at == 0 {
            first.is_true()
        } else {
            blank.is_true() || !line.is_empty()
        };
        if indented {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(out)
}
