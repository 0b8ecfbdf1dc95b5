//! `str.translate` and the tables that it takes.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, Value};

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// Each character as the table has it, by its number: another, a text, or nothing; what is not in it stays.
pub(super) fn translate(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (table,): (&Value,) = from_args(args)?;
    let letters: Option<Vec<char>> = table.as_str().map(|text| text.chars().collect());
    if letters.is_none() && !matches!(table.kind(), ValueKind::Map | ValueKind::Seq) {
        return Err(invalid(format!("{} is no table", table.kind())));
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let number = u32::from(character);
        let found = match &letters {
            Some(letters) => letters
                .get(number as usize)
                .map_or(Value::UNDEFINED, |other| Value::from(other.to_string())),
            None => table.get_item(&Value::from(number))?,
        };
        match found.kind() {
            ValueKind::Undefined => out.push(character),
            ValueKind::None => {}
            ValueKind::String => out.push_str(&found.to_string()),
            _ => {
                let number = u32::try_from(found)?;
                let other = char::from_u32(number);
                out.push(other.ok_or_else(|| invalid(format!("{number} is no character")))?);
            }
        }
    }
    Ok(Value::from(out))
}

/// `str.maketrans`: of a mapping, or of two texts, letter for letter, and a third with what is dropped.
pub(super) fn table(args: &[Value]) -> Result<Value, Error> {
    let number = |c: char| Value::from(u32::from(c));
    if let [pairs] = args {
        let mut table = Vec::new();
        for key in pairs.try_iter()? {
            let item = pairs.get_item(&key)?;
            let key = match key.as_str() {
                None => key,
                Some(text) => {
                    let mut letters = text.chars();
                    match (letters.next(), letters.next()) {
                        (Some(only), None) => number(only),
                        _ => return Err(invalid(format!("{text:?} is not one character"))),
                    }
                }
            };
            table.push((key, item));
        }
        return Ok(Value::from_pairs(table));
    }
    let (from, to, dropped): (&str, &str, Option<&str>) = from_args(args)?;
    if from.chars().count() != to.chars().count() {
        return Err(invalid(format!("{from:?} and {to:?} are not equally long")));
    }
    let pairs = from.chars().zip(to.chars());
    let pairs = pairs.map(|(from, to)| (number(from), number(to)));
    let dropped = dropped.unwrap_or_default().chars();
    let dropped = dropped.map(|letter| (number(letter), Value::from(())));
    Ok(Value::from_pairs(pairs.chain(dropped)))
}
