//! Single steps on a rack: the whole way from a fresh server to proven P2P and back, and what each step refuses.
use std::time::Duration;

use crd::{
    id::{GroupId, Word},
    kind::ResetScope,
    snapshot::{Acs, HardwareSnapshot, SocIdentity, SocStatus},
    step::{Action, MdpSetting, PortRef},
};
use machine::{Performed, StepError, perform};

use crate::room::{Room, TWO_ULTRA, at, port, soc};

const CARD_PORTS: [&str; 4] = [
    "0000:24:00.0",
    "0000:24:01.0",
    "0000:24:02.0",
    "0000:24:03.0",
];
const MEMBERS: [&str; 4] = [
    "0000:25:00.0",
    "0000:26:00.0",
    "0000:27:00.0",
    "0000:28:00.0",
];

fn word(snapshot: &HardwareSnapshot, address: &str) -> Word {
    let function = snapshot
        .functions
        .iter()
        .find(|f| f.address == at(address))
        .unwrap();
    match function.acs.get().unwrap() {
        Acs::Present { control, .. } => *control,
        Acs::None => panic!("{address} has no ACS"),
    }
}

fn clear(port: PortRef) -> Action {
    Action::ClearAcs {
        port,
        before: Word(0x001d),
        mask: Word(0x000c),
    }
}

fn verify(members: &[SocIdentity], ports: &[PortRef]) -> Action {
    Action::VerifyP2P {
        group: GroupId {
            name: "quad".to_owned(),
            index: 0,
            node: "aic-01".into(),
        },
        members: members.to_vec(),
        ports: ports.to_vec(),
    }
}

#[test]
fn a_group_comes_to_be_and_goes() {
    let room = Room::of(TWO_ULTRA);
    let machine = room.machine();
    let before = room.probe();
    let members: Vec<SocIdentity> = MEMBERS.iter().map(|at| soc(&before, at)).collect();
    let ports: Vec<PortRef> = CARD_PORTS.iter().map(|at| port(&before, at)).collect();
    let accel: Vec<_> = before.socs.iter().map(|soc| soc.accel.value).collect();

    for port in &ports {
        let done = perform(machine, &clear(port.clone())).unwrap();
        assert_eq!(
            done,
            Performed::Changed {
                before: "0x001d".to_owned(),
                after: "0x0011".to_owned()
            }
        );
        assert_eq!(
            perform(machine, &clear(port.clone())).unwrap(),
            Performed::AlreadyDone
        );
    }
    // Redirection is off, partitioning is not on: no P2P yet.
    assert!(matches!(
        perform(machine, &verify(&members, &ports)),
        Err(StepError::NoP2P { .. })
    ));

    let asked = Action::RequestMdp {
        soc: members[0].clone(),
        enable: MdpSetting::On,
    };
    assert!(
        matches!(perform(machine, &asked), Err(StepError::Expectation { .. })),
        "qmonitor does not run yet"
    );
    let started = perform(machine, &Action::StartQmonitor {}).unwrap();
    assert_eq!(
        started,
        Performed::Changed {
            before: "stopped".to_owned(),
            after: "running".to_owned()
        }
    );
    assert_eq!(
        perform(machine, &Action::StartQmonitor {}).unwrap(),
        Performed::AlreadyDone
    );

    for member in &members {
        let request = Action::RequestMdp {
            soc: member.clone(),
            enable: MdpSetting::On,
        };
        assert_eq!(perform(machine, &request).unwrap(), Performed::Seen);
    }
    let on = Action::VerifyMdp {
        socs: members.clone(),
        enable: MdpSetting::On,
    };
    assert!(
        matches!(perform(machine, &on), Err(StepError::NotProven { .. })),
        "a request proves nothing"
    );

    for member in &members {
        let reset = Action::Reset {
            scope: ResetScope::SoC,
            socs: vec![member.clone()],
        };
        assert_eq!(perform(machine, &reset).unwrap(), Performed::Seen);
        let during = room.probe();
        let resetting = during
            .socs
            .iter()
            .find(|soc| soc.address == member.address)
            .unwrap();
        assert!(resetting.status.value.is_none() && resetting.mhi.value.is_none());
        let wait = Action::WaitReady {
            socs: vec![member.clone()],
            timeout_seconds: 900,
        };
        assert_eq!(perform(machine, &wait).unwrap(), Performed::Seen);
    }
    assert_eq!(perform(machine, &on).unwrap(), Performed::Seen);
    let Performed::Proven(proof) = perform(machine, &verify(&members, &ports)).unwrap() else {
        panic!("a proof was expected");
    };
    assert!(proof.mdp && proof.acs.iter().all(|(_, word)| *word == Word(0x0011)));

    let after = room.probe();
    assert_eq!(after.boot_id, before.boot_id);
    assert_ne!(
        after
            .socs
            .iter()
            .map(|soc| soc.accel.value)
            .collect::<Vec<_>>(),
        accel,
        "minors change at a reset"
    );
    assert!(
        after.socs[4..]
            .iter()
            .all(|soc| soc.mdp.value == Some(false)),
        "nobody else was asked"
    );
    for function in &after.functions {
        if !CARD_PORTS.iter().any(|&port| function.address == at(port)) {
            let was = before
                .functions
                .iter()
                .find(|f| f.address == function.address)
                .unwrap();
            assert_eq!(function, was, "nothing but the ports was written");
        }
    }

    let restore = Action::RestoreAcs {
        port: ports[0].clone(),
        before: Word(0x0011),
        pre_image: Word(0x001d),
        mask: Word(0x000c),
    };
    assert!(matches!(
        perform(machine, &restore).unwrap(),
        Performed::Changed { .. }
    ));
    assert_eq!(word(&room.probe(), CARD_PORTS[0]), Word(0x001d));
}

#[test]
fn settings_are_written_and_read_back() {
    let room = Room::of(TWO_ULTRA);
    let set = |before, after| Action::SetSysctl {
        name: "vm.max_map_count".to_owned(),
        before,
        after,
    };
    assert!(matches!(
        perform(room.machine(), &set(Some(1), 2)),
        Err(StepError::Expectation { .. })
    ));
    let changed = Performed::Changed {
        before: "65530".to_owned(),
        after: "2048000".to_owned(),
    };
    assert_eq!(
        perform(room.machine(), &set(Some(65530), 2_048_000)).unwrap(),
        changed
    );
    assert_eq!(
        perform(room.machine(), &set(Some(65530), 2_048_000)).unwrap(),
        Performed::AlreadyDone
    );
    let timeout = Action::SetDriver {
        name: "control_resp_timeout_s".to_owned(),
        before: Some(60),
        after: 2600,
    };
    assert!(matches!(
        perform(room.machine(), &timeout).unwrap(),
        Performed::Changed { .. }
    ));
    let snapshot = room.probe();
    assert_eq!(
        snapshot.settings.driver["control_resp_timeout_s"].get(),
        Some(&2600)
    );
    assert_eq!(
        snapshot.settings.sysctl["vm.max_map_count"].get(),
        Some(&2_048_000)
    );
    for name in ["../../etc/passwd", "", ".", "kernel/random"] {
        let set = Action::SetSysctl {
            name: name.to_owned(),
            before: None,
            after: 1,
        };
        assert!(
            matches!(
                perform(room.machine(), &set),
                Err(StepError::Expectation { .. })
            ),
            "{name}"
        );
    }
}

#[test]
fn what_is_not_as_expected_is_not_touched() {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    let whole = |action: &Action| {
        let error = perform(room.machine(), action).unwrap_err();
        assert!(matches!(error, StepError::Expectation { .. }), "{error}");
        assert_eq!(room.probe().functions, snapshot.functions, "{error}");
        assert_eq!(room.probe().socs, snapshot.socs, "{error}");
    };
    let port = port(&snapshot, CARD_PORTS[0]);
    let soc = soc(&snapshot, MEMBERS[0]);
    // Another word than planned for; bits that are never cleared; a port wired elsewhere.
    whole(&Action::ClearAcs {
        port: port.clone(),
        before: Word(0x001f),
        mask: Word(0x000c),
    });
    whole(&Action::ClearAcs {
        port: port.clone(),
        before: Word(0x001d),
        mask: Word(0x001d),
    });
    whole(&clear(PortRef {
        path: "0000:20:01.0/00.0".into(),
        ..port.clone()
    }));
    // An upstream port has no ACS; an address may be gone.
    whole(&clear(PortRef {
        address: at("0000:23:00.0"),
        path: "0000:20:01.0/00.0/00.0/00.0".into(),
    }));
    // A SoC with another serial, or at another place.
    for wrong in [
        SocIdentity {
            serial: Some(crd::id::MhiSerial("1".to_owned())),
            ..soc.clone()
        },
        SocIdentity {
            path: snapshot.socs[1].path.clone(),
            ..soc.clone()
        },
        SocIdentity {
            address: at("0000:99:00.0"),
            ..soc.clone()
        },
    ] {
        whole(&Action::Reset {
            scope: ResetScope::SoC,
            socs: vec![wrong],
        });
    }
}

#[test]
fn a_held_soc_is_never_reset() {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    room.server().hold(at(MEMBERS[1]), "python3", 4711).unwrap();
    let reset = |address: &str, scope| Action::Reset {
        scope,
        socs: vec![soc(&snapshot, address)],
    };
    for action in [
        reset(MEMBERS[1], ResetScope::SoC),
        // The whole machine's reset reaches the held one too.
        reset(MEMBERS[0], ResetScope::Host),
        Action::Drain {
            socs: vec![at(MEMBERS[1])],
            workers: Vec::new(),
            timeout_seconds: 30,
        },
        verify(
            &[soc(&snapshot, MEMBERS[0]), soc(&snapshot, MEMBERS[1])],
            &[],
        ),
    ] {
        let error = perform(room.machine(), &action).unwrap_err();
        let StepError::Held { soc, by } = &error else {
            panic!("{error}")
        };
        assert_eq!((*soc, by.as_str()), (at(MEMBERS[1]), "python3 (pid 4711)"));
    }
    assert!(perform(room.machine(), &reset(MEMBERS[0], ResetScope::SoC)).is_ok());
    room.server().release(at(MEMBERS[1])).unwrap();
    let again = reset(MEMBERS[0], ResetScope::SoC);
    room.machine().wait(Duration::from_secs(10));
    let error = perform(room.machine(), &again).unwrap_err();
    assert!(error.to_string().contains("Initializing"), "{error}");
    room.machine().wait(Duration::from_mins(1));
    assert!(perform(room.machine(), &reset(MEMBERS[0], ResetScope::Host)).is_ok());
    let wait = Action::WaitReady {
        socs: MEMBERS.iter().map(|at| soc(&snapshot, at)).collect(),
        timeout_seconds: 900,
    };
    assert_eq!(perform(room.machine(), &wait).unwrap(), Performed::Seen);
}

#[test]
fn a_whole_reset_that_fails_for_one_waits_for_the_others() {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    let fault = format!("reset-fails:{}", MEMBERS[0]);
    room.server().fault(fault.parse().unwrap()).unwrap();
    let action = Action::Reset {
        scope: ResetScope::Host,
        socs: snapshot
            .socs
            .iter()
            .map(|found| soc(&snapshot, &found.address.to_string()))
            .collect(),
    };
    let error = perform(room.machine(), &action).unwrap_err();
    assert!(matches!(error, StepError::ToolFailed { .. }), "{error}");
    for found in room.probe().socs {
        assert_eq!(
            found.status.value,
            Some(SocStatus::Ready),
            "{}",
            found.address
        );
    }
}

#[test]
fn work_is_not_a_machines_business() {
    let room = Room::of(TWO_ULTRA);
    let action = Action::StopWorker {
        worker: "a/b-0".into(),
    };
    assert!(matches!(
        perform(room.machine(), &action),
        Err(StepError::NotOnMachine { .. })
    ));
}
