//! Faults that a rack can be told to have, and what a step or a probe makes of them; those of writes are in `writes`.
use crd::{
    Unknown,
    id::Word,
    kind::{ResetScope, rack::Moment},
    snapshot::{PortKind, SocStatus},
    step::{Action, MdpSetting},
};
use machine::{CrashKind, Machine, StepError, perform};

use crate::room::{Room, TWO_ULTRA, at, port, soc};

pub const PORT: &str = "0000:24:00.0";
const SOC: &str = "0000:25:00.0";
const BESIDE: &str = "0000:26:00.0";

pub fn room(fault: &str) -> Room {
    let room = Room::of(TWO_ULTRA);
    room.server().fault(fault.parse().unwrap()).unwrap();
    room
}

pub fn clear(room: &Room) -> Action {
    Action::ClearAcs {
        port: port(&room.probe(), PORT),
        before: Word(0x001d),
        mask: Word(0x000c),
    }
}

fn reset(room: &Room) -> Action {
    Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&room.probe(), SOC)],
    }
}

#[test]
fn a_short_read_is_not_an_absent_capability() {
    let room = room("short-reads:0000:24:00.0");
    let snapshot = room.probe();
    let function = snapshot
        .functions
        .iter()
        .find(|f| f.address == at(PORT))
        .unwrap();
    assert_eq!(function.acs.unknown, Some(Unknown::NoPermission));
    // It is a part of its switch all the same.
    assert_eq!(function.port, Some(PortKind::SwitchDownstream));
    let error = perform(room.machine(), &clear(&room)).unwrap_err();
    assert!(matches!(error, StepError::Expectation { .. }), "{error}");
}

#[test]
fn resets_that_go_wrong() {
    let hangs = room("reset-hangs:0000:25:00.0");
    let wait = Action::WaitReady {
        socs: vec![soc(&hangs.probe(), SOC)],
        timeout_seconds: 900,
    };
    let before = hangs.machine().now();
    perform(hangs.machine(), &reset(&hangs)).unwrap();
    let error = perform(hangs.machine(), &wait).unwrap_err();
    assert!(
        error.to_string().contains("0000:25:00.0 Initializing"),
        "{error}"
    );
    assert!(before.until(hangs.machine().now()).as_secs() >= 900);

    // What is told of it as it was is not its end.
    let lingers = room("reset-lingers:0000:25:00.0");
    let wait = Action::WaitReady {
        socs: vec![soc(&lingers.probe(), SOC)],
        timeout_seconds: 900,
    };
    perform(lingers.machine(), &reset(&lingers)).unwrap();
    let seen = lingers.probe();
    let mut socs = seen.socs.iter();
    let found = socs.find(|soc| soc.address == at(SOC)).unwrap();
    assert_ne!(found.status.get(), Some(&SocStatus::Ready));
    perform(lingers.machine(), &wait).unwrap();

    let fails = room("reset-fails:0000:25:00.0");
    let error = perform(fails.machine(), &reset(&fails)).unwrap_err();
    assert!(
        matches!(error, StepError::ToolFailed { .. }),
        "exit code 0 is no success: {error}"
    );

    let falls = room("falls-off:0000:25:00.0");
    let wait = Action::WaitReady {
        socs: vec![soc(&falls.probe(), SOC), soc(&falls.probe(), BESIDE)],
        timeout_seconds: 900,
    };
    let beside = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&falls.probe(), BESIDE)],
    };
    perform(falls.machine(), &reset(&falls)).unwrap();
    perform(falls.machine(), &beside).unwrap();
    assert_eq!(falls.probe().socs.len(), 7);
    let before = falls.machine().now();
    let error = perform(falls.machine(), &wait).unwrap_err();
    let said = error.to_string();
    let StepError::Gone { socs, .. } = error else {
        panic!("{error}")
    };
    // It alone has failed: the one beside it was waited for, and is Ready.
    assert_eq!(socs, [at(SOC)]);
    assert!(said.contains("0000:25:00.0 fell off the bus"), "{said}");
    let waited = before.until(falls.machine().now()).as_secs();
    assert!((60..90).contains(&waited), "{waited}");
    let ready = |found: &&crd::snapshot::Soc| found.status.get() == Some(&SocStatus::Ready);
    assert_eq!(falls.probe().socs.iter().filter(ready).count(), 7);
}

/// A SoC may be away for as long as a reset takes, where a hot-plug port sees its link go down.
#[test]
fn a_soc_that_comes_back_in_time_has_not_fallen_off() {
    let room = Room::of(TWO_ULTRA);
    let wait = Action::WaitReady {
        socs: vec![soc(&room.probe(), SOC)],
        timeout_seconds: 40,
    };
    room.server().unplug(at(SOC)).unwrap();
    let error = perform(room.machine(), &wait).unwrap_err();
    assert!(matches!(error, StepError::Deadline { .. }), "{error}");
    room.server().replug(SOC).unwrap();
    perform(room.machine(), &wait).unwrap();
}

#[test]
fn partitioning_that_is_lost() {
    let room = room("mdp-missing:0000:25:00.0");
    let socs = vec![soc(&room.probe(), SOC)];
    perform(room.machine(), &Action::StartQmonitor {}).unwrap();
    let request = Action::RequestMdp {
        soc: socs[0].clone(),
        enable: MdpSetting::On,
    };
    perform(room.machine(), &request).unwrap();
    perform(room.machine(), &reset(&room)).unwrap();
    perform(
        room.machine(),
        &Action::WaitReady {
            socs: socs.clone(),
            timeout_seconds: 900,
        },
    )
    .unwrap();
    let error = perform(
        room.machine(),
        &Action::VerifyMdp {
            socs,
            enable: MdpSetting::On,
        },
    )
    .unwrap_err();
    assert!(matches!(error, StepError::NotProven { .. }), "{error}");
}

#[test]
fn tools_that_die() {
    for (fault, why) in [
        ("tool-killed:qaic-util", "killed"),
        ("tool-hangs:qaic-util", "hung"),
    ] {
        let room = room(fault);
        let snapshot = room.probe();
        assert!(
            snapshot
                .socs
                .iter()
                .all(|soc| soc.status.unknown == Some(Unknown::ToolFailed)),
            "{why}"
        );
        assert_eq!(snapshot.socs.len(), 8, "the kernel still shows them");
    }
    let text = TWO_ULTRA.replace(
        "- name: aic-01",
        "- name: aic-01\n      sdk: { missing: [qaic-util, systemd-run, qaic-compile] }",
    );
    let room = Room::of(&text);
    let snapshot = room.probe();
    assert!(
        snapshot
            .socs
            .iter()
            .all(|soc| soc.qid.unknown == Some(Unknown::ToolMissing))
    );
    assert_eq!(snapshot.tools.compiler.unknown, Some(Unknown::ToolMissing));
    assert!(matches!(
        perform(room.machine(), &Action::StartQmonitor {}),
        Err(StepError::Tool(_))
    ));
}

#[test]
fn lockdown_and_missing_rights_are_told_apart() {
    let with = |host: &str| {
        Room::of(&TWO_ULTRA.replace(
            "- name: aic-01",
            &format!("- name: aic-01\n      host: {host}"),
        ))
    };
    let locked = with("{ lockdown: Integrity }");
    let snapshot = locked.probe();
    assert_eq!(
        snapshot.host.lockdown.get(),
        Some(&crd::snapshot::Lockdown::Integrity)
    );
    let error = perform(locked.machine(), &clear(&locked)).unwrap_err();
    let StepError::Write(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.source.raw_os_error(), Some(1));

    let plain = with("{ access: Unprivileged }");
    let snapshot = plain.probe();
    for function in &snapshot.functions {
        assert_eq!(
            function.acs.unknown,
            Some(Unknown::NoPermission),
            "{}",
            function.address
        );
    }
    assert_eq!(
        snapshot.socs[0].status.get(),
        Some(&SocStatus::Ready),
        "a query needs no rights"
    );
    let set = Action::SetSysctl {
        name: "vm.max_map_count".to_owned(),
        before: None,
        after: 1,
    };
    let StepError::Write(error) = perform(plain.machine(), &set).unwrap_err() else {
        panic!("a refused write was expected")
    };
    assert_eq!(error.source.raw_os_error(), Some(13));
    assert!(perform(plain.machine(), &reset(&plain)).is_err());

    let without = with("{ commandLine: quiet }");
    let snapshot = without.probe();
    assert!(
        snapshot
            .functions
            .iter()
            .all(|f| f.iommu_group.value.is_none())
    );
    assert!(
        perform(without.machine(), &clear(&without)).is_ok(),
        "no IOMMU, so nothing redirects from the start"
    );
}

#[test]
fn crashes_strike_once_and_power_takes_what_is_volatile() {
    let room = room("kill:7:torn");
    room.server()
        .fault("power:9:after".parse().unwrap())
        .unwrap();
    assert_eq!(room.machine().crash_point(6), None);
    let crash = room.machine().crash_point(7).unwrap();
    assert_eq!((crash.moment, crash.kind), (Moment::Torn, CrashKind::Kill));
    assert_eq!(room.machine().crash_point(7), None);
    assert_eq!(
        room.machine().crash_point(9).unwrap().kind,
        CrashKind::Power
    );

    let before = room.probe();
    perform(room.machine(), &clear(&room)).unwrap();
    perform(room.machine(), &Action::StartQmonitor {}).unwrap();
    room.server().set("0000:25:00.0/mdp", "on").unwrap();
    room.server().set("vm.max_map_count", "5").unwrap();
    room.server().set("control_resp_timeout_s", "2600").unwrap();
    room.machine().power_loss().unwrap();
    let after = room.probe();
    assert_ne!(after.boot_id, before.boot_id);
    assert_eq!(
        after.functions, before.functions,
        "ACS is the kernel's again"
    );
    assert_eq!(after.settings, before.settings);
    assert_eq!(after.tools.qmonitor_running.get(), Some(&false));
    assert_eq!(after.socs[0].mdp.get(), Some(&true), "partitioning stays");
    let serials = |snapshot: &crd::snapshot::HardwareSnapshot| -> Vec<_> {
        snapshot
            .socs
            .iter()
            .map(|soc| (soc.address, soc.serial.value.clone()))
            .collect()
    };
    assert_eq!(serials(&after), serials(&before));
    assert!(matches!(
        Machine::linux(machine::Roots::default()).power_loss(),
        Err(machine::RackError::NotARack)
    ));
}
