//! `validate`: files alone, no machine, with every problem at once and what was found to be valid.
use std::collections::BTreeMap;

use crd::{
    declaration::Declared,
    diagnostic::{Diagnostic, Severity, catalog},
    kind::{Kind, rack::RackSpec},
    load::Loaded,
};
use machine::RackError;
use serde_json::json;

use crate::{
    cli::{Format, ValidateArgs},
    console::Console,
    declared, document,
    exit::Exit,
    failure::Failure,
    recorded,
    render::words::counted,
};

/// `validate`
pub fn run(args: &ValidateArgs, console: &Console) -> Result<Exit, Failure> {
    let mut read = declared::read(&args.files.file)?;
    let now = recorded::now().to_string();
    let refused: Vec<Diagnostic> = read.loaded.racks.iter().filter_map(impossible).collect();
    let impossible = refused.len();
    let expired = read.loaded.snapshots.iter();
    let expired = expired.filter_map(|found| recorded::expiry(found, &now));
    // `--allow-expired` takes it all the same, so the file is not wrong.
    let expired: Vec<Diagnostic> = expired
        .map(|found| Diagnostic {
            severity: Severity::Warning,
            ..found
        })
        .collect();
    read.loaded
        .diagnostics
        .extend(refused.into_iter().chain(expired));
    let exit = declared::outcome(&read.loaded);
    let mut valid = valid(&read.loaded);
    if let Some(racks) = valid.get_mut(&Kind::Rack) {
        *racks -= impossible;
    }
    valid.retain(|_, count| *count > 0);
    match args.printing.output {
        Format::Text | Format::Wide => {
            declared::report(&read, console, Severity::Note);
            console.result(&format!(
                "{} valid in {}: {}, {}\n",
                named(&valid),
                counted(read.sources.len(), "file"),
                counted(read.loaded.count(Severity::Error), "error"),
                counted(read.loaded.count(Severity::Warning), "warning"),
            ));
        }
        format @ (Format::Json | Format::Yaml) => {
            let valid: BTreeMap<&str, usize> = valid
                .iter()
                .map(|(kind, count)| (kind.as_str(), *count))
                .collect();
            let value = json!({
                "diagnostics": document::json(&read.loaded.diagnostics)?,
                "exit": document::exit_json(exit),
                "valid": valid,
            });
            console.document(&document::print(&value, format)?);
        }
    }
    Ok(exit)
}

/// Why a rack that has the form of one could not be opened.
fn impossible(rack: &Declared<RackSpec>) -> Option<Diagnostic> {
    let error = machine::rack::examine(&declared::rack_of(rack)).err()?;
    let pointer = match &error {
        RackError::Impossible { server, .. } => {
            let mut servers = rack.spec.servers.iter();
            let index = servers.position(|found| found.name.as_str() == server);
            index.map_or_else(String::new, |index| format!("/spec/servers/{index}"))
        }
        _ => String::new(),
    };
    let problem = Diagnostic::error(&catalog::RACK_IMPOSSIBLE, error.to_string())
        .help("mend what is named there; `shardplane rack new` writes racks that can be built");
    Some(match rack.span(&pointer) {
        Some(span) => problem.at(span.clone()),
        None => problem,
    })
}

/// How many objects of each kind nothing is wrong with.
fn valid(loaded: &Loaded) -> BTreeMap<Kind, usize> {
    let declaration = &loaded.declaration;
    let whole = loaded.snapshots.iter().filter(|found| found.whole).count();
    BTreeMap::from([
        (Kind::CardPolicy, declaration.policies.len()),
        (Kind::P2PGroup, declaration.groups.len()),
        (Kind::ModelBuild, declaration.builds.len()),
        (Kind::ShardedModel, declaration.models.len()),
        (Kind::Rack, loaded.racks.len()),
        (Kind::HardwareSnapshot, whole),
    ])
}

/// `1 policy, 2 groups and 1 rack`.
fn named(valid: &BTreeMap<Kind, usize>) -> String {
    let words: Vec<String> = valid
        .iter()
        .map(|(kind, &count)| match (kind, count) {
            (Kind::CardPolicy, 1) => "1 policy".to_owned(),
            (Kind::CardPolicy, _) => format!("{count} policies"),
            (Kind::P2PGroup, _) => counted(count, "group"),
            (Kind::ModelBuild, _) => counted(count, "build"),
            (Kind::ShardedModel, _) => counted(count, "model"),
            (Kind::Rack, _) => counted(count, "rack"),
            (Kind::HardwareSnapshot, _) => counted(count, "snapshot"),
            (Kind::CardNode, _) => counted(count, "card node"),
            (Kind::ChangePlan, _) => counted(count, "change plan"),
        })
        .collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
