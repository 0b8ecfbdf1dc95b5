//! Methods of Python's values: the engine's own set, and what that leaves out.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::{bytes, fields, python as spelling, strings};

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
            return fields::format(text, args).map(Value::from);
        }
        if method == "format_map" {
            let (map,): (&Value,) = from_args(args)?;
            let mut named = Vec::new();
            for key in map.try_iter()? {
                named.push((key.to_string(), map.get_item(&key)?));
            }
            let named: Kwargs = named.into_iter().collect();
            return fields::format(text, &[Value::from(named)]).map(Value::from);
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
