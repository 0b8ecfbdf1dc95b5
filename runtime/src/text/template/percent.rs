//! What `%` does: formats text, divides numbers.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

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
    format(FormatStyle::Printf, text, &values)
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
