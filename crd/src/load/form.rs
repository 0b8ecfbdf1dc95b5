//! Sentences and hints for values that do not have the type or the form that their field wants.
use serde_json::Value;

use super::{
    Notation,
    document::Document,
    words::{field_name, field_path, shortened, value_name},
};
use crate::{
    diagnostic::{Diagnostic, Site, catalog},
    id::{PCI_ADDRESS_PATTERN, PciAddress},
    snapshot::recording::MOMENT,
};

/// A sentence and a hint for text that does not match a pattern of ours.
pub(super) fn malformed(name: &str, pattern: &str, text: &str) -> (String, String) {
    if pattern == PCI_ADDRESS_PATTERN {
        let message = format!(
            "{name} is `{}`, which is no PCI address such as 0000:21:00.0",
            shortened(text)
        );
        return (message, address_hint(text));
    }
    let known = FORMS.iter().find(|(form, ..)| *form == pattern);
    let (what, help) = known.map_or(("text of its form", pattern), |(_, what, help)| {
        (*what, *help)
    });
    (
        format!("{name} is `{}`, which is no {what}", shortened(text)),
        help.to_owned(),
    )
}

/// Which part of a PCI address is wrong.
fn address_hint(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower != text && lower.parse::<PciAddress>().is_ok() {
        return format!("write it in lower case, as the kernel does: {lower}");
    }
    let with_domain = format!("0000:{lower}");
    if with_domain.parse::<PciAddress>().is_ok() {
        return format!("add the domain that `lspci -D` shows: {with_domain}");
    }
    let with_function = format!("{lower}.0");
    if with_function.parse::<PciAddress>().is_ok() {
        return format!("add the function: {with_function}");
    }
    let Some((domain, bus, device, function)) = address_parts(&lower) else {
        return "write domain:bus:device.function, as `lspci -D` shows it".to_owned();
    };
    let hex = |part: &str, widths: std::ops::RangeInclusive<usize>| {
        widths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !hex(domain, 4..=8) {
        format!("the domain `{domain}` must be at least four hexadecimal digits")
    } else if !hex(bus, 2..=2) {
        format!("the bus `{bus}` must be two hexadecimal digits")
    } else if !hex(device, 2..=2) {
        format!("the device `{device}` must be two hexadecimal digits")
    } else if !device.starts_with(['0', '1']) {
        format!("the device `{device}` must be from 00 to 1f")
    } else {
        format!("the function `{function}` must be one digit from 0 to 7")
    }
}

fn address_parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    Some((domain, bus, device, function))
}

/// Patterns of other fields: what a text is no, and how to write it.
const FORMS: [(&str, &str, &str); 5] = [
    (
        MOMENT,
        "moment in UTC",
        "write it with milliseconds, such as 2026-01-31T09:00:00.000Z",
    ),
    (
        "^0x[0-9a-f]{1,4}$",
        "16-bit word such as 0x001d",
        "write `0x` and one to four hexadecimal digits in lower case",
    ),
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "name",
        "use lower-case letters, digits and `-`, beginning and ending with a letter or digit",
    ),
    (
        r"^[01][0-9a-f]\.[0-7]$",
        "device and function such as 02.0",
        "write two hexadecimal digits from 00 to 1f, a dot, and one digit from 0 to 7",
    ),
    (
        "^[a-z0-9-]+:[a-z0-9:.-]+$",
        "fault such as kill:12:after",
        "write the fault's name, `:` and its target",
    ),
];

/// A value of another type than the field.
pub(super) fn wrong_type(
    document: &Document<'_>,
    pointer: &str,
    found: &Value,
    wanted: &str,
) -> Diagnostic {
    let name = field_name(pointer);
    let notation = (document.places.nearest(pointer)).map(|place| place.notation);
    let span = document.span(pointer);
    let written = &document.lines.text()[span.byte as usize..(span.byte + span.length) as usize];
    let help = match (wanted, found) {
        _ if notation == Some(Notation::Alias) => {
            format!("write it out here, or mend what `{written}` repeats")
        }
        ("text", Value::Bool(_) | Value::Number(_)) => format!("write it in quotes: \"{written}\""),
        ("text", Value::Null) => {
            "write the text, `\"\"` where it is to be empty, or remove the line".to_owned()
        }
        ("text", Value::Array(_) | Value::Object(_)) => {
            "write one text alone, beside the name or the `- `".to_owned()
        }
        ("a whole number" | "a number" | "true or false", Value::String(text))
            if notation != Some(Notation::Plain) && looks_typed(text) =>
        {
            format!("write it without quotes: {text}")
        }
        ("true or false", Value::String(text))
            if matches!(text.to_lowercase().as_str(), "yes" | "on" | "y") =>
        {
            "write `true`".to_owned()
        }
        ("true or false", Value::String(text))
            if matches!(text.to_lowercase().as_str(), "no" | "off" | "n") =>
        {
            "write `false`".to_owned()
        }
        ("true or false", _) => "write `true` or `false`".to_owned(),
        ("a whole number", Value::Number(_)) => {
            "write it without a fraction, and no larger than it has to be".to_owned()
        }
        ("a whole number" | "a number", _) => "write digits alone, such as 4".to_owned(),
        ("a list", Value::Object(_)) => "begin each entry with `- `".to_owned(),
        ("a list", Value::Null) => {
            "write its entries, each on a line that begins with `- `".to_owned()
        }
        ("a list", _) => format!("write it as a list: [{}]", shortened(written)),
        ("a mapping", _) => {
            "write its fields as `name: value` on indented lines below it".to_owned()
        }
        _ => format!("write {wanted} here"),
    };
    let told = document.told(pointer, found);
    Diagnostic::error(
        &catalog::WRONG_TYPE,
        format!("{name} must be {wanted}, not {}", value_name(found, &told)),
    )
    .at(Site {
        span,
        field: field_path(pointer),
    })
    .help(help)
}

fn looks_typed(text: &str) -> bool {
    text.parse::<f64>().is_ok() || matches!(text, "true" | "false")
}
