//! Text as bytes and back: `str.encode`, `bytes.decode`, and how Python writes bytes.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, from_args};
use minijinja::{Error, ErrorKind, Value};

use super::methods;

const NAMES: [&str; 2] = ["encoding", "errors"];

/// An encoding that templates name, in any of its spellings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Ascii,
    Latin1,
}

fn asked(args: &[Value]) -> Result<(Encoding, String), Error> {
    let (given, named): (&[Value], Kwargs) = from_args(args)?;
    let given = methods::in_order(given, &named, &NAMES)?;
    let text = |value: Option<&Value>, otherwise: &str| {
        value
            .and_then(Value::as_str)
            .unwrap_or(otherwise)
            .to_owned()
    };
    let name = text(given.first(), "utf-8");
    let encoding = match name.to_lowercase().replace(['-', '_', ' '], "").as_str() {
        "utf8" => Encoding::Utf8,
        "ascii" | "usascii" => Encoding::Ascii,
        "latin1" | "iso88591" | "l1" => Encoding::Latin1,
        _ => return Err(invalid(format!("unknown encoding: {name}"))),
    };
    Ok((encoding, text(given.get(1), "strict")))
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// `text.encode(encoding, errors)`.
pub(super) fn encode(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (encoding, errors) = asked(args)?;
    let most = match encoding {
        Encoding::Utf8 => return Ok(Value::from_bytes(text.as_bytes().to_vec())),
        Encoding::Ascii => 0x7f,
        Encoding::Latin1 => 0xff,
    };
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match (u8::try_from(u32::from(character)), errors.as_str()) {
            (Ok(byte), _) if byte <= most => bytes.push(byte),
            (_, "ignore") => {}
            (_, "replace") => bytes.push(b'?'),
            (_, _) => {
                return Err(invalid(format!("{character:?} cannot be encoded")));
            }
        }
    }
    Ok(Value::from_bytes(bytes))
}

/// `bytes.decode(encoding, errors)`.
pub(super) fn decode(bytes: &[u8], args: &[Value]) -> Result<Value, Error> {
    let (encoding, errors) = asked(args)?;
    match encoding {
        Encoding::Latin1 => Ok(Value::from(
            bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>(),
        )),
        Encoding::Ascii if !bytes.is_ascii() && errors == "strict" => {
            Err(invalid("these bytes are not ASCII".to_owned()))
        }
        Encoding::Utf8 | Encoding::Ascii => match (std::str::from_utf8(bytes), errors.as_str()) {
            (Ok(text), _) => Ok(Value::from(text)),
            (Err(_), "replace") => Ok(Value::from(String::from_utf8_lossy(bytes).into_owned())),
            (Err(_), "ignore") => {
                let known = bytes.utf8_chunks().map(|chunk| chunk.valid());
                Ok(Value::from(known.collect::<String>()))
            }
            (Err(_), _) => Err(invalid("these bytes are not UTF-8".to_owned())),
        },
    }
}

/// `repr` of bytes.
pub(super) fn repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut out = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\'' if quote == '\'' => out.push_str("\\'"),
            0x20..=0x7e => out.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}
