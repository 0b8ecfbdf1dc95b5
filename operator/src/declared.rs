//! What `-f` declares, read and checked, with every problem printed at once.
use std::path::PathBuf;

use crd::{
    declaration::{self, Declaration},
    diagnostic::{self, Diagnostic, Severity, Style, catalog},
    kind::{
        API_VERSION,
        rack::{RACK_KIND, Rack, RackMetadata, RackSpec},
    },
    load::{self, Loaded, SourceText},
};
use serde_json::{Value, json};

use crate::{
    console::{Console, Paint},
    exit::Exit,
    failure::Failure,
    room::RackFile,
    source::{self, Gathered, SourceError},
};

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Its path as given.
    pub path: String,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

/// A declaration and the files it came from.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The declaration.
    pub declaration: Declaration,
    /// The files, in the order read.
    pub inputs: Vec<InputFile>,
}

/// What was read, before anybody asks whether it is right.
pub struct Read {
    /// The texts.
    pub sources: Vec<SourceText>,
    /// What is to be seen of files that are no text.
    pub shown: Vec<SourceText>,
    /// What they say.
    pub loaded: Loaded,
}

/// Reads what `paths` name. A file that cannot be read is one problem among the others.
pub fn read(paths: &[PathBuf]) -> Result<Read, Failure> {
    let Gathered { sources, problems } = source::read_all(paths)?;
    let sources: Vec<SourceText> = sources
        .into_iter()
        .map(|source| SourceText {
            label: source.label,
            text: source.text,
        })
        .collect();
    let mut loaded = load::load(&sources);
    if !problems.is_empty() {
        // What seems to be missing may stand in a file that was not read.
        loaded
            .diagnostics
            .retain(|found| !IN_ANOTHER_FILE.contains(&found.id()));
        let unread = problems.iter().map(SourceError::diagnostic);
        loaded.diagnostics.splice(0..0, unread);
    }
    Ok(Read {
        shown: shown(problems),
        sources,
        loaded,
    })
}

/// Problems that another file can solve.
const IN_ANOTHER_FILE: [&str; 3] = [
    catalog::NOTHING_DECLARED.id,
    catalog::NO_SUCH_GROUP.id,
    catalog::NO_SUCH_BUILD.id,
];

/// What is to be seen of files that are no text.
pub fn shown(problems: Vec<SourceError>) -> Vec<SourceText> {
    problems
        .into_iter()
        .filter_map(|problem| match problem {
            SourceError::NotText { span, shown } => Some(SourceText::new(span.file, shown)),
            SourceError::Nothing
            | SourceError::Unreadable { .. }
            | SourceError::Empty { .. }
            | SourceError::TooLarge { .. } => None,
        })
        .collect()
}

/// Reads what `paths` declare; problems are printed, and errors among them end it.
pub fn declared(paths: &[PathBuf], console: &Console) -> Result<Declared, Failure> {
    let mut read = read(paths)?;
    read.loaded.diagnostics.extend(machines_alone(&read.loaded));
    report(&read, console, Severity::Warning);
    if read.loaded.has_errors() {
        return Err(invalid(&read.loaded));
    }
    Ok(Declared {
        inputs: inputs(&read.sources),
        declaration: read.loaded.declaration,
    })
}

/// What is said where files say something of machines and declare nothing for them: as an order, that takes everything back.
fn machines_alone(loaded: &Loaded) -> Option<Diagnostic> {
    let machines = !loaded.racks.is_empty() || !loaded.snapshots.is_empty();
    let said = "nothing is declared: what was read are racks and recordings alone";
    (machines && loaded.declaration == Declaration::default()).then(|| {
        Diagnostic::warning(&catalog::NOTHING_DECLARED, said).help(
            "name a file or folder that holds a CardPolicy, P2PGroup, ModelBuild or ShardedModel; a rack is named by --rack",
        )
    })
}

/// Prints diagnostics down to a severity to standard error.
pub fn report(read: &Read, console: &Console, least: Severity) {
    let shown: Vec<Diagnostic> = read
        .loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity <= least)
        .cloned()
        .collect();
    if !shown.is_empty() {
        let texts: Vec<SourceText> = read.sources.iter().chain(&read.shown).cloned().collect();
        console.note(diagnostic::render(&shown, &texts, style(console.err_paint())).trim_end());
    }
}

/// The outcome that errors in a declaration lead to: files that are missing have a code of their own where nothing else
/// is wrong.
pub fn outcome(loaded: &Loaded) -> Exit {
    let mut errors = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .peekable();
    if errors.peek().is_none() {
        Exit::Ok
    } else if errors.all(|found| found.id() == catalog::UNREADABLE_SOURCE.id) {
        Exit::Missing
    } else {
        Exit::Input
    }
}

/// The failure that errors in a declaration are.
pub fn invalid(loaded: &Loaded) -> Failure {
    let errors = loaded.count(Severity::Error);
    if outcome(loaded) == Exit::Missing {
        let first = loaded.diagnostics.first();
        let more = match errors {
            1 => String::new(),
            several => format!(", and {} more", several - 1),
        };
        return Failure::said(
            Exit::Missing,
            format!(
                "{}{more}; nothing was touched",
                first.map_or("", |found| found.message.as_str())
            ),
            "",
        );
    }
    let word = if errors == 1 { "error" } else { "errors" };
    Failure::Invalid(format!(
        "{errors} {word} in what is declared; nothing was touched"
    ))
}

/// The style of diagnostics for a paint.
pub fn style(paint: Paint) -> Style {
    match paint {
        Paint::Colored => Style::Coloured,
        Paint::Plain => Style::Plain,
    }
}

fn inputs(sources: &[SourceText]) -> Vec<InputFile> {
    sources
        .iter()
        .map(|source| InputFile {
            path: source.label.clone(),
            blake3: blake3::hash(source.text.as_bytes()).to_hex().to_string(),
        })
        .collect()
}

/// Input files as JSON.
pub fn inputs_json(inputs: &[InputFile]) -> Value {
    inputs
        .iter()
        .map(|input| json!({ "path": input.path, "blake3": input.blake3 }))
        .collect()
}

/// Reads the one rack of a file.
pub fn rack(path: &std::path::Path, console: &Console) -> Result<RackFile, Failure> {
    let mut read = read(&[path.to_owned()])?;
    let flaws: Vec<Diagnostic> = read.loaded.racks.iter().flat_map(flaws).collect();
    read.loaded.diagnostics.extend(flaws);
    report(&read, console, Severity::Warning);
    if read.loaded.has_errors() {
        return Err(invalid(&read.loaded));
    }
    let [found] = read.loaded.racks.as_slice() else {
        return Err(Failure::said(
            Exit::Input,
            format!(
                "{} holds {} racks, and --rack needs one",
                path.display(),
                read.loaded.racks.len()
            ),
            "make one with `shardplane rack new FILE`",
        ));
    };
    let text: String = read
        .sources
        .iter()
        .map(|source| source.text.as_str())
        .collect();
    Ok(RackFile {
        rack: rack_of(found),
        digest: format!("b3:{}", blake3::hash(text.as_bytes()).to_hex()),
    })
}

/// Why a rack that has the form of one could not be opened, each thing at its place.
pub fn flaws(rack: &declaration::Declared<RackSpec>) -> Vec<Diagnostic> {
    let flaws = machine::rack::flaws(&rack_of(rack)).into_iter();
    let said = flaws.map(|flaw| {
        let message = format!("{}: {}", flaw.server, flaw.what);
        let problem = Diagnostic::error(&catalog::RACK_IMPOSSIBLE, message)
            .help("mend what is named there; `shardplane rack new` writes racks that can be built");
        match rack.span(&flaw.pointer) {
            Some(span) => problem.at(span.clone()),
            None => problem,
        }
    });
    said.collect()
}

/// A rack as its own kind has it.
pub fn rack_of(found: &declaration::Declared<RackSpec>) -> Rack {
    Rack {
        api_version: API_VERSION.to_owned(),
        kind: RACK_KIND.to_owned(),
        metadata: RackMetadata {
            name: found.object.name.clone(),
        },
        spec: found.spec.clone(),
    }
}
