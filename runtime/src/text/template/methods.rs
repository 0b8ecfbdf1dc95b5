//! Methods of Python's values: the engine's own set, and what that leaves out.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::{bytes, python as spelling, strings};

pub(super) use strings::{bounded, center};

/// Methods whose arguments may be given by name, with the names in order.
const NAMED: [(&str, &[&str]); 5] = [
    ("split", &["sep", "maxsplit"]),
    ("rsplit", &["sep", "maxsplit"]),
    ("splitlines", &["keepends"]),
    ("expandtabs", &["tabsize"]),
    ("replace", &["old", "new", "count"]),
];

/// Methods that the engine does not know itself.
pub(super) fn python(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let names = NAMED.iter().find(|(name, _)| *name == method);
    let mut ordered = match names {
        Some((_, names)) => {
            let (given, named): (&[Value], Kwargs) = from_args(args)?;
            in_order(given, &named, names)?
        }
        None => args.to_vec(),
    };
    while names.is_some() && ordered.last().is_some_and(Value::is_undefined) {
        ordered.pop();
    }
    let args = ordered.as_slice();
    if let Some(text) = value.as_str() {
        if method == "format" {
            return format(state, value, text, args);
        }
        if method == "format_map" {
            let (fields,): (&Value,) = from_args(args)?;
            let mut named = Vec::new();
            for key in fields.try_iter()? {
                named.push((key.to_string(), fields.get_item(&key)?));
            }
            let named: Kwargs = named.into_iter().collect();
            return format(state, value, text, &[Value::from(named)]);
        }
        if method == "encode" {
            return bytes::encode(text, args);
        }
        if let Some(found) = strings::method(state, text, method, args) {
            return found;
        }
    }
    if let (ValueKind::Bytes, "decode", Some(found)) = (value.kind(), method, value.as_bytes()) {
        return bytes::decode(found, args);
    }
    match (value.kind(), method) {
        (ValueKind::Seq | ValueKind::Map, "copy") => {
            let () = from_args(args)?;
            Ok(value.clone())
        }
        (ValueKind::Seq, "index") => index(value, args),
        _ => pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// Arguments in the order of their names; those not given are undefined.
pub(super) fn in_order(
    given: &[Value],
    named: &Kwargs,
    names: &[&str],
) -> Result<Vec<Value>, Error> {
    if given.len() > names.len() {
        return Err(ErrorKind::TooManyArguments.into());
    }
    let mut all = given.to_vec();
    for name in &names[given.len()..] {
        all.push(named.get::<Option<Value>>(name)?.unwrap_or_default());
    }
    named.assert_all_used()?;
    Ok(all)
}

fn index(list: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted, start): (&Value, Option<usize>) = from_args(args)?;
    let found = list
        .try_iter()?
        .enumerate()
        .skip(start.unwrap_or(0))
        .find(|(_, item)| item == wanted);
    match found {
        Some((at, _)) => Ok(Value::from(at)),
        None => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{} is not in list", spelling::repr(wanted)),
        )),
    }
}

/// `str.format` with the conversions `!r` and `!s`, which the engine's own does not have: a converted field becomes
/// one of its own name, and the others get the numbers that they would have had.
fn format(
    state: &mut State<'_, '_>,
    value: &Value,
    text: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if !["!r", "!s", "!a"].iter().any(|mark| text.contains(mark)) {
        return pycompat::unknown_method_callback(state, value, "format", args);
    }
    let bad = |what: &str| Error::new(ErrorKind::InvalidOperation, format!("{text:?}: {what}"));
    let (given, named): (&[Value], Kwargs) = from_args(args)?;
    let mut fields: Vec<(String, Value)> = Vec::new();
    for name in named.args() {
        fields.push((name.to_owned(), named.get(name)?));
    }
    let (mut out, mut rest) = (String::new(), text);
    let (mut counted, mut numbered) = (0_usize, false);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if from.starts_with("{{") || from.starts_with("}}") {
            out.push_str(&from[..2]);
            rest = &from[2..];
            continue;
        }
        let end = from.find('}').filter(|end| *end > 0);
        let end = end.ok_or_else(|| bad("a brace stands alone"))?;
        let (field, spec) = match from[1..end].split_once(':') {
            Some((field, spec)) => (field, format!(":{spec}")),
            None => (&from[1..end], String::new()),
        };
        let (name, conversion) = field.split_once('!').unwrap_or((field, ""));
        let name = if name.is_empty() {
            counted += 1;
            (counted - 1).to_string()
        } else {
            numbered |= name.starts_with(|c: char| c.is_ascii_digit());
            name.to_owned()
        };
        if counted > 0 && numbered {
            return Err(bad("fields are numbered by hand and counted at once"));
        }
        let name = if conversion.is_empty() {
            name
        } else {
            let found = match name.parse::<usize>() {
                Ok(place) => given.get(place).cloned(),
                Err(_) => named.get::<Option<Value>>(&name)?,
            };
            let found = found.ok_or_else(|| bad(&format!("nothing is given for {name}")))?;
            let converted = match conversion {
                "r" | "a" => spelling::repr(&found),
                "s" => spelling::text(&found).unwrap_or_else(|| found.to_string()),
                _ => return Err(bad("a conversion is r, s or a")),
            };
            let name = format!("converted{}", fields.len());
            fields.push((name.clone(), Value::from(converted)));
            name
        };
        for part in ["{", &name, &spec, "}"] {
            out.push_str(part);
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    let mut args = given.to_vec();
    args.push(Value::from(fields.into_iter().collect::<Kwargs>()));
    pycompat::unknown_method_callback(state, &Value::from(out), "format", &args)
}
