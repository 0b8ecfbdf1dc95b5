//! Lines of a log, for people or for machines that read them.
use std::fmt;

use machine::{Machine, Roots};
use serde_json::{Map, Value};

use crate::console::Console;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A sentence a line.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// How much somebody should mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It goes as it should.
    Info,
    /// Somebody should look.
    Warning,
}

/// Writes the lines of one program.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    console: &'a Console,
    /// `controller` or `agent`.
    program: &'static str,
    format: LogFormat,
}

impl<'a> Log<'a> {
    /// A log of this program.
    pub fn new(console: &'a Console, program: &'static str, format: LogFormat) -> Self {
        Self {
            console,
            program,
            format,
        }
    }

    /// Says a sentence. The fields are for whoever filters: a person reads them in the sentence.
    pub fn say(&self, level: Level, sentence: &str, fields: &[(&str, &dyn fmt::Display)]) {
        let now = Machine::linux(Roots::default()).now().to_string();
        let line = line(self.format, &now, self.program, level, sentence, fields);
        self.console.note(&line);
    }
}

fn line(
    format: LogFormat,
    now: &str,
    program: &str,
    level: Level,
    sentence: &str,
    fields: &[(&str, &dyn fmt::Display)],
) -> String {
    if format == LogFormat::Text {
        return format!("{program}: {sentence}");
    }
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
    };
    let own = [
        ("time", now),
        ("level", level),
        ("program", program),
        ("message", sentence),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), Value::from(value)));
    let given = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.to_string())));
    Value::Object(own.into_iter().chain(given).collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_sentence_or_an_object() {
        let fields: [(&str, &dyn fmt::Display); 2] = [("node", &"n1"), ("epoch", &3)];
        let say = |format| {
            line(
                format,
                "2026-01-31T09:00:00.000Z",
                "controller",
                Level::Warning,
                "n1: a \"step\" failed",
                &fields,
            )
        };
        assert_eq!(say(LogFormat::Text), "controller: n1: a \"step\" failed");
        assert_eq!(
            say(LogFormat::Json),
            r#"{"time":"2026-01-31T09:00:00.000Z","level":"warning","program":"controller","message":"n1: a \"step\" failed","node":"n1","epoch":"3"}"#
        );
    }
}
