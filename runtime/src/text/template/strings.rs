//! String methods of Python that the template engine's own set leaves out, or has without their optional arguments.

use minijinja::value::{Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::case::{capitalize, is_cased, title};
use super::{lines, translate};

/// No prompt has a line as long.
const WIDEST: usize = 1 << 20;

/// What `text.method(args)` is; `None` where the engine's own method is right.
pub(super) fn method(
    state: &mut State<'_, '_>,
    text: &str,
    method: &str,
    args: &[Value],
) -> Option<Result<Value, Error>> {
    Some(match method {
        "split" | "rsplit" => lines::parts(text, method, args),
        "splitlines" => from_args(args).map(|(ends,): (Option<bool>,)| {
            Value::from_iter(lines::split(text, ends.unwrap_or(false)))
        }),
        "strip" | "lstrip" | "rstrip" => from_args(args)
            .map(|(marks,): (Option<&str>,)| Value::from(lines::strip(text, method, marks))),
        "isspace" => none(args, || {
            Value::from(!text.is_empty() && text.chars().all(lines::is_space))
        }),
        "capitalize" => none(args, || Value::from(capitalize(text))),
        "translate" => translate::translate(text, args),
        "maketrans" => translate::table(args),
        "partition" | "rpartition" if args.first().and_then(Value::as_str) == Some("") => {
            Err(Error::new(ErrorKind::InvalidOperation, "empty separator"))
        }
        "removeprefix" | "removesuffix" => from_args(args).map(|(mark,): (&str,)| {
            let rest = if method == "removeprefix" {
                text.strip_prefix(mark)
            } else {
                text.strip_suffix(mark)
            };
            Value::from(rest.unwrap_or(text))
        }),
        "partition" => from_args(args).map(|(mark,): (&str,)| {
            let parts = text.split_once(mark);
            tuple(parts.map_or([text, "", ""], |(before, after)| [before, mark, after]))
        }),
        "rpartition" => from_args(args).map(|(mark,): (&str,)| {
            let parts = text.rsplit_once(mark);
            tuple(parts.map_or(["", "", text], |(before, after)| [before, mark, after]))
        }),
        "zfill" => from_args(args).and_then(|(width,): (usize,)| zfill(text, width)),
        "center" | "ljust" | "rjust" => padded(text, method, args),
        "expandtabs" => from_args(args).and_then(|(size,): (Option<usize>,)| {
            let size = size.unwrap_or(8);
            bounded(size).map(|()| Value::from(expandtabs(text, size)))
        }),
        "swapcase" => none(args, || {
            Value::from(text.chars().map(swapped).collect::<String>())
        }),
        "casefold" => none(args, || Value::from(folded(text))),
        "title" => none(args, || Value::from(title(text))),
        "istitle" => none(args, || {
            Value::from(text.chars().any(is_cased) && title(text) == text)
        }),
        "isidentifier" => none(args, || {
            let word = |c: char| c == '_' || c.is_alphanumeric();
            let first = text.starts_with(|c: char| c == '_' || c.is_alphabetic());
            Value::from(first && text.chars().all(word))
        }),
        "isprintable" => none(args, || Value::from(text.chars().all(is_printable))),
        "isdecimal" => none(args, || {
            Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
        }),
        "find" | "rfind" | "index" | "rindex" => position(text, method, args),
        "count" | "startswith" | "endswith" if args.len() > 1 => within(state, text, method, args),
        _ => return None,
    })
}

fn tuple(parts: [&str; 3]) -> Value {
    Value::from(Tuple::from(parts.map(Value::from)))
}

fn none(args: &[Value], value: impl FnOnce() -> Value) -> Result<Value, Error> {
    from_args(args).map(|()| value())
}

pub(super) fn bounded(width: usize) -> Result<(), Error> {
    if width > WIDEST {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a width of {width} is over {WIDEST}"),
        ));
    }
    Ok(())
}

/// How many characters are missing from a width.
fn missing(text: &str, width: usize) -> Result<usize, Error> {
    bounded(width)?;
    Ok(width.saturating_sub(text.chars().count()))
}

/// `str.center`: of an odd number of fills, where the last goes depends on the width.
pub(in super::super) fn center(text: &str, width: usize, fill: char) -> Result<String, Error> {
    let room = missing(text, width)?;
    let left = room / 2 + (room & width & 1);
    let fill = |count: usize| fill.to_string().repeat(count);
    Ok(format!("{}{text}{}", fill(left), fill(room - left)))
}

fn padded(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, fill): (usize, Option<&str>) = from_args(args)?;
    let mut characters = fill.unwrap_or(" ").chars();
    let (Some(fill), None) = (characters.next(), characters.next()) else {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the fill must be one character",
        ));
    };
    let fills = fill.to_string().repeat(missing(text, width)?);
    Ok(Value::from(match method {
        "ljust" => format!("{text}{fills}"),
        "rjust" => format!("{fills}{text}"),
        _ => center(text, width, fill)?,
    }))
}

fn zfill(text: &str, width: usize) -> Result<Value, Error> {
    let zeros = "0".repeat(missing(text, width)?);
    let digits = text.trim_start_matches(['+', '-']);
    let sign = if text.len() - digits.len() == 1 {
        &text[..1]
    } else {
        ""
    };
    Ok(Value::from(format!("{sign}{zeros}{}", &text[sign.len()..])))
}

fn expandtabs(text: &str, size: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for character in text.chars() {
        match character {
            '\t' => {
                let step = (size - column % size.max(1)).min(size);
                out.push_str(&" ".repeat(step));
                column += step;
            }
            '\n' | '\r' => {
                out.push(character);
                column = 0;
            }
            _ => {
                out.push(character);
                column += 1;
            }
        }
    }
    out
}

fn swapped(character: char) -> String {
    if character.is_uppercase() {
        character.to_lowercase().collect()
    } else if character.is_lowercase() {
        character.to_uppercase().collect()
    } else {
        // Both at once, or neither.
        character.to_string()
    }
}

/// Letters that differ only by case become the same. By way of capitals, as those of `ß` are `SS`; the dotless `ı`
/// alone has the capital of another letter.
fn folded(text: &str) -> String {
    let fold = |c: char| -> String {
        if c == 'ı' {
            return c.to_string();
        }
        c.to_uppercase().flat_map(char::to_lowercase).collect()
    };
    text.chars().map(fold).collect()
}

fn is_printable(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\')
        || character.is_alphanumeric()
        || character.escape_debug().count() == 1
}

/// The part from `start` to `end`, which count as in a slice, and where it begins; none where it begins past the end.
fn part(text: &str, start: Option<i64>, end: Option<i64>) -> Option<(usize, String)> {
    let count = text.chars().count();
    let place = |at: i64| {
        let back = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        if at < 0 {
            count.saturating_sub(back)
        } else {
            back
        }
    };
    let from = start.map_or(0, place);
    let to = end.map_or(count, place).min(count);
    if from > count || to < from {
        return None;
    }
    Some((from, text.chars().skip(from).take(to - from).collect()))
}

fn position(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (mark, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let found = part(text, start, end).and_then(|(from, part)| {
        let at = if method.starts_with('r') {
            part.rfind(mark)
        } else {
            part.find(mark)
        };
        at.map(|at| from + part[..at].chars().count())
    });
    match found {
        Some(at) => Ok(Value::from(at)),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("substring {mark:?} not found"),
        )),
    }
}

/// The engine's own method on a part of the text.
fn within(
    state: &mut State<'_, '_>,
    text: &str,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let (mark, start, end): (&Value, Option<i64>, Option<i64>) = from_args(args)?;
    match part(text, start, end) {
        Some((_, part)) => {
            let (part, mark) = (Value::from(part), std::slice::from_ref(mark));
            pycompat::unknown_method_callback(state, &part, method, mark)
        }
        None if method == "count" => Ok(Value::from(0)),
        None => Ok(Value::from(false)),
    }
}
