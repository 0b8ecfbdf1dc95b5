//! Settings that a policy keeps over a boot: the text of our own files, and what stands in their way.
use std::{collections::BTreeMap, fmt::Write as _};

use crd::{
    kind::{Enforcement, Persistence},
    plan::ReportReason,
    snapshot::{FileImage, KeptSettings, LedgerTarget, SettingsFile},
    step::{Action, Cause, Ownership, StepReason, Subject},
};

use super::{
    draft::{Draft, declared, fact, seen},
    node::{Needs, Wanted, deletion, want},
    socs::why,
};
use crate::{
    Concern, baseline, judge::image_text, placement::Obstacle, selection::Policy, view::View,
};

/// The first line of a file of ours, for whoever finds it.
const HEAD: &str = "# Written by shardplane for a CardPolicy with `persistence: Persist`, which keeps it so.\n\
                    # `shardplane down` puts back what stood here before, where the policy's deletion rule says Revert.\n";

/// Whether that is one of the first lines of a file of ours.
pub(crate) fn is_head(line: &str) -> bool {
    HEAD.lines().any(|head| head == line)
}

/// A setting to be kept.
pub(super) struct Line<'a> {
    pub(super) name: &'static str,
    pub(super) value: u64,
    /// The policies that want it kept.
    pub(super) policies: Vec<&'a Policy>,
    /// Whether the setting itself is carried out, and not only reported.
    pub(super) enforced: bool,
}

/// What each file is to keep.
pub(super) type Lines<'a> = BTreeMap<SettingsFile, Vec<Line<'a>>>;

/// Says for whom a file is wanted, whether its setting can be reached now or not: a driver that is not loaded is no
/// reason to take a file away.
pub(super) fn want_file(
    file: SettingsFile,
    policy: &Policy,
    persistence: Persistence,
    wanted: &mut Wanted,
) {
    match persistence {
        Persistence::Runtime => {}
        Persistence::Persist => want(
            wanted,
            LedgerTarget::File { file },
            &policy.object,
            deletion(policy),
            policy.spec.enforcement == Enforcement::Enforce,
        ),
    }
}

/// Plans the files.
pub(super) fn plan<'a>(view: &View<'a>, lines: Lines<'a>, needs: &mut Needs<'a>, wanted: &Wanted) {
    for (file, lines) in lines {
        let kept = match usable(view, file) {
            Ok(kept) => kept,
            Err((message, hint)) => {
                let policies = lines.iter().flat_map(|line| &line.policies);
                needs
                    .obstacles
                    .extend(policies.map(|policy| obstacle(file, policy, message.clone(), hint)));
                continue;
            }
        };
        let (lines, overruled): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|line| overruling(kept, line).is_none());
        for line in &overruled {
            let by = overruling(kept, line).unwrap_or_default();
            let message = format!(
                "{by} after {file} is read, so {} could not be kept over a boot",
                line.value
            );
            let hint = "remove that line, or declare its value";
            let policies = line.policies.iter();
            needs
                .obstacles
                .extend(policies.map(|policy| obstacle(file, policy, message.clone(), hint)));
        }
        let after = FileImage::Text(text(file, &lines));
        let Some((record, enforced)) = wanted.get(&LedgerTarget::File { file }) else {
            continue;
        };
        if lines.is_empty() || kept.image == after {
            continue;
        }
        if let Some(step) = view.failed.get(&Concern::File(file)) {
            let policies = lines.iter().flat_map(|line| &line.policies);
            let failed =
                policies.map(|policy| step.obstacle(&policy.object, pointer(file), Vec::new()));
            needs.obstacles.extend(failed);
            continue;
        }
        let mut causes: Vec<Cause> = lines
            .iter()
            .flat_map(|line| &line.policies)
            .map(|policy| declared(policy, pointer(file)))
            .collect();
        let place = match file {
            SettingsFile::Modprobe => "/settings/kept/modprobe",
            SettingsFile::Sysctl => "/settings/kept/sysctl",
        };
        causes.push(seen(view, place, image_text(&kept.image)));
        let draft = write(
            file,
            kept.image.clone(),
            after,
            StepReason::SettingNotKept,
            causes,
            record.clone(),
        );
        let work = if *enforced && lines.iter().all(|line| line.enforced) {
            &mut needs.enforced
        } else {
            &mut needs.observed
        };
        work.settings.push(draft);
    }
}

/// What stands at a file's place, or why nothing can be put there, with what to do.
fn usable<'a>(
    view: &View<'a>,
    file: SettingsFile,
) -> Result<&'a KeptSettings, (String, &'static str)> {
    match view.snapshot.settings.kept.get(&file) {
        None => Err((
            format!("the machine has no folder for {file}"),
            "make the folder, or declare `persistence: Runtime`",
        )),
        Some(fact) => fact.get().ok_or_else(|| {
            let message = format!(
                "{} could not be read or used ({})",
                fact.source,
                why(fact.unknown)
            );
            let hint = "run as root on the machine itself; a link or a file of ours that is no text must go first";
            (message, hint)
        }),
    }
}

/// What sets a line's setting to something else after the file is read.
fn overruling(kept: &KeptSettings, line: &Line<'_>) -> Option<String> {
    let last = kept
        .overruled
        .iter()
        .rev()
        .find(|other| other.name == line.name)?;
    (last.value != line.value.to_string())
        .then(|| format!("{} sets {} to {}", last.by, last.name, last.value))
}

fn text(file: SettingsFile, lines: &[Line<'_>]) -> String {
    let mut text = HEAD.to_owned();
    for Line { name, value, .. } in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", baseline::line(file, name, &value.to_string()));
    }
    text
}

/// The step that writes a file as a whole.
pub(super) fn write(
    file: SettingsFile,
    before: FileImage,
    after: FileImage,
    reason: StepReason,
    causes: Vec<Cause>,
    record: Ownership,
) -> Draft {
    let subject = Subject::File { file };
    let (expected, left) = (image_text(&before), image_text(&after));
    let back = Action::WriteFile {
        file,
        before: after.clone(),
        after: before.clone(),
    };
    let action = Action::WriteFile {
        file,
        before,
        after,
    };
    let target = file.path().trim_start_matches('/').to_owned();
    Draft::new(target, action, reason, causes)
        .expects([fact(subject.clone(), expected)])
        .leaves([fact(subject, left)])
        .undone_by(back)
        .records(record)
}

fn pointer(file: SettingsFile) -> &'static str {
    match file {
        SettingsFile::Modprobe => "/spec/driver/persistence",
        SettingsFile::Sysctl => "/spec/host/persistence",
    }
}

fn obstacle(file: SettingsFile, policy: &Policy, message: String, hint: &str) -> Obstacle {
    Obstacle {
        reason: ReportReason::SettingNotKept,
        object: policy.object.clone(),
        pointer: pointer(file).into(),
        functions: Vec::new(),
        message,
        hint: hint.into(),
    }
}
