//! Small questions of `up`: which model is asked, and what a machine told of.
use crd::declaration::Declaration;
use machine::Happening;

use crate::{exit::Exit, failure::Failure};

/// The model that `--ask` asks: the one named, or the only one declared.
pub(super) fn model_to_ask(
    declaration: &Declaration,
    named: Option<&str>,
) -> Result<String, Failure> {
    let names: Vec<&str> = declaration
        .models
        .iter()
        .map(|model| model.object.name.as_str())
        .collect();
    match (named, names.as_slice()) {
        (Some(named), names) if names.contains(&named) => Ok(named.to_owned()),
        (Some(named), names) => Err(Failure::said(
            Exit::Usage,
            format!("no ShardedModel {named} is declared"),
            format!("declared: {}", names.join(", ")),
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Failure::said(
            Exit::Input,
            "--ask needs a ShardedModel, and none is declared",
            "",
        )),
        (None, several) => Err(Failure::said(
            Exit::Usage,
            format!("{} models are declared", several.len()),
            format!("say which with --model: {}", several.join(", ")),
        )),
    }
}

/// What happened to a machine, in words.
pub(super) fn happening(what: &Happening) -> String {
    match what {
        Happening::Unplugged { path } => format!("the function at {path} left the bus"),
        Happening::Replugged { path } => format!("the function at {path} joined the bus"),
        Happening::Rebooted => "the machine booted".to_owned(),
        Happening::SocReset { path } => format!("the SoC at {path} was reset"),
        Happening::Kernel {
            action,
            device,
            more: 0,
            about: _,
            functions: _,
        } => format!("the kernel told of {device} ({action})"),
        Happening::Kernel {
            action,
            device,
            more,
            about: _,
            functions: _,
        } => format!("the kernel told of {device} ({action}), and {more} times more"),
    }
}
