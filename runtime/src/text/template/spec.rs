//! Numbers and texts by what a format says of them: fill, sign, width, grouping, precision and kind, as Python writes them.
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{python, strings::bounded};

/// Digits after which a float has only zeros; Rust formats no more than 65535.
const DIGITS: usize = 1100;

/// What a format says of one value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    /// `<`, `>`, `^`, or `=` for between sign and digits.
    pub(super) align: Option<char>,
    /// `+`, a space, or `-`.
    pub(super) sign: Option<char>,
    /// Whether a zero has no sign.
    pub(super) unsigned_zero: bool,
    pub(super) alternate: bool,
    pub(super) width: usize,
    /// What stands between groups of digits.
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    /// The letter, where there is one.
    pub(super) kind: Option<char>,
}

impl Spec {
    /// Nothing is wider than a text may be made.
    pub(super) fn bounded(self) -> Result<Self, Error> {
        bounded(self.width.max(self.precision.unwrap_or(0)))?;
        Ok(self)
    }

    /// A text, cut to the precision; to the left where nothing is said.
    pub(super) fn text(&self, text: &str) -> String {
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        self.padded(cut, '<')
    }

    /// A whole number in the base of the kind; with a precision, in so many digits at least.
    pub(super) fn integer(&self, value: i128) -> String {
        let size = value.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('b') => ("0b", format!("{size:b}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            _ => ("", size.to_string()),
        };
        let prefix = if self.alternate { prefix } else { "" };
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        self.number(value < 0, prefix, &("0".repeat(zeros) + &digits), "")
    }

    /// A float: fixed, with an exponent, or the shorter of the two.
    pub(super) fn float(&self, value: f64) -> String {
        let percent = if self.kind == Some('%') { "%" } else { "" };
        let size = value.abs() * if percent.is_empty() { 1.0 } else { 100.0 };
        let upper = self.kind.is_some_and(|kind| kind.is_ascii_uppercase());
        let mut body = if size.is_finite() {
            self.finite(size)
        } else {
            // Neither has a decimal point or groups of digits.
            (if size.is_nan() { "nan" } else { "inf" }).to_owned()
        };
        let zero = || {
            let number = body.split('e').next().unwrap_or_default();
            number.bytes().all(|byte| matches!(byte, b'0' | b'.'))
        };
        let negative = value.is_sign_negative() && !value.is_nan();
        let negative = negative && !(self.unsigned_zero && zero());
        if upper {
            body.make_ascii_uppercase();
        }
        body.push_str(percent);
        let whole = body.find(|c: char| !c.is_ascii_digit());
        let (whole, rest) = body.split_at(whole.unwrap_or(body.len()));
        self.number(negative, "", whole, rest)
    }

    fn finite(&self, size: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let body = match self.kind.map(|kind| kind.to_ascii_lowercase()) {
            Some('f' | '%') => fixed(size, precision),
            Some('e') => scientific(size, precision).0,
            Some(_) => self.general(size, precision, 0),
            None if self.precision.is_none() => python::float_text(size),
            None => {
                let mut body = self.general(size, precision, 1);
                if !body.contains(['.', 'e']) {
                    body.push_str(".0");
                }
                body
            }
        };
        if self.alternate && !body.contains('.') {
            let (digits, exponent) = body.split_at(body.find('e').unwrap_or(body.len()));
            return format!("{digits}.{exponent}");
        }
        body
    }

    /// So many digits in all; with an exponent where there are as many before the point, less `early`.
    fn general(&self, size: f64, precision: usize, early: usize) -> String {
        let precision = precision.max(1);
        let (body, exponent) = scientific(size, precision - 1);
        let digits = i64::try_from(precision).unwrap_or(i64::MAX);
        let most = digits - i64::from(early == 1);
        let body = if (-4..most).contains(&exponent) {
            fixed(size, usize::try_from(digits - 1 - exponent).unwrap_or(0))
        } else {
            body
        };
        if self.alternate {
            return body;
        }
        let (number, exponent) = body.split_at(body.find('e').unwrap_or(body.len()));
        let number = if number.contains('.') {
            number.trim_end_matches('0').trim_end_matches('.')
        } else {
            number
        };
        format!("{number}{exponent}")
    }

    /// Sign, prefix, digits and what follows them, in the width; to the right where nothing is said.
    fn number(&self, negative: bool, prefix: &str, digits: &str, rest: &str) -> String {
        let sign = match self.sign {
            _ if negative => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        };
        let fill = self.fill.unwrap_or(' ');
        let between = self.align == Some('=');
        let around = sign.len() + prefix.len() + rest.len();
        let mut digits = digits.to_owned();
        if let Some(mark) = self.grouping.filter(|_| !digits.is_empty()) {
            let size = if matches!(self.kind, Some('b' | 'o' | 'x' | 'X')) {
                4
            } else {
                3
            };
            if between && fill == '0' {
                while digits.len() + (digits.len() - 1) / size + around < self.width {
                    digits.insert(0, '0');
                }
            }
            digits = grouped(&digits, mark, size);
        }
        if between {
            let room = self.width.saturating_sub(around + digits.len());
            let fills: String = std::iter::repeat_n(fill, room).collect();
            return format!("{sign}{prefix}{fills}{digits}{rest}");
        }
        self.padded(format!("{sign}{prefix}{digits}{rest}"), '>')
    }

    fn padded(&self, body: String, align: char) -> String {
        let room = self.width.saturating_sub(body.chars().count());
        if room == 0 {
            return body;
        }
        let fills =
            |count| -> String { std::iter::repeat_n(self.fill.unwrap_or(' '), count).collect() };
        match self.align.unwrap_or(align) {
            '<' => body + &fills(room),
            '^' => fills(room / 2) + &body + &fills(room - room / 2),
            _ => fills(room) + &body,
        }
    }
}

/// The whole number that a value is; true is one.
pub(super) fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// The number that a value is.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => f64::try_from(value.clone()).ok(),
        _ => whole(value).map(|value| value as f64),
    }
}

/// The character of a number.
pub(super) fn character(value: &Value) -> Option<String> {
    let code = whole(value).and_then(|code| u32::try_from(code).ok())?;
    char::from_u32(code).map(String::from)
}

fn fixed(size: f64, precision: usize) -> String {
    let digits = precision.min(DIGITS);
    format!("{size:.digits$}") + &"0".repeat(precision - digits)
}

/// A number with an exponent of two digits at least, and that exponent.
fn scientific(size: f64, precision: usize) -> (String, i64) {
    let digits = precision.min(DIGITS);
    let body = format!("{size:.digits$e}");
    let (number, exponent) = body.split_once('e').unwrap_or((&body, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let zeros = "0".repeat(precision - digits);
    (format!("{number}{zeros}e{exponent:+03}"), exponent)
}

fn grouped(digits: &str, mark: char, size: usize) -> String {
    let mut out = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(size) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}
