//! Driver and kernel settings: the declared value is the goal exactly, raised or lowered alike.
use std::collections::BTreeMap;

use crd::{
    Fact,
    kind::{Enforcement, Persistence},
    plan::ReportReason,
    snapshot::{LedgerTarget, SettingsFile},
    step::{Action, Cause, Ownership, StepReason, Subject},
};

use super::{
    draft::{Draft, declared, fact, seen},
    kept,
    node::{Needs, Wanted, deletion, want},
    socs::why,
};
use crate::{Concern, placement::Obstacle, selection::Policy, view::View};

/// The two names of the driver's control timeout, and what one second is in each one's unit.
const CONTROL_TIMEOUT: [(&str, u64); 2] = [
    ("control_resp_timeout_s", 1),
    ("control_resp_timeout", 1000),
];
/// Mappings that a process may hold.
const MAX_MAP_COUNT: &str = "vm.max_map_count";

/// Which setting, under the name that this machine has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Setting {
    Driver(&'static str),
    Sysctl(&'static str),
}

impl Setting {
    /// The file that can keep it over a boot.
    fn file(&self) -> SettingsFile {
        match self {
            Self::Driver(_) => SettingsFile::Modprobe,
            Self::Sysctl(_) => SettingsFile::Sysctl,
        }
    }
}

struct Goal<'a> {
    policy: &'a Policy,
    pointer: &'static str,
    value: u64,
    persistence: Persistence,
}

/// Plans the settings that policies with a SoC on this node declare, a remembered one too. Policies that disagree cancel each other.
pub(super) fn plan<'a>(view: &View<'a>, needs: &mut Needs<'a>, wanted: &mut Wanted) {
    let mut goals: BTreeMap<Setting, Vec<Goal<'a>>> = BTreeMap::new();
    let mut lines = kept::Lines::default();
    for &policy in &view.selection.policies {
        if !view.keeps_settings(policy) {
            continue;
        }
        let driver = policy.spec.driver.as_ref();
        if let Some(seconds) = driver.and_then(|d| d.control_response_timeout_seconds) {
            let persistence = driver.and_then(|d| d.persistence).unwrap_or_default();
            kept::want_file(SettingsFile::Modprobe, policy, persistence, wanted);
            let pointer = "/spec/driver/controlResponseTimeoutSeconds";
            let found = CONTROL_TIMEOUT
                .iter()
                .find(|(name, _)| view.snapshot.settings.driver.contains_key(*name));
            match found {
                Some((name, unit)) => goals.entry(Setting::Driver(name)).or_default().push(Goal {
                    policy,
                    pointer,
                    value: u64::from(seconds) * unit,
                    persistence,
                }),
                None => needs.obstacles.push(missing(
                    policy,
                    pointer,
                    "the driver",
                    CONTROL_TIMEOUT[0].0,
                )),
            }
        }
        let host = policy.spec.host.as_ref();
        if let Some(count) = host.and_then(|host| host.max_map_count) {
            let persistence = host.and_then(|host| host.persistence).unwrap_or_default();
            kept::want_file(SettingsFile::Sysctl, policy, persistence, wanted);
            let pointer = "/spec/host/maxMapCount";
            if view.snapshot.settings.sysctl.contains_key(MAX_MAP_COUNT) {
                goals
                    .entry(Setting::Sysctl(MAX_MAP_COUNT))
                    .or_default()
                    .push(Goal {
                        policy,
                        pointer,
                        value: u64::from(count),
                        persistence,
                    });
            } else {
                needs
                    .obstacles
                    .push(missing(policy, pointer, "the kernel", MAX_MAP_COUNT));
            }
        }
    }
    for (setting, goals) in goals {
        if let Some(line) = one(view, &setting, &goals, needs, wanted) {
            lines.entry(setting.file()).or_default().push(line);
        }
    }
    kept::plan(view, lines, needs, wanted);
}

/// Plans one setting. Gives the line that keeps it over a boot, where a policy wants that and the setting itself is, or
/// will be, as declared: what stood there before must be in the ledger before a boot can set it for us.
fn one<'a>(
    view: &View<'a>,
    setting: &Setting,
    goals: &[Goal<'a>],
    needs: &mut Needs<'a>,
    wanted: &mut Wanted,
) -> Option<kept::Line<'a>> {
    let first = goals.first()?;
    let (name, now, target) = match setting {
        Setting::Driver(name) => (
            *name,
            view.snapshot.settings.driver.get(*name),
            LedgerTarget::Driver {
                name: (*name).into(),
            },
        ),
        Setting::Sysctl(name) => (
            *name,
            view.snapshot.settings.sysctl.get(*name),
            LedgerTarget::Sysctl {
                name: (*name).into(),
            },
        ),
    };
    for goal in goals {
        let enforced = goal.policy.spec.enforcement == Enforcement::Enforce;
        let rule = deletion(goal.policy);
        want(wanted, target.clone(), &goal.policy.object, rule, enforced);
    }
    if let Some(other) = goals.iter().find(|goal| goal.value != first.value) {
        for goal in [first, other] {
            needs.obstacles.push(obstacle(
                goal,
                ReportReason::PolicyConflict,
                format!(
                    "policies {} and {} want {name} to be {} and {}, so neither applies",
                    first.policy.object.name, other.policy.object.name, first.value, other.value
                ),
                "declare one value for the machine",
            ));
        }
        return None;
    }
    let Some(before) = now.and_then(Fact::get).copied() else {
        let reason = why(now.and_then(|fact| fact.unknown));
        let message = format!("{name} could not be read ({reason})");
        needs.obstacles.push(obstacle(
            first,
            ReportReason::SettingUnknown,
            message,
            "run as root on the machine itself",
        ));
        return None;
    };
    let (record, enforced) = wanted.get(&target)?;
    let line = kept::Line {
        name,
        value: first.value,
        policies: goals
            .iter()
            .filter(|goal| goal.persistence == Persistence::Persist)
            .map(|goal| goal.policy)
            .collect(),
        enforced: *enforced,
    };
    let line = (!line.policies.is_empty()).then_some(line);
    if before == first.value {
        return line;
    }
    if let Some(step) = view.failed.get(&Concern::Setting(name.to_owned())) {
        let object = |goal: &Goal<'_>| goal.policy.object.clone();
        let failed = goals
            .iter()
            .map(|goal| step.obstacle(&object(goal), goal.pointer, Vec::new()));
        needs.obstacles.extend(failed);
        return None;
    }
    let mut causes: Vec<Cause> = goals
        .iter()
        .map(|goal| declared(goal.policy, goal.pointer))
        .collect();
    causes.push(seen(view, &pointer(setting), before.to_string()));
    let draft = write(
        &target,
        name,
        before,
        first.value,
        StepReason::SettingDiffers,
        causes,
        record.clone(),
    );
    let work = if *enforced {
        &mut needs.enforced
    } else {
        &mut needs.observed
    };
    work.settings.extend(draft);
    line
}

fn pointer(setting: &Setting) -> String {
    match setting {
        Setting::Driver(name) => format!("/settings/driver/{name}"),
        Setting::Sysctl(name) => format!("/settings/sysctl/{name}"),
    }
}

/// The step that writes a setting; `None` for a target that is none.
pub(super) fn write(
    target: &LedgerTarget,
    name: &str,
    before: u64,
    after: u64,
    reason: StepReason,
    causes: Vec<Cause>,
    record: Ownership,
) -> Option<Draft> {
    let owned = name.to_owned();
    let (action, back, subject) = match target {
        LedgerTarget::Driver { name: _ } => (
            Action::SetDriver {
                name: owned.clone(),
                before: Some(before),
                after,
            },
            Action::SetDriver {
                name: owned.clone(),
                before: Some(after),
                after: before,
            },
            Subject::Driver { name: owned },
        ),
        LedgerTarget::Sysctl { name: _ } => (
            Action::SetSysctl {
                name: owned.clone(),
                before: Some(before),
                after,
            },
            Action::SetSysctl {
                name: owned.clone(),
                before: Some(after),
                after: before,
            },
            Subject::Sysctl { name: owned },
        ),
        LedgerTarget::Acs { port: _, path: _ }
        | LedgerTarget::Mdp { soc: _ }
        | LedgerTarget::File { file: _ } => return None,
    };
    let draft = Draft::new(name.to_owned(), action, reason, causes)
        .expects([fact(subject.clone(), before.to_string())])
        .leaves([fact(subject, after.to_string())])
        .undone_by(back)
        .records(record);
    Some(draft)
}

fn missing(policy: &Policy, pointer: &'static str, who: &str, name: &str) -> Obstacle {
    let goal = Goal {
        policy,
        pointer,
        value: 0,
        persistence: Persistence::Runtime,
    };
    obstacle(
        &goal,
        ReportReason::SettingMissing,
        format!("{who} has no setting {name}"),
        "load the driver, or leave the setting out of the policy",
    )
}

fn obstacle(goal: &Goal<'_>, reason: ReportReason, message: String, hint: &str) -> Obstacle {
    Obstacle {
        reason,
        object: goal.policy.object.clone(),
        pointer: goal.pointer.into(),
        functions: Vec::new(),
        message,
        hint: hint.into(),
    }
}
