//! `validate`: files alone, no machine, with every problem at once and what was found to be valid.
use std::collections::BTreeMap;

use crd::{
    diagnostic::{Diagnostic, Severity},
    kind::Kind,
    load::Loaded,
};
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
    let flaws: Vec<_> = read.loaded.racks.iter().map(declared::flaws).collect();
    let impossible = flaws.iter().filter(|found| !found.is_empty()).count();
    let refused: Vec<Diagnostic> = flaws.into_iter().flatten().collect();
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
