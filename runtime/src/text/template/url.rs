//! The filter `urlencode` as Jinja has it: text keeps its slashes, pairs become a query.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// Text for a path, or a mapping or pairs as the query of an address.
pub(super) fn urlencode(value: &Value) -> Result<String, Error> {
    let pairs: Vec<(Value, Value)> = match value.kind() {
        ValueKind::Map => value
            .try_iter()?
            .map(|key| value.get_item(&key).map(|found| (key, found)))
            .collect::<Result<_, _>>()?,
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()?
            .map(|item| pair(&item))
            .collect::<Result<_, _>>()?,
        _ => return Ok(quote(value, "/", "%20")),
    };
    let query = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", quote(key, "", "+"), quote(value, "", "+")));
    Ok(query.collect::<Vec<String>>().join("&"))
}

fn pair(item: &Value) -> Result<(Value, Value), Error> {
    let mut parts = item.try_iter()?;
    match (parts.next(), parts.next(), parts.next()) {
        (Some(key), Some(value), None) => Ok((key, value)),
        _ => Err(Error::new(
            ErrorKind::InvalidOperation,
            "urlencode takes text, a mapping or pairs",
        )),
    }
}

fn quote(value: &Value, safe: &str, space: &str) -> String {
    let text = python::text(value).unwrap_or_else(|| value.to_string());
    let mut out = String::new();
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || "_.-~".contains(character) || safe.contains(character) {
            out.push(character);
        } else if byte == b' ' {
            out.push_str(space);
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

fn digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value)])
}

#[cfg(test)]
mod tests {
    /// What Jinja 3.1 prints.
    #[test]
    fn addresses_are_written_as_jinja_does() {
        let environment = super::super::environment::environment().unwrap();
        let check = |expression: &str, expected: &str| {
            let template = format!("{{{{ {expression} | urlencode }}}}");
            let found = environment.render_str(&template, ()).unwrap();
            assert_eq!(found, expected, "{expression}");
        };
        check(
            "\"a b/c?d&é~-_.'()*!\"",
            "a%20b/c%3Fd%26%C3%A9~-_.%27%28%29%2A%21",
        );
        check("{'a b': 'c/d', 'e': 1}", "a+b=c%2Fd&e=1");
        check("[('a', 'b c'), ('d', none)]", "a=b+c&d=None");
        check("['ab', 'cd']", "a=b&c=d");
        check("{'a': [1, 2]}", "a=%5B1%2C+2%5D");
        check("5", "5");
        check("none", "None");
        check("true", "True");
        check("1.0", "1.0");
        let wrong = environment.render_str("{{ ['abc'] | urlencode }}", ());
        assert!(wrong.unwrap_err().to_string().contains("or pairs"));
    }
}
