//! `str.format`: fields in braces, with what they take, how it is converted, and how it is written.
use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, Value};

use super::{
    environment::invalid,
    percent::ascii,
    python,
    spec::{Spec, character, number, whole},
};

/// A text with its fields filled; `args` end in what is given by name.
pub(super) fn format(text: &str, args: &[Value]) -> Result<String, Error> {
    let (given, named): (&[Value], Kwargs) = from_args(args)?;
    let mut fields = Fields {
        text,
        given,
        named,
        counted: 0,
        by_hand: false,
    };
    // A field's format may have fields of its own, and these none.
    fields.filled(text, 2)
}

struct Fields<'a> {
    text: &'a str,
    given: &'a [Value],
    named: Kwargs,
    counted: usize,
    by_hand: bool,
}

impl Fields<'_> {
    fn bad(&self, what: &str) -> Error {
        invalid(format!("{:?}: {what}", self.text))
    }

    fn filled(&mut self, text: &str, depth: usize) -> Result<String, Error> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.bad("fields within fields within fields"));
        };
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let from = &rest[at..];
            if from.starts_with("{{") || from.starts_with("}}") {
                out.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let end = closing(from).ok_or_else(|| self.bad("a brace stands alone"))?;
            out.push_str(&self.field(&from[1..end], depth)?);
            rest = &from[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String, Error> {
        let mut inside = false;
        let end = field.find(|c: char| {
            inside = c == '[' || inside && c != ']';
            !inside && matches!(c, '!' | ':')
        });
        let (name, rest) = field.split_at(end.unwrap_or(field.len()));
        let (conversion, rest) = match rest.strip_prefix('!') {
            Some(rest) => rest.split_at(rest.find(':').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let value = self.found(name)?;
        let value = match conversion {
            "" if rest.len() == field.len() - name.len() => value,
            "s" => Value::from(shown(&value)),
            "r" => Value::from(python::repr(&value)),
            "a" => Value::from(ascii(&python::repr(&value))),
            _ => return Err(self.bad("a conversion is r, s or a")),
        };
        let spec = match rest.strip_prefix(':') {
            Some(spec) if spec.contains(['{', '}']) => self.filled(spec, depth)?,
            Some(spec) => spec.to_owned(),
            None => String::new(),
        };
        self.written(&value, &spec)
    }

    /// What a name stands for: a place or a name, and what it has below it.
    fn found(&mut self, name: &str) -> Result<Value, Error> {
        let (first, mut path) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
        let missing = || self.bad(&format!("nothing is given for {first}"));
        let mut value = if first.is_empty() {
            self.counted += 1;
            let place = self.counted - 1;
            self.given
                .get(place)
                .cloned()
                .ok_or_else(|| self.bad(&format!("nothing is given for place {place}")))?
        } else if first.bytes().all(|byte| byte.is_ascii_digit()) {
            self.by_hand = true;
            let place = first.parse::<usize>().ok();
            let value = place.and_then(|place| self.given.get(place)).cloned();
            value.ok_or_else(|| self.bad(&format!("nothing is given for {first}")))?
        } else if self.named.has(first) {
            self.named.peek(first)?
        } else {
            return Err(missing());
        };
        if self.counted > 0 && self.by_hand {
            return Err(self.bad("fields are numbered by hand and counted at once"));
        }
        while !path.is_empty() {
            let (key, after) = if let Some(rest) = path.strip_prefix('.') {
                rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
            } else {
                let inside = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                inside.ok_or_else(|| self.bad("a bracket stands alone"))?
            };
            if key.is_empty() {
                return Err(self.bad("a name below a field is empty"));
            }
            let place = key.parse::<usize>().ok().filter(|_| path.starts_with('['));
            let key = place.map_or_else(|| Value::from(key), Value::from);
            value = value.get_item(&key)?;
            path = after;
        }
        Ok(value)
    }

    fn written(&self, value: &Value, text: &str) -> Result<String, Error> {
        if text.is_empty() {
            return Ok(shown(value));
        }
        let mut spec = parsed(text).ok_or_else(|| self.bad(&format!("{text:?} is no format")))?;
        let wrong = || self.bad(&format!("{text:?} is no format of a {}", value.kind()));
        if let Some(text) = value.as_str() {
            let plain = matches!(spec.kind, None | Some('s'))
                && spec.sign.is_none()
                && !spec.alternate
                && !spec.unsigned_zero
                && spec.grouping.is_none()
                && spec.align != Some('=');
            return plain
                .then(|| spec.bounded())
                .ok_or_else(wrong)?
                .map(|spec| spec.text(text));
        }
        spec = spec.bounded()?;
        // A fill of zeros without a place for them stands behind the sign.
        if spec.fill == Some('0') && spec.align.is_none() {
            spec.align = Some('=');
        }
        let fractional = matches!(spec.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'));
        match (whole(value), number(value)) {
            (Some(value), _) if !fractional => {
                let marks = match spec.kind {
                    Some('b' | 'o' | 'x' | 'X') => spec.grouping == Some(','),
                    Some('c') => spec.grouping.is_some() || spec.alternate || spec.sign.is_some(),
                    Some('d') | None => false,
                    Some('n') => spec.grouping.is_some(),
                    Some(_) => true,
                };
                if spec.precision.is_some() || spec.unsigned_zero || marks {
                    return Err(wrong());
                }
                if spec.kind == Some('c') {
                    let spec = Spec {
                        align: Some(spec.align.unwrap_or('>')),
                        ..spec
                    };
                    let text = character(&Value::from(value)).ok_or_else(wrong)?;
                    return Ok(spec.text(&text));
                }
                Ok(spec.integer(value))
            }
            (_, Some(value)) if fractional || matches!(spec.kind, None | Some('n')) => {
                if spec.kind == Some('n') && spec.grouping.is_some() {
                    return Err(wrong());
                }
                Ok(spec.float(value))
            }
            _ => Err(wrong()),
        }
    }
}

/// Where the brace that a text begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// `[[fill]align][sign][z][#][0][width][grouping][.precision][kind]`; `None` for anything else.
fn parsed(text: &str) -> Option<Spec> {
    let mut spec = Spec::default();
    let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
    let mut rest = text;
    let mut characters = text.chars();
    let (first, second) = (characters.next(), characters.next());
    if let (Some(fill), Some(align)) = (first, second.filter(is_align)) {
        (spec.fill, spec.align) = (Some(fill), Some(align));
        rest = &rest[fill.len_utf8() + 1..];
    } else if let Some(align) = first.filter(is_align) {
        spec.align = Some(align);
        rest = &rest[1..];
    }
    let one = |rest: &mut &str, of: &[char]| {
        let found = rest.chars().next().filter(|c| of.contains(c))?;
        *rest = &rest[1..];
        Some(found)
    };
    spec.sign = one(&mut rest, &['+', '-', ' ']);
    spec.unsigned_zero = one(&mut rest, &['z']).is_some();
    spec.alternate = one(&mut rest, &['#']).is_some();
    if one(&mut rest, &['0']).is_some() && spec.fill.is_none() {
        spec.fill = Some('0');
    }
    spec.width = digits(&mut rest).unwrap_or(0);
    spec.grouping = one(&mut rest, &[',', '_']);
    if one(&mut rest, &['.']).is_some() {
        spec.precision = Some(digits(&mut rest)?);
    }
    spec.kind = rest.chars().next();
    let kinds = "bcdeEfFgGnosxX%";
    (rest.len() <= 1 && spec.kind.is_none_or(|kind| kinds.contains(kind))).then_some(spec)
}

/// A number that a text begins with, where it does; one beyond all widths is the widest.
pub(super) fn digits(rest: &mut &str) -> Option<usize> {
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    *rest = after;
    if number.is_empty() {
        return None;
    }
    Some(number.parse().unwrap_or(usize::MAX))
}

/// `str` of a value.
pub(super) fn shown(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.to_string(),
        _ => python::text(value).unwrap_or_else(|| value.to_string()),
    }
}
