//! `fmt`: files in their canonical form, rewritten or checked.
use std::path::PathBuf;

use crd::{
    diagnostic::{self, Diagnostic},
    format::Formatted,
    load::SourceText,
};

use crate::{
    cli::FmtArgs,
    console::Console,
    declared,
    exit::Exit,
    failure::Failure,
    render::words::counted,
    source::{self, Gathered, SourceError},
    state::durable,
};

/// `fmt`
pub fn run(args: &FmtArgs, console: &Console) -> Result<Exit, Failure> {
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
            Ok(Formatted { text, kept }) => {
                if !kept.is_empty() {
                    let style = declared::style(console.err_paint());
                    let notes = diagnostic::render(&kept, std::slice::from_ref(source), style);
                    console.note(notes.trim_end());
                }
                text
            }
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
            console.document(&formatted);
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
