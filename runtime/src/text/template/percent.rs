//! What `%` does: formats text, divides numbers.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Rest, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// `left % right`, as Python has it.
pub(super) fn percent(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(text) = left.as_str() {
        return Ok(Value::from(formatted(text, right)?));
    }
    if let (true, true, Some(left), Some(right)) = (
        left.is_integer(),
        right.is_integer(),
        left.as_i64(),
        right.as_i64(),
    ) {
        let rest = left.checked_rem(right).ok_or_else(no_division)?;
        let away = rest != 0 && (rest < 0) != (right < 0);
        return Ok(Value::from(if away { rest + right } else { rest }));
    }
    if left.kind() == ValueKind::Number && right.kind() == ValueKind::Number {
        let (left, right) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
        if right == 0.0 {
            return Err(no_division());
        }
        let rest = left % right;
        let away = rest != 0.0 && (rest < 0.0) != (right < 0.0);
        return Ok(Value::from(if away { rest + right } else { rest }));
    }
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!("`%` does not work on {} and {}", left.kind(), right.kind()),
    ))
}

/// The filter `format`: what follows is given to the text, by place or by name.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine passes arguments by value"
)]
pub(super) fn filter(text: &Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let names: Vec<String> = named.args().map(str::to_owned).collect();
    if names.is_empty() {
        return formatted(&text.to_string(), &Value::from(Tuple::from(given.0)));
    }
    if !given.0.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "format takes values by place or by name, not both",
        ));
    }
    let mut pairs = Vec::new();
    for name in names {
        pairs.push((name.clone(), named.get::<Value>(&name)?));
    }
    formatted(&text.to_string(), &Value::from_pairs(pairs))
}

fn no_division() -> Error {
    Error::new(ErrorKind::InvalidOperation, "division by zero")
}

/// A tuple gives one value a place; anything else is one value. Values without a place are an error, as in Python, but
/// in what has keys or places of its own.
fn formatted(text: &str, values: &Value) -> Result<String, Error> {
    let (values, strict): (Vec<Value>, bool) = if values.downcast_object_ref::<Tuple>().is_some() {
        (values.try_iter()?.collect(), true)
    } else {
        let keyed = matches!(values.kind(), ValueKind::Map | ValueKind::Seq);
        (vec![values.clone()], !keyed)
    };
    if strict && places(text) < values.len() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "not all arguments converted during string formatting",
        ));
    }
    let (text, values) = spelled(text, values)?;
    format(FormatStyle::Printf, &text, &values)
}

/// `%r` and `%a`, which the engine does not have, as `%s` of what they spell, and `%i` and `%u` as `%d`.
fn spelled(text: &str, mut values: Vec<Value>) -> Result<(String, Vec<Value>), Error> {
    let mut out = String::with_capacity(text.len());
    let mut place = 0;
    let mut named = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let key = rest
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'));
        let name = key.map(|(name, after)| {
            rest = after;
            name
        });
        let options = rest.find(|c: char| !"-+ #0123456789.*hlL".contains(c));
        let (options, after) = rest.split_at(options.unwrap_or(rest.len()));
        place += options.matches('*').count();
        let kind = after.chars().next();
        rest = &after[kind.map_or(0, char::len_utf8)..];
        let spell = |value: &Value| match kind {
            Some('r') => Some(python::repr(value)),
            Some('a') => Some(ascii(&python::repr(value))),
            _ => None,
        };
        let spelling = match (name, values.first()) {
            (Some(name), Some(map)) => {
                let found = map.get_item(&Value::from(name))?;
                spell(&found).map(|text| named.push((format!("{name}!{}", out.len()), text)))
            }
            (Some(_), None) => None,
            (None, _) => {
                // Numbers are cut to whole ones where whole ones are written.
                let whole = kind.is_some_and(|kind| "diu".contains(kind));
                if let Some(number) = values.get(place).filter(|_| whole).and_then(cut) {
                    values[place] = number;
                }
                values.get(place).and_then(spell).map(|text| {
                    values[place] = Value::from(text);
                })
            }
        };
        let name = match named.last() {
            Some((other, _)) if name.is_some() && spelling.is_some() => Some(other.as_str()),
            Some(_) | None => name,
        };
        if let Some(name) = name {
            out.extend(["(", name, ")"]);
        }
        out.push_str(options);
        match kind {
            Some(_) if spelling.is_some() => out.push('s'),
            Some('i' | 'u') => out.push('d'),
            Some(kind) => out.push(kind),
            None => {}
        }
        place += usize::from(kind.is_some_and(|kind| kind != '%'));
    }
    out.push_str(rest);
    if let ([map], false) = (values.as_mut_slice(), named.is_empty()) {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        for key in map.try_iter()? {
            let item = map.get_item(&key)?;
            pairs.push((key, item));
        }
        let named = named.into_iter();
        pairs.extend(named.map(|(name, text)| (Value::from(name), Value::from(text))));
        *map = Value::from_pairs(pairs);
    }
    Ok((out, values))
}

/// The whole part of a number that is none.
fn cut(value: &Value) -> Option<Value> {
    let is_float = value.kind() == ValueKind::Number && !value.is_integer();
    let number = f64::try_from(value.clone()).ok().filter(|_| is_float)?;
    // Beyond this, a float has no digits that a whole number would show otherwise.
    (number.abs() < 9e15).then(|| Value::from(number.trunc() as i64))
}

/// What `ascii` makes of a spelling: other characters by their numbers.
fn ascii(text: &str) -> String {
    let spell = |c: char| match u32::from(c) {
        0..=127 => c.to_string(),
        code @ 128..=255 => format!("\\x{code:02x}"),
        code @ 256..=0xFFFF => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(spell).collect()
}

/// How many values a text has places for: one for each conversion, and one for each `*` in it.
fn places(text: &str) -> usize {
    let mut places = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        while let Some(next) = characters.next_if(|c| "-+ #0123456789.*hlL".contains(*c)) {
            places += usize::from(next == '*');
        }
        places += usize::from(characters.next().is_some_and(|kind| kind != '%'));
    }
    places
}
