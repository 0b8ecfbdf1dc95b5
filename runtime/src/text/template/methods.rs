//! String methods of Python that the template engine's own set leaves out.

use minijinja::value::from_args;
use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat;

/// Methods that the engine does not know itself.
pub(super) fn python(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match (value.as_str(), method) {
        (Some(text), "rsplit") => rsplit(text, args),
        (Some(text), "removeprefix") => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        (Some(text), "removesuffix") => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        (Some(text), "partition") => {
            let (mark,): (&str,) = from_args(args)?;
            let (before, after) = text.split_once(mark).unwrap_or((text, ""));
            let found = if text.contains(mark) { mark } else { "" };
            Ok(Value::from_iter([before, found, after]))
        }
        _ => pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// From the right, at most so many cuts; without a mark, at runs of white space.
fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (mark, most): (Option<&str>, Option<i64>) = from_args(args)?;
    let most = most.and_then(|most| usize::try_from(most).ok());
    let mut parts: Vec<&str> = match (mark, most) {
        (Some(mark), Some(most)) => text.rsplitn(most + 1, mark).collect(),
        (Some(mark), None) => text.rsplit(mark).collect(),
        (None, None) => text.split_whitespace().rev().collect(),
        (None, Some(most)) => words_from_the_right(text, most),
    };
    parts.reverse();
    Ok(Value::from_iter(parts))
}

fn words_from_the_right(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while parts.len() < most
        && let Some((before, word)) = rest.rsplit_once(char::is_whitespace)
    {
        parts.push(word);
        rest = before.trim_end();
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}
