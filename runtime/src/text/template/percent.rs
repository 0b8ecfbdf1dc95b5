//! What `%` does: formats text, divides numbers.

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::{
    environment::invalid,
    fields::{digits, shown},
    python,
    spec::{Spec, character, number, whole},
};

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

/// What is given to a text: a tuple gives one value a place, anything else is one value.
struct Given {
    values: Vec<Value>,
    taken: usize,
    /// Whether a value that nothing took is an error: in what has keys or places of its own it is none.
    strict: bool,
    /// What keys are looked up in.
    whole: Value,
}

impl Given {
    fn next(&mut self) -> Result<Value, Error> {
        let value = self.values.get(self.taken).cloned();
        self.taken += 1;
        value.ok_or_else(|| invalid("not enough arguments for format string"))
    }

    /// The value of a key; what is looked up takes the place of all that was given.
    fn of(&mut self, key: &str) -> Result<Value, Error> {
        if self.whole.kind() != ValueKind::Map {
            return Err(invalid("format requires a mapping"));
        }
        let value = self.whole.get_item(&Value::from(key))?;
        if value.is_undefined() {
            return Err(invalid(format!("nothing is given for {key}")));
        }
        self.taken = self.values.len();
        Ok(value)
    }

    /// A number in the place of a `*`.
    fn star(&mut self) -> Result<i64, Error> {
        let value = whole(&self.next()?);
        let value = value.and_then(|value| i64::try_from(value).ok());
        value.ok_or_else(|| invalid("* wants int"))
    }
}

/// A text with its conversions made.
fn formatted(text: &str, values: &Value) -> Result<String, Error> {
    let tuple = values.downcast_object_ref::<Tuple>().is_some();
    let mut given = Given {
        values: if tuple {
            values.try_iter()?.collect()
        } else {
            vec![values.clone()]
        },
        taken: 0,
        strict: tuple || !matches!(values.kind(), ValueKind::Map | ValueKind::Seq),
        whole: values.clone(),
    };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = after;
        out.push_str(&conversion(&mut rest, &mut given)?);
    }
    out.push_str(rest);
    if given.strict && given.taken < given.values.len() {
        return Err(invalid(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out)
}

/// What stands for one conversion, which the text behind its `%` begins with.
fn conversion(rest: &mut &str, given: &mut Given) -> Result<String, Error> {
    // With anything between the two it is no sign of its own.
    if let Some(after) = rest.strip_prefix('%') {
        *rest = after;
        return Ok("%".to_owned());
    }
    let keyed = match rest.strip_prefix('(') {
        Some(inside) => {
            let (key, after) = key(inside).ok_or_else(|| invalid("incomplete format key"))?;
            *rest = after;
            Some(given.of(key)?)
        }
        None => None,
    };
    let flags = rest.len() - rest.trim_start_matches(['-', '+', ' ', '#', '0']).len();
    let (flags, after) = rest.split_at(flags);
    *rest = after;
    let mut left = flags.contains('-');
    let mut spec = Spec {
        alternate: flags.contains('#'),
        sign: ['+', ' '].into_iter().find(|sign| flags.contains(*sign)),
        ..Spec::default()
    };
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let width = given.star()?;
        left |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    } else {
        spec.width = digits(rest).unwrap_or(0);
    }
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
        spec.precision = Some(if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            usize::try_from(given.star()?).unwrap_or(0)
        } else {
            digits(rest).unwrap_or(0)
        });
    }
    *rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    let kind = rest.chars().next();
    let kind = kind.ok_or_else(|| invalid("incomplete format"))?;
    *rest = &rest[kind.len_utf8()..];
    let mut spec = spec.bounded()?;
    spec.kind = Some(kind);
    spec.align = Some(if left { '<' } else { '>' });
    let value = keyed.map_or_else(|| given.next(), Ok)?;
    if flags.contains('0') && !left && !"srac".contains(kind) {
        (spec.fill, spec.align) = (Some('0'), Some('='));
    }
    let wrong = || invalid(format!("%{kind} is no format of a {}", value.kind()));
    match kind {
        's' => Ok(spec.text(&shown(&value))),
        'r' => Ok(spec.text(&python::repr(&value))),
        'a' => Ok(spec.text(&ascii(&python::repr(&value)))),
        'c' => {
            let text = value.as_str().filter(|text| text.chars().count() == 1);
            let text = text.map(str::to_owned).or_else(|| character(&value));
            spec.precision = None;
            Ok(spec.text(&text.ok_or_else(wrong)?))
        }
        'd' | 'i' | 'u' => {
            let value = whole(&value).or_else(|| number(&value).and_then(cut));
            Ok(spec.integer(value.ok_or_else(wrong)?))
        }
        'o' | 'x' | 'X' => Ok(spec.integer(whole(&value).ok_or_else(wrong)?)),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => Ok(spec.float(number(&value).ok_or_else(wrong)?)),
        other => Err(invalid(format!("unsupported format character {other:?}"))),
    }
}

/// A key, in which parentheses may be nested, and what follows it.
fn key(inside: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    let end = inside.find(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    Some((&inside[..end], &inside[end + 1..]))
}

/// The whole part of a float, where there is one that is held exactly.
fn cut(value: f64) -> Option<i128> {
    (value.abs() < 1e38).then_some(value.trunc() as i128)
}

/// What `ascii` makes of a spelling: other characters by their numbers.
pub(super) fn ascii(text: &str) -> String {
    let spell = |c: char| match u32::from(c) {
        0..=127 => c.to_string(),
        code @ 128..=255 => format!("\\x{code:02x}"),
        code @ 256..=0xFFFF => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(spell).collect()
}
