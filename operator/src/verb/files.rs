//! `validate` and `fmt`: files alone, no machine.
use std::path::PathBuf;

use crd::{
    diagnostic::{self, Diagnostic, Severity},
    load::SourceText,
};
use serde_json::json;

use crate::{
    cli::{FmtArgs, Format, ValidateArgs},
    console::Console,
    declared, document,
    exit::Exit,
    failure::Failure,
    render::words::counted,
    source::{self, Gathered, SourceError},
    state::durable,
};

/// `validate`
pub fn validate(args: &ValidateArgs, console: &Console) -> Result<Exit, Failure> {
    let read = declared::read(&args.files.file)?;
    let (errors, warnings) = (
        read.loaded.count(Severity::Error),
        read.loaded.count(Severity::Warning),
    );
    let exit = declared::outcome(&read.loaded);
    match args.printing.output {
        Format::Text | Format::Wide => {
            declared::report(&read, console, Severity::Note);
            let declaration = &read.loaded.declaration;
            let objects = declaration.policies.len()
                + declaration.groups.len()
                + declaration.builds.len()
                + declaration.models.len();
            console.result(&format!(
                "{} in {}: {}, {}\n",
                counted(objects, "valid object"),
                counted(read.sources.len(), "file"),
                counted(errors, "error"),
                counted(warnings, "warning"),
            ));
        }
        format @ (Format::Json | Format::Yaml) => {
            let value = json!({ "diagnostics": document::json(&read.loaded.diagnostics)?, "exit": document::exit_json(exit) });
            console.result(&document::print(&value, format)?);
        }
    }
    Ok(exit)
}

/// `fmt`
pub fn fmt(args: &FmtArgs, console: &Console) -> Result<Exit, Failure> {
    let Gathered { sources, problems } = source::read_all(&args.files.file)?;
    let unread: Vec<Diagnostic> = problems.iter().map(SourceError::diagnostic).collect();
    let only_missing = problems
        .iter()
        .all(|problem| matches!(problem, SourceError::Unreadable { .. }));
    if !unread.is_empty() {
        let texts = declared::shown(problems);
        let style = declared::style(console.err_paint());
        console.note(diagnostic::render(&unread, &texts, style).trim_end());
    }
    let sources: Vec<(SourceText, Option<PathBuf>)> = sources
        .into_iter()
        .map(|source| (SourceText::new(source.label, source.text), source.path))
        .collect();
    let mut changed = 0;
    let mut refused = 0;
    for (source, path) in &sources {
        let formatted = match crd::format::format(source) {
            Ok(formatted) => formatted,
            Err(problems) => {
                refused += 1;
                let style = declared::style(console.err_paint());
                console.note(
                    diagnostic::render(&problems, std::slice::from_ref(source), style).trim_end(),
                );
                continue;
            }
        };
        let Some(path) = path else {
            console.result(&formatted);
            continue;
        };
        if formatted == source.text {
            continue;
        }
        changed += 1;
        if args.check {
            console.result(&format!("{} would change\n", source.label));
        } else {
            durable::replace(path, formatted.as_bytes()).map_err(|error| Failure::Write {
                path: source.label.clone(),
                source: error,
            })?;
            console.result(&format!("{} rewritten\n", source.label));
        }
    }
    if refused == 0 && only_missing && !unread.is_empty() {
        return Err(Failure::said(
            Exit::Missing,
            format!("{} cannot be read", counted(unread.len(), "file")),
            "",
        ));
    }
    let refused = refused + unread.len();
    if refused > 0 {
        return Err(Failure::Invalid(format!(
            "{} left as it was: only YAML that can be read can be rewritten",
            counted(refused, "file")
        )));
    }
    Ok(if args.check && changed > 0 {
        Exit::Failed
    } else {
        Exit::Ok
    })
}
