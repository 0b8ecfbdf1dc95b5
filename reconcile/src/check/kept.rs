//! Rules about settings files: what may be written there, from what, and when.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    kind::{Enforcement, Persistence},
    plan::NodePlan,
    snapshot::{FileImage, LedgerTarget, SettingsFile},
    step::{Action, Step, Subject},
};

use super::{Findings, machine::Machine, steps};

pub(super) fn read(node: &NodePlan, machine: &Machine<'_>, found: &mut Findings) {
    for (at, step) in steps(node) {
        if let Action::WriteFile {
            file,
            before,
            after,
        } = &step.action
        {
            expectations(step, (*file, before, after), machine, found);
            if is_removal(step) {
                restored(step, (*file, after), machine, found);
                let early = set_in(&node.steps[..at], *file)
                    .into_iter()
                    .any(|(_, step)| is_removal(step));
                found.expect("SP-C10", step, !early, || {
                    "a boot would set again what was put back before the file".into()
                });
            } else {
                declared(node, at, step, (*file, after), machine, found);
            }
        }
    }
}

fn is_removal(step: &Step) -> bool {
    step.record
        .as_ref()
        .is_some_and(|record| record.owners.is_empty())
}

/// The text that is replaced is the one that the snapshot shows, and both sides are named by their digests.
fn expectations(
    step: &Step,
    (file, before, after): (SettingsFile, &FileImage, &FileImage),
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    let kept = machine.snapshot.settings.kept.get(&file);
    let now = kept.and_then(|fact| fact.get()).map(|kept| &kept.image);
    found.expect("SP-C13", step, now.is_some(), || {
        format!("what stands in {file} is unknown")
    });
    let subject = Subject::File { file };
    let named = |image: &FileImage| match image {
        FileImage::Absent => "absent".to_owned(),
        FileImage::Text(text) => format!("b3:{}", blake3::hash(text.as_bytes()).to_hex()),
    };
    let says = |facts: &[crd::step::Precondition], image| {
        facts
            .iter()
            .any(|fact| fact.subject == subject && fact.equals == named(image))
    };
    let whole =
        now == Some(before) && says(&step.preconditions, before) && says(&step.leaves, after);
    found.expect("SP-C23", step, whole, || {
        "it does not expect the text that it replaces, or leave the one that it writes".into()
    });
}

fn restored(
    step: &Step,
    (file, after): (SettingsFile, &FileImage),
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    let entry = machine.entry(|entry| entry.target == LedgerTarget::File { file });
    let recorded = entry.is_some_and(|entry| entry.pre_image == after.to_string());
    found.expect("SP-C22", step, recorded, || {
        format!("the ledger recorded another text of {file}")
    });
}

/// Its lines are settings that an enforced policy declares to be kept, and each stands as declared before the file is
/// written, so that the ledger knows what stood there.
fn declared(
    node: &NodePlan,
    at: usize,
    step: &Step,
    (file, after): (SettingsFile, &FileImage),
    machine: &Machine<'_>,
    found: &mut Findings,
) {
    let FileImage::Text(text) = after else {
        found.add(
            "SP-C22",
            Some(step),
            format!("nothing declared takes {file} away"),
        );
        return;
    };
    let wanted = wanted(file, machine);
    let earlier = set_in(&node.steps[..at], file);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let asked = wanted.iter().find(|(_, kept)| kept.as_str() == line);
        found.expect("SP-C22", step, asked.is_some(), || {
            format!("nothing asks for `{line}` to be kept")
        });
        let Some(((name, value), _)) = asked else {
            continue;
        };
        let settings = &machine.snapshot.settings;
        let now = match file {
            SettingsFile::Modprobe => settings.driver.get(name),
            SettingsFile::Sysctl => settings.sysctl.get(name),
        };
        let stands = now.and_then(|fact| fact.get()) == Some(value) || earlier.contains_key(name);
        found.expect("SP-C10", step, stands, || {
            format!("a boot would set {name} before the ledger knows what stood there")
        });
    }
}

/// Settings that enforced policies declare to be kept, with the line that keeps each.
fn wanted(file: SettingsFile, machine: &Machine<'_>) -> BTreeSet<((String, u64), String)> {
    let enforced = machine
        .policies()
        .into_iter()
        .filter(|policy| policy.spec.enforcement == Enforcement::Enforce);
    let mut wanted = BTreeSet::new();
    for policy in enforced {
        match file {
            SettingsFile::Modprobe => {
                let driver = policy.spec.driver.as_ref();
                let kept = driver.filter(|d| d.persistence == Some(Persistence::Persist));
                let seconds = kept.and_then(|d| d.control_response_timeout_seconds);
                for (name, unit) in [
                    ("control_resp_timeout_s", 1),
                    ("control_resp_timeout", 1000),
                ] {
                    wanted.extend(seconds.map(|seconds| {
                        let value = u64::from(seconds) * unit;
                        (
                            (name.to_owned(), value),
                            format!("options qaic {name}={value}"),
                        )
                    }));
                }
            }
            SettingsFile::Sysctl => {
                let host = policy.spec.host.as_ref();
                let kept = host.filter(|host| host.persistence == Some(Persistence::Persist));
                wanted.extend(kept.and_then(|host| host.max_map_count).map(|count| {
                    let name = "vm.max_map_count".to_owned();
                    let line = format!("{name} = {count}");
                    ((name, u64::from(count)), line)
                }));
            }
        }
    }
    wanted
}

/// Settings of this file's sort that earlier steps set, by name.
fn set_in(steps: &[Step], file: SettingsFile) -> BTreeMap<String, &Step> {
    steps
        .iter()
        .filter_map(|step| match (&step.action, file) {
            (Action::SetDriver { name, .. }, SettingsFile::Modprobe)
            | (Action::SetSysctl { name, .. }, SettingsFile::Sysctl) => Some((name.clone(), step)),
            _ => None,
        })
        .collect()
}
