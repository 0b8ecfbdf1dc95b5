//! A value written as YAML in one of very many ways: every choice is a number, and 0 the plainest.
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Choices in the order they are made; where they run out, the plainest.
pub struct Choices<'a> {
    rest: std::slice::Iter<'a, u16>,
}

impl<'a> Choices<'a> {
    pub fn new(choices: &'a [u16]) -> Self {
        Self {
            rest: choices.iter(),
        }
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.rest.next().copied().unwrap_or_default()) % count
    }

    /// Yes once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

/// Writes documents in the styles that the choices say.
pub struct Styled<'a> {
    choices: Choices<'a>,
    out: String,
    /// How many comments there are; each has a text of its own.
    comments: usize,
    /// Values that have a name, which later equal ones may repeat.
    named: Vec<(String, Value)>,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Block,
    Flow,
}

/// The text of some documents.
pub fn styled(documents: &[Value], choices: &[u16]) -> String {
    let mut writer = Styled {
        choices: Choices::new(choices),
        out: String::new(),
        comments: 0,
        named: Vec::new(),
    };
    for (index, value) in documents.iter().enumerate() {
        writer.document(index, value);
    }
    writer.finished()
}

impl Styled<'_> {
    fn finished(mut self) -> String {
        if self.choices.once_in(12) {
            while self.out.ends_with('\n') {
                self.out.pop();
            }
        }
        if self.choices.once_in(8) {
            self.out = self.out.replace('\n', "\r\n");
        }
        if self.choices.once_in(8) {
            self.out.insert(0, '\u{feff}');
        }
        self.out
    }

    fn document(&mut self, index: usize, value: &Value) {
        self.named.clear();
        self.between(0);
        if index > 0 || self.choices.once_in(4) {
            if self.choices.once_in(10) && (index == 0 || self.out.ends_with("...\n")) {
                self.out.push_str("%YAML 1.2\n");
            }
            self.out.push_str("---");
            self.beside();
            self.out.push('\n');
        }
        let step = 1 + self.choices.below(4);
        self.between(0);
        let indent = if self.choices.once_in(16) { 3 } else { 0 };
        match value {
            Value::Object(map) if !map.is_empty() => self.block_map(map, indent, step, true),
            _ => self.node(value, 0, step),
        }
        self.between(0);
        if self.choices.once_in(8) {
            self.out.push_str("...\n");
        }
    }

    /// Comments and empty lines between two entries.
    fn between(&mut self, indent: usize) {
        while self.choices.once_in(7) {
            match self.choices.below(4) {
                0 => self.out.push('\n'),
                1 => self.out.push_str("   \n"),
                odd => {
                    let column = if odd == 2 {
                        indent
                    } else {
                        self.choices.below(9)
                    };
                    let column = " ".repeat(column);
                    self.comments += 1;
                    let _ = writeln!(self.out, "{column}# c{}: [x", self.comments);
                }
            }
        }
    }

    /// What may stand at the end of a line.
    fn beside(&mut self) {
        if self.choices.once_in(6) {
            let gap = [" ", "  ", "\t", " \t "][self.choices.below(4)];
            self.comments += 1;
            let _ = write!(self.out, "{gap}# c{}' {{y", self.comments);
        } else if self.choices.once_in(16) {
            self.out.push_str("  ");
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Entries, the first of which may stand on a line that is begun.
    fn block_map(&mut self, map: &Map<String, Value>, indent: usize, step: usize, fresh: bool) {
        let turn = self.choices.below(map.len());
        let entries = map.iter().cycle().skip(turn).take(map.len());
        for (index, (key, value)) in entries.enumerate() {
            if index > 0 || fresh {
                self.between(indent);
                self.pad(indent);
            }
            let key = self.text(key, Inside::Block);
            if self.choices.once_in(10) {
                self.explicit(&key, value, indent, step);
                continue;
            }
            let gap = if self.choices.once_in(16) { " :" } else { ":" };
            let _ = write!(self.out, "{key}{gap}");
            self.node(value, indent, step);
        }
    }

    /// `? key`, and its value on a line of its own or none at all.
    fn explicit(&mut self, key: &str, value: &Value, indent: usize, step: usize) {
        let _ = write!(self.out, "? {key}");
        self.beside();
        self.out.push('\n');
        if value.is_null() && self.choices.below(2) == 0 {
            return;
        }
        self.between(indent);
        self.pad(indent);
        self.out.push(':');
        self.node(value, indent, step);
    }

    fn block_list(&mut self, items: &[Value], indent: usize, step: usize, fresh: bool) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || fresh {
                self.between(indent);
                self.pad(indent);
            }
            self.out.push('-');
            match item {
                Value::Object(map) if !map.is_empty() && !self.choices.once_in(3) => {
                    let gap = 1 + self.choices.below(3);
                    self.pad(gap);
                    self.block_map(map, indent + 1 + gap, step, false);
                }
                Value::Array(inner) if !inner.is_empty() && !self.choices.once_in(3) => {
                    let gap = 1 + self.choices.below(3);
                    self.pad(gap);
                    self.block_list(inner, indent + 1 + gap, step, false);
                }
                _ => self.node(item, indent, step),
            }
        }
    }

    /// A value after `key:` or `-` or `---`, and the end of its line.
    fn node(&mut self, value: &Value, indent: usize, step: usize) {
        if let Some(name) = self.repeated(value) {
            let _ = write!(self.out, " *{name}");
            return self.end_line();
        }
        if !value.is_null() && self.choices.once_in(14) {
            let name = format!("n{}", self.named.len());
            let _ = write!(self.out, " &{name}");
            self.named.push((name, value.clone()));
        }
        match value {
            Value::Object(map) if !map.is_empty() && !self.choices.once_in(5) => {
                self.end_line();
                self.block_map(map, indent + step, step, true);
            }
            Value::Array(items) if !items.is_empty() && !self.choices.once_in(4) => {
                self.end_line();
                let step_in = [step, step, step + 1][self.choices.below(3)];
                self.block_list(items, indent + step_in, step, true);
            }
            Value::String(text) if self.choices.once_in(6) && is_blockable(text) => {
                self.block_scalar(text, indent, step);
            }
            Value::Null if self.choices.below(2) == 0 => self.end_line(),
            _ => {
                let gap = [" ", "  ", "\t"][self.choices.below(3)];
                self.out.push_str(gap);
                self.flow(value, indent + 1);
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.beside();
        self.out.push('\n');
    }

    fn repeated(&mut self, value: &Value) -> Option<String> {
        let known = self.named.iter().rev().find(|(_, known)| known == value)?;
        let name = known.0.clone();
        self.choices.once_in(2).then_some(name)
    }

    /// `|` or `>` with every kind of header.
    fn block_scalar(&mut self, text: &str, indent: usize, step: usize) {
        let (body, chomp) = match text.strip_suffix('\n') {
            Some(body) => (body, ["", "+"][self.choices.below(2)]),
            None => (text, "-"),
        };
        let mark = if body.contains('\n') {
            "|"
        } else {
            ["|", ">"][self.choices.below(2)]
        };
        let digit = if body.starts_with(' ') || self.choices.once_in(3) {
            step.to_string()
        } else {
            String::new()
        };
        let header = [format!("{digit}{chomp}"), format!("{chomp}{digit}")];
        let _ = write!(self.out, " {mark}{}", header[self.choices.below(2)]);
        self.end_line();
        for line in body.split('\n') {
            if !line.is_empty() {
                self.pad(indent + step);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
    }

    /// A value on one line, or in brackets over several.
    fn flow(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) => {
                self.out.push('{');
                for (index, (key, value)) in map.iter().enumerate() {
                    self.separator(index, indent);
                    let key = self.text(key, Inside::Flow);
                    if self.choices.once_in(8) {
                        self.out.push_str("? ");
                    }
                    if value.is_null() && self.choices.once_in(2) {
                        self.out.push_str(&key);
                        continue;
                    }
                    let _ = write!(self.out, "{key}: ");
                    self.flow(value, indent);
                }
                self.closing(indent);
                self.out.push('}');
            }
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separator(index, indent);
                    self.flow(item, indent);
                }
                self.closing(indent);
                self.out.push(']');
            }
            Value::String(text) => {
                let text = self.text(text, Inside::Flow);
                self.out.push_str(&text);
            }
            Value::Null => self.out.push_str(["null", "~"][self.choices.below(2)]),
            Value::Bool(_) | Value::Number(_) => {
                let _ = write!(self.out, "{value}");
            }
        }
    }

    fn separator(&mut self, index: usize, indent: usize) {
        if index > 0 {
            self.out.push(',');
        }
        if self.choices.once_in(6) {
            self.end_line();
            self.between(indent);
            self.pad(indent);
        } else if index > 0 {
            self.out.push(' ');
        }
    }

    fn closing(&mut self, indent: usize) {
        if self.choices.once_in(9) {
            self.out.push(',');
        }
        if self.choices.once_in(9) {
            self.end_line();
            self.pad(indent);
        }
    }

    /// Text plain where it can be, or in either quotes.
    fn text(&mut self, text: &str, inside: Inside) -> String {
        let plain = is_plain(text, inside);
        let single = !text.chars().any(|c| c.is_control() || c == '\u{feff}');
        match self.choices.below(6) {
            0..4 if plain => text.to_owned(),
            4 if single => format!("'{}'", text.replace('\'', "''")),
            _ => serde_json::to_string(text).expect("text can be written"),
        }
    }
}

/// Whether a block can hold the text.
fn is_blockable(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    !body.is_empty()
        && body
            .split('\n')
            .all(|line| line.trim_start_matches(' ') == line || !line.trim().is_empty())
        && !body.starts_with('\n')
        && !body.ends_with('\n')
        && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// Whether text reads as itself without quotes.
fn is_plain(text: &str, inside: Inside) -> bool {
    let read: Result<Value, _> = match inside {
        Inside::Block => serde_yaml::from_str(&format!("a: {text}\n")),
        Inside::Flow => serde_yaml::from_str(&format!("a: [{text}]\n")),
    };
    let read = read.ok().and_then(|value| match inside {
        Inside::Block => value.pointer("/a").cloned(),
        Inside::Flow => value.pointer("/a/0").cloned(),
    });
    read.as_ref().and_then(Value::as_str) == Some(text)
        && !text.contains(['\n', ':', '#', '?', ',', '[', ']', '{', '}', '"', '\''])
        || is_address(text)
}

/// A PCI address reads as itself, but in YAML 1.1.
fn is_address(text: &str) -> bool {
    text.len() == 12
        && text
            .bytes()
            .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
}
