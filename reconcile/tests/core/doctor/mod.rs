//! Each prerequisite, met and not met and not known: what the doctor says, of which functions, and who mends it.
mod cards;
mod first;
mod kernel_says;
mod paths;
mod premises;

use crd::{
    Fact, Unknown,
    declaration::Declaration,
    diagnosis::{Finding, Mender, Need, Verdict, VerdictCounts},
    id::{GroupId, PciAddress, Word},
    snapshot::{
        Acs, Channels, ErrorCounts, GroupRecord, HardwareSnapshot, Holder, HolderKind, Link,
        Lockdown, PortKind, Prerequisites, Reader, SocIdentity, SocPrerequisites, SocStatus,
    },
};
use proptest::prelude::*;
use reconcile::doctor;

use crate::{
    declare::{automatic, object, policy},
    intent::declaration,
    properties::config,
    random::{build, world},
    simulate::{apply, plan_of},
    twist::{apply_twist, twist},
    world::{Builder, acs, set_acs, two_ultras},
};

pub(super) fn known<T>(value: T) -> Fact<T> {
    Fact::known(value, "test")
}

fn prerequisites(snapshot: &HardwareSnapshot) -> Prerequisites {
    Prerequisites {
        reader: Reader {
            uid: known(0),
            sys_admin: known(true),
            in_qaic_group: known(false),
        },
        distribution: known("ubuntu 22.04".into()),
        pythons: known(vec!["3.10".into()]),
        disk_gib: known(4000),
        virtual_machine: known(false),
        product: known("Maker Server".into()),
        secure_boot: Some(known(false)),
        driver_parameters: None,
        iommus: known(2),
        modules: known(vec!["qaic".into(), "switchtec".into()]),
        driver_version: known("1.21.0".into()),
        installed: known(
            [
                "exec/qaic-runner",
                "firmware/fw2_swe.json",
                "test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
                "tools/qaic-monitor-grpc-server",
                "tools/qaic-monitor-json",
                "tools/qaic-util",
            ]
            .map(str::to_owned)
            .into(),
        ),
        switchtec: known("/usr/bin/switchtec".into()),
        qaic_group: known(995),
        vendor_operator: known(Vec::new()),
        socs: snapshot
            .socs
            .iter()
            .map(|soc| SocPrerequisites {
                address: soc.address,
                bar4_assigned: known(true),
                msi_vectors: known(32),
                node: Some(known("/dev/accel/accel0".into())),
                channels: Some(known(Channels {
                    count: 16,
                    busy: Vec::new(),
                })),
                errors: Some(known(ErrorCounts {
                    correctable: 0,
                    uncorrectable: 0,
                    nonfatal: 0,
                })),
                power_limit_microwatts: Some(known(75_000_000)),
            })
            .collect(),
    }
}

/// Everything as the vendor asks it, after an apply of everything.
pub(super) fn healthy(mut snapshot: HardwareSnapshot) -> HardwareSnapshot {
    snapshot.prerequisites = Some(prerequisites(&snapshot));
    for function in &mut snapshot.functions {
        if function.port == Some(PortKind::SwitchDownstream)
            && let Some(Acs::Present { control, .. }) = &mut function.acs.value
        {
            *control = Word(0x0011);
        }
        if function.port.is_none() {
            function.link = known(Link {
                speed: "16.0 GT/s PCIe".into(),
                width: 8,
            });
        }
    }
    for soc in &mut snapshot.socs {
        soc.mdp = known(true);
        soc.board_serial = Fact::unknown(Unknown::Absent, "test");
    }
    let settings = &mut snapshot.settings;
    settings
        .driver
        .insert("control_resp_timeout_s".into(), known(2600));
    settings
        .sysctl
        .insert("vm.max_map_count".into(), known(2_048_000));
    snapshot.tools.qmonitor_running = known(true);
    snapshot
}

pub(super) fn of<'a>(findings: &'a [Finding], id: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|found| found.id == id).collect()
}

/// Changes a healthy machine, and looks for a finding.
#[track_caller]
pub(super) fn check(
    change: impl FnOnce(&mut HardwareSnapshot),
    id: &str,
    verdict: Verdict,
    fact: &str,
    functions: usize,
) -> Finding {
    let mut snapshot = healthy(two_ultras("aic-07"));
    change(&mut snapshot);
    let findings = doctor(&snapshot, None);
    let found = of(&findings, id)
        .into_iter()
        .find(|found| found.verdict == verdict && found.fact.contains(fact))
        .unwrap_or_else(|| panic!("no {id} {verdict:?} `{fact}` in {findings:#?}"))
        .clone();
    assert_eq!(found.functions.len(), functions, "{found:?}");
    let needs_a_fix = verdict != Verdict::Pass;
    assert_eq!(!found.fix.is_empty(), needs_a_fix, "{found:?}");
    assert_eq!(found.mender.is_some(), needs_a_fix, "{found:?}");
    assert!(!found.source.is_empty(), "{found:?}");
    found
}

#[test]
fn a_healthy_machine_passes_and_says_each_thing_once() {
    let snapshot = healthy(two_ultras("aic-07"));
    let findings = doctor(&snapshot, None);
    for found in &findings {
        assert_eq!(found.verdict, Verdict::Pass, "{found:?}");
        assert!(
            !found.fact.is_empty() && !found.source.is_empty() && found.fix.is_empty(),
            "{found:?}"
        );
        assert_eq!(of(&findings, &found.id).len(), 1, "{found:?}");
    }
    assert!(findings.len() >= 40, "{}", findings.len());
    for id in [
        "bar4-size",
        "mdp",
        "soc-ready",
        "driver-bound",
        "msi",
        "link",
    ] {
        assert_eq!(of(&findings, id)[0].functions.len(), 8, "{id}");
    }
    let counts = VerdictCounts::of(&findings);
    assert_eq!((counts.warn, counts.fail, counts.unknown), (0, 0, 0));
    assert_eq!(doctor(&snapshot, None), findings);
}

#[test]
fn what_is_declared_is_judged_before_and_after() {
    let declared = Declaration {
        policies: vec![object("CardPolicy", "all", policy())],
        groups: vec![object(
            "P2PGroup",
            "quad",
            automatic(4, crd::kind::SpreadOver::Card, None),
        )],
        ..Declaration::default()
    };
    let mut nodes = vec![two_ultras("aic-07")];
    nodes[0].prerequisites = Some(prerequisites(&nodes[0]));
    let before = doctor(&nodes[0], Some(&declared));
    let counts = VerdictCounts::of(&before);
    assert!(counts.fail >= 3, "{before:#?}");
    assert_eq!(counts.fail, counts.mended_by_apply, "{before:#?}");
    assert!(
        of(&before, "declared")[0]
            .fact
            .ends_with("steps to be done")
    );
    for _ in 0..2 {
        let plan = plan_of(&declared, &nodes);
        apply(&plan, &mut nodes, false);
    }
    let after = doctor(&nodes[0], Some(&declared));
    assert_eq!(VerdictCounts::of(&after).fail, 0, "{after:#?}");
    assert_eq!(of(&after, "declared")[0].fact, "as declared");
    let too_many = Declaration {
        groups: vec![object(
            "P2PGroup",
            "large",
            automatic(16, crd::kind::SpreadOver::Switch, Some(1)),
        )],
        ..declared
    };
    let blocked = doctor(&nodes[0], Some(&too_many));
    let goals = of(&blocked, "declared");
    assert_eq!(goals[0].verdict, Verdict::Fail, "{goals:?}");
    assert!(goals[0].fact.starts_with("P2PGroup/large: "), "{goals:?}");
}

/// A JSON form of a snapshot in which the fact at each pointer is unknown in turn.
fn facts(pointer: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map)
            if map.contains_key("source") && map.contains_key("value") =>
        {
            found.push(pointer.to_owned());
        }
        serde_json::Value::Object(map) => {
            for (key, inner) in map {
                facts(&format!("{pointer}/{key}"), inner, found);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                facts(&format!("{pointer}/{index}"), inner, found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_becomes_unknown_never_makes_anything_pass() {
    let snapshot = healthy(two_ultras("aic-07"));
    let document = serde_json::to_value(&snapshot).unwrap();
    let passing = |snapshot: &HardwareSnapshot| -> Vec<(String, usize)> {
        let findings = doctor(snapshot, None);
        let passed = findings.into_iter().filter(|f| f.verdict == Verdict::Pass);
        passed.map(|f| (f.id, f.functions.len())).collect()
    };
    let all = passing(&snapshot);
    let mut pointers = Vec::new();
    facts("", &document, &mut pointers);
    assert!(pointers.len() > 100);
    for pointer in pointers {
        for reason in ["NoPermission", "Absent", "ToolFailed"] {
            let mut edited = document.clone();
            let fact = edited.pointer_mut(&pointer).unwrap();
            *fact = serde_json::json!({ "unknown": reason, "source": "test" });
            let now = passing(&serde_json::from_value(edited).unwrap());
            for (id, functions) in now {
                let before = all.iter().find(|(known, _)| *known == id);
                assert!(
                    before.is_some_and(|(_, count)| *count >= functions),
                    "{pointer} unknown ({reason}) makes {id} pass for {functions}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// Any machine has a diagnosis: the same twice, every finding with its fact, and a fix where one is needed.
    #[test]
    fn any_machine_has_a_diagnosis(
        world in world(),
        declaration in declaration(),
        between in proptest::collection::vec(twist(), 0..4),
        asked in any::<bool>(),
    ) {
        let mut snapshot = build(&world, "node-a");
        for twist in between {
            apply_twist(&mut snapshot, twist);
        }
        if asked {
            snapshot.prerequisites = Some(prerequisites(&snapshot));
        }
        for declaration in [None, Some(&declaration)] {
            let findings = doctor(&snapshot, declaration);
            prop_assert_eq!(&doctor(&snapshot, declaration), &findings);
            for found in &findings {
                prop_assert!(!found.fact.is_empty(), "{:?}", found);
                prop_assert!(!found.source.is_empty(), "{:?}", found);
                prop_assert_eq!(found.mender.is_some(), !found.fix.is_empty(), "{:?}", found);
                prop_assert!(found.verdict != Verdict::Pass || found.fix.is_empty(), "{:?}", found);
                let mut functions = found.functions.clone();
                functions.sort_unstable();
                functions.dedup();
                prop_assert_eq!(&functions, &found.functions);
            }
        }
    }
}
