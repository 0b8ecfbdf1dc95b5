//! Writes of registers and settings that a rack lets fail, each in its own way, and what a step makes of it.
use crd::{id::Word, step::Action};
use machine::{Performed, StepError, perform};

use crate::{
    faults::{PORT, clear, room},
    room::{Room, TWO_ULTRA, at, port},
};

#[test]
fn writes_that_fail() {
    let ignored = room("write-ignored:0000:24:00.0");
    let error = perform(ignored.machine(), &clear(&ignored)).unwrap_err();
    let StepError::WriteIgnored { wanted, found, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((wanted, found), (Word(0x0011), Word(0x001d)));
    // Half a change is taken back, because nobody's ledger would know of it.
    let partial = room("write-partial:0000:24:00.0");
    let idle = "tool-idle:switchtec".parse().unwrap();
    partial.server().fault(idle).unwrap();
    let before = partial.probe();
    let error = perform(partial.machine(), &clear(&partial)).unwrap_err();
    let StepError::WritePartial { found, left, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((found, left), (Word(0x0019), Word(0x001d)));
    assert_eq!(partial.probe().functions, before.functions);
    let room = room("write-refused:0000:24:00.0");
    let error = perform(room.machine(), &clear(&room)).unwrap_err();
    let StepError::Write(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.source.raw_os_error(), Some(5));
}

/// A write that took and cannot be looked at is no expectation that failed: something was touched.
#[test]
fn writes_that_cannot_be_read_back() {
    for (fault, action) in [
        (PORT, None),
        (
            "vm.max_map_count",
            Some(Action::SetSysctl {
                name: "vm.max_map_count".to_owned(),
                before: Some(65_530),
                after: 262_144,
            }),
        ),
    ] {
        let room = room(&format!("lost-once-written:{fault}"));
        let action = action.unwrap_or_else(|| clear(&room));
        let error = perform(room.machine(), &action).unwrap_err();
        assert!(
            matches!(error, StepError::Unseen { .. }) && error.may_have_touched(),
            "{error:?}"
        );
        // Now the first look fails, and nothing is touched.
        let error = perform(room.machine(), &action).unwrap_err();
        assert!(!error.may_have_touched(), "{error:?}");
        room.server().clear_faults(None).unwrap();
        let done = perform(room.machine(), &action).unwrap();
        assert_eq!(done, Performed::AlreadyDone, "{fault}");
    }
}

/// Firmware that drops configuration writes is got round on a card's own switch, and nowhere else.
#[test]
fn dropped_writes_have_another_way() {
    for tool in [None, Some("tool-ends-badly:switchtec")] {
        let card = room("config-writes-dropped:0000:24:00.0");
        if let Some(tool) = tool {
            card.server().fault(tool.parse().unwrap()).unwrap();
        }
        let before = card.probe();
        // However the tool ends, the register says what became of it.
        let done = perform(card.machine(), &clear(&card)).unwrap();
        let changed = Performed::Changed {
            before: "0x001d".to_owned(),
            after: "0x0011".to_owned(),
        };
        assert_eq!(done, changed, "{tool:?}");
        let after = card.probe();
        for (was, is) in before.functions.iter().zip(&after.functions) {
            assert_eq!(was == is, is.address != at(PORT), "{}", is.address);
        }
    }
    let host = room("config-writes-dropped:0000:22:00.0");
    let action = Action::ClearAcs {
        port: port(&host.probe(), "0000:22:00.0"),
        before: Word(0x001d),
        mask: Word(0x000c),
    };
    let error = perform(host.machine(), &action).unwrap_err();
    assert!(matches!(error, StepError::WriteIgnored { .. }), "{error}");
}

/// Where that way is meant and its tool is not there, the tool is named; elsewhere it would not help.
#[test]
fn dropped_writes_ask_for_the_tool_of_the_other_way() {
    let server = "    - name: aic-01\n";
    for (fault, named) in [
        ("config-writes-dropped:0000:24:00.0", true),
        ("write-ignored:0000:24:00.0", true),
        ("config-writes-dropped:0000:22:00.0", false),
    ] {
        let lacking = format!("{server}      sdk: {{ missing: [switchtec] }}\n");
        let room = Room::of(&TWO_ULTRA.replace(server, &lacking));
        room.server().fault(fault.parse().unwrap()).unwrap();
        let port_at = fault.split_once(':').unwrap().1;
        let action = Action::ClearAcs {
            port: port(&room.probe(), port_at),
            before: Word(0x001d),
            mask: Word(0x000c),
        };
        let error = perform(room.machine(), &action).unwrap_err();
        let said = error.to_string();
        assert_eq!(said.contains("install switchtec-user"), named, "{said}");
        assert!(said.contains("drop configuration writes"), "{said}");
    }
}
