//! Settings that outlive boots: when their files are written, what overrules them, and power loss between any two steps.
use crd::{
    Fact, Unknown,
    declaration::Declaration,
    id::BootId,
    judgement::Judgement,
    kind::{Enforcement, Persistence},
    plan::{Plan, ReportKind, ReportReason},
    snapshot::{FileImage, HardwareSnapshot, OverrulingSetting, SettingsFile},
    step::{Action, StepReason},
};

use reconcile::{compensation, judge, ledger};

use crate::{
    declare::{object, persistent, quickstart},
    simulate::{apply, carry_out_one, plan_of},
    world::two_ultras,
};

/// What a boot makes of our files, on top of what stands there: each line in its turn.
pub fn boot(snapshot: &mut HardwareSnapshot) {
    let kept = snapshot.settings.kept.clone();
    for kept in kept.values().filter_map(Fact::get) {
        let FileImage::Text(text) = &kept.image else {
            continue;
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let line = line.trim_start_matches("options qaic ");
            let (name, value) = line.split_once('=').expect("a line sets something");
            let value = value.trim().parse().expect("a number");
            for settings in [&mut snapshot.settings.driver, &mut snapshot.settings.sysctl] {
                if let Some(fact) = settings.get_mut(name.trim()) {
                    *fact = Fact::known(value, "boot");
                }
            }
        }
    }
}

/// A power loss: another boot, the settings that a boot gives, then our files.
fn power_loss(snapshot: &mut HardwareSnapshot, fresh: &HardwareSnapshot) {
    snapshot.boot_id = Fact::known(BootId("after".into()), "test");
    snapshot.settings.driver.clone_from(&fresh.settings.driver);
    snapshot.settings.sysctl.clone_from(&fresh.settings.sysctl);
    snapshot.functions.clone_from(&fresh.functions);
    boot(snapshot);
}

fn declared() -> Declaration {
    let mut declaration = quickstart();
    declaration.policies = vec![object("CardPolicy", "cards", persistent())];
    declaration
}

fn image(snapshot: &HardwareSnapshot, file: SettingsFile) -> &FileImage {
    &snapshot.settings.kept[&file].get().expect("known").image
}

fn files(plan: &Plan) -> Vec<SettingsFile> {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps
        .filter_map(|step| match step.action {
            Action::WriteFile { file, .. } => Some(file),
            _ => None,
        })
        .collect()
}

/// Plans and applies until nothing is to do.
fn settle(declaration: &Declaration, nodes: &mut [HardwareSnapshot]) {
    for _ in 0..3 {
        let plan = plan_of(declaration, nodes);
        let wrong = apply(&plan, nodes, false);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert!(!plan_of(declaration, nodes).applyable);
}

#[test]
fn each_file_says_what_is_declared_and_nothing_else() {
    let mut nodes = vec![two_ultras("lab")];
    settle(&declared(), &mut nodes);
    for (file, line) in [
        (SettingsFile::Sysctl, "vm.max_map_count = 2048000"),
        (
            SettingsFile::Modprobe,
            "options qaic control_resp_timeout_s=2600",
        ),
    ] {
        let FileImage::Text(text) = image(&nodes[0], file) else {
            panic!("{file} is not there");
        };
        let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(said, [line]);
    }
    let plan = plan_of(&declared(), &[two_ultras("lab")]);
    let why = plan.nodes[0]
        .steps
        .iter()
        .find(|step| matches!(step.action, Action::WriteFile { .. }));
    assert_eq!(
        why.map(|step| step.reason),
        Some(StepReason::SettingNotKept)
    );
    assert!(files(&plan_of(&quickstart(), &[two_ultras("lab")])).is_empty());
}

#[test]
fn power_may_go_between_any_two_steps() {
    let fresh = two_ultras("lab");
    let full = plan_of(&declared(), std::slice::from_ref(&fresh));
    let mut settled = vec![fresh.clone()];
    settle(&declared(), &mut settled);
    let removal = plan_of(&Declaration::default(), &settled);
    assert_eq!((files(&full).len(), files(&removal).len()), (2, 2));
    let restored = |nodes: &[HardwareSnapshot], when: &str| {
        assert_eq!(
            nodes[0].settings.sysctl["vm.max_map_count"].get(),
            Some(&65530),
            "{when}"
        );
        assert_eq!(
            nodes[0].settings.driver["control_resp_timeout_s"].get(),
            Some(&60),
            "{when}"
        );
        for file in SettingsFile::ALL {
            assert_eq!(image(&nodes[0], file), &FileImage::Absent, "{when}");
        }
    };
    for (plan, start) in [(&full, &fresh), (&removal, &settled[0])] {
        for steps in 0..=plan.nodes[0].steps.len() {
            let mut part = plan.clone();
            part.nodes[0].steps.truncate(steps);
            let when = format!("{steps} steps of {}", plan.nodes[0].digest.0);
            let mut cut = vec![start.clone()];
            apply(&part, &mut cut, false);
            power_loss(&mut cut[0], &fresh);
            let mut again = cut.clone();
            settle(&declared(), &mut again);
            assert_eq!(
                again[0].settings.sysctl["vm.max_map_count"].get(),
                Some(&2_048_000),
                "{when}"
            );
            for mut nodes in [cut, again] {
                settle(&Declaration::default(), &mut nodes);
                restored(&nodes, &when);
            }
        }
    }
}

#[test]
fn what_stood_there_comes_back_and_a_strangers_text_is_left() {
    let mut nodes = vec![two_ultras("lab")];
    let theirs = FileImage::Text("# a site's own\nvm.max_map_count = 70000\n".into());
    let put = |nodes: &mut [HardwareSnapshot], image: &FileImage| {
        let kept = nodes[0].settings.kept.get_mut(&SettingsFile::Sysctl);
        kept.and_then(|fact| fact.value.as_mut())
            .expect("known")
            .image = image.clone();
    };
    put(&mut nodes, &theirs);
    settle(&declared(), &mut nodes);
    assert_ne!(image(&nodes[0], SettingsFile::Sysctl), &theirs);
    let kept = nodes.clone();
    settle(&Declaration::default(), &mut nodes);
    assert_eq!(image(&nodes[0], SettingsFile::Sysctl), &theirs);

    // Somebody rewrote it meanwhile: declared, it is written again; declared no more, it is left.
    let other = FileImage::Text("vm.max_map_count = 1\n".into());
    let mut nodes = kept.clone();
    put(&mut nodes, &other);
    let plan = plan_of(&declared(), &nodes);
    assert_eq!(files(&plan), [SettingsFile::Sysctl]);
    assert!(plan.report.iter().any(
        |line| line.kind == ReportKind::Drift && line.message.contains("is not as we left it")
    ));
    settle(&Declaration::default(), &mut nodes);
    assert_eq!(image(&nodes[0], SettingsFile::Sysctl), &other);
    assert!(
        nodes[0].ledger.entries.is_empty(),
        "{:#?}",
        nodes[0].ledger.entries
    );
}

#[test]
fn persist_that_is_declared_no_more_takes_the_file_away_and_leaves_the_setting() {
    let mut nodes = vec![two_ultras("lab")];
    settle(&declared(), &mut nodes);
    let mut declaration = declared();
    if let Some(host) = &mut declaration.policies[0].spec.host {
        host.persistence = Some(Persistence::Runtime);
    }
    let plan = plan_of(&declaration, &nodes);
    assert_eq!(plan.nodes[0].steps.len(), 1, "{:#?}", plan.nodes[0].steps);
    settle(&declaration, &mut nodes);
    assert_eq!(image(&nodes[0], SettingsFile::Sysctl), &FileImage::Absent);
    assert_ne!(image(&nodes[0], SettingsFile::Modprobe), &FileImage::Absent);
    assert_eq!(
        nodes[0].settings.sysctl["vm.max_map_count"].get(),
        Some(&2_048_000)
    );
}

#[test]
fn what_stands_in_the_way_is_said_and_the_setting_itself_is_set() {
    type Change = fn(&mut HardwareSnapshot);
    let overrule = |by: &str, value: &str| OverrulingSetting {
        name: "vm.max_map_count".into(),
        value: value.into(),
        by: by.into(),
    };
    let rows: [(&str, Change, &[SettingsFile]); 5] = [
        (
            "/etc/sysctl.d/99-local.conf sets vm.max_map_count to 65530 after /etc/sysctl.d/90-shardplane.conf is read",
            |_| {},
            &[SettingsFile::Modprobe],
        ),
        (
            "the machine has no folder for /etc/sysctl.d/90-shardplane.conf",
            |node| {
                node.settings.kept.remove(&SettingsFile::Sysctl);
            },
            &[SettingsFile::Modprobe],
        ),
        (
            "could not be read or used",
            |node| {
                let file = SettingsFile::Sysctl;
                node.settings
                    .kept
                    .insert(file, Fact::unknown(Unknown::Malformed, file.path()));
            },
            &[SettingsFile::Modprobe],
        ),
        (
            "vm.max_map_count could not be read",
            |node| {
                node.settings.sysctl.insert(
                    "vm.max_map_count".into(),
                    Fact::unknown(Unknown::NoPermission, "test"),
                );
            },
            &[SettingsFile::Modprobe],
        ),
        (
            "the driver has no setting",
            |node| node.settings.driver.clear(),
            &[SettingsFile::Sysctl],
        ),
    ];
    for (at, (says, change, written)) in rows.into_iter().enumerate() {
        let mut node = two_ultras("lab");
        if at == 0 {
            let kept = node.settings.kept.get_mut(&SettingsFile::Sysctl);
            let kept = kept.and_then(|fact| fact.value.as_mut()).expect("known");
            kept.overruled = vec![
                overrule("/etc/sysctl.d/95-ours.conf", "2048000"),
                overrule("/etc/sysctl.d/99-local.conf", "65530"),
            ];
        }
        change(&mut node);
        let plan = plan_of(&declared(), std::slice::from_ref(&node));
        let blocked: Vec<_> = plan
            .report
            .iter()
            .filter(|line| line.kind == ReportKind::Blocked)
            .collect();
        assert!(
            blocked.iter().any(|line| line.message.contains(says)),
            "{says}: {blocked:#?}"
        );
        assert_eq!(files(&plan), written, "{says}");
        if blocked
            .iter()
            .any(|line| line.reason == ReportReason::SettingNotKept)
        {
            let set = |action: &Action| matches!(action, Action::SetSysctl { .. });
            assert!(
                plan.nodes[0].steps.iter().any(|step| set(&step.action)),
                "{says}"
            );
        }
    }
    // The last word counts, and one that says the same is no obstacle.
    let mut node = two_ultras("lab");
    let kept = node.settings.kept.get_mut(&SettingsFile::Sysctl);
    kept.and_then(|fact| fact.value.as_mut())
        .expect("known")
        .overruled = vec![
        overrule("/etc/sysctl.d/95-theirs.conf", "1"),
        overrule("/etc/sysctl.d/99-same.conf", "2048000"),
    ];
    assert_eq!(files(&plan_of(&declared(), &[node])).len(), 2);
}

#[test]
fn a_fault_is_no_reason_to_take_a_file_away() {
    let mut nodes = vec![two_ultras("lab")];
    settle(&declared(), &mut nodes);
    nodes[0].settings.driver.clear();
    let plan = plan_of(&declared(), &nodes);
    assert_eq!(files(&plan), []);
    settle(&declared(), &mut nodes);
    assert_ne!(image(&nodes[0], SettingsFile::Modprobe), &FileImage::Absent);
    let target = crd::snapshot::LedgerTarget::File {
        file: SettingsFile::Modprobe,
    };
    assert!(
        nodes[0]
            .ledger
            .entries
            .iter()
            .any(|entry| entry.target == target)
    );
}

#[test]
fn observe_only_reports_a_file() {
    let mut declaration = declared();
    declaration.policies[0].spec.enforcement = Enforcement::Observe;
    let plan = plan_of(&declaration, &[two_ultras("lab")]);
    assert!(!plan.applyable);
    let would = "Enforce would do file.write etc/sysctl.d/90-shardplane.conf";
    assert!(
        plan.report.iter().any(|line| line.message == would),
        "{:#?}",
        plan.report
    );
}

#[test]
fn a_failed_run_takes_its_files_back() {
    let fresh = two_ultras("lab");
    let plan = plan_of(&declared(), std::slice::from_ref(&fresh));
    let mut node = fresh.clone();
    for step in &plan.nodes[0].steps {
        if !matches!(step.action, Action::WriteFile { .. }) {
            continue;
        }
        let known = node.ledger.clone();
        carry_out_one(step, &mut node);
        node.ledger = ledger::after(&known, step, &node);
        let undo = compensation(step, &known).expect("a file can be taken back");
        assert_eq!(judge(&undo, &node), Judgement::Ready);
        carry_out_one(&undo, &mut node);
        assert_eq!(judge(&undo, &node), Judgement::Done);
        node.ledger = ledger::after(&node.ledger, &undo, &node);
        assert_eq!(node.ledger, known);
    }
    assert_eq!(node.settings, fresh.settings);
}
