//! Programs that nobody sees, and cores of a SoC that are in use: what tells of them is believed, and where it cannot be read the
//! SoC is not reset.
use std::fs;

use crd::{
    kind::ResetScope,
    snapshot::{HardwareSnapshot, Holder},
    step::Action,
};
use machine::{StepError, perform, probe};

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, known, soc},
    tree::{double, put},
};

const SOC: &str = "0000:25:00.0";

/// Whether a SoC of which the tool prints these lines is reset, whatever else is known of it.
fn is_reset(lines: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let room = Room::of(TWO_ULTRA);
    record(&room, root, &<[u8]>::to_vec);
    for soc in room.probe().socs.iter().skip(1) {
        let link = format!("sys/bus/pci/devices/{}", soc.address);
        fs::remove_file(root.join(link)).unwrap();
    }
    let text = format!("QID 0\n\tStatus:Ready\n\tPCI Address:{SOC}\n{lines}");
    double(root, "answers", "opt/qti-aic/tools/qaic-util");
    let answers = "opt/qti-aic/tools/qaic-util.answers";
    put(root, &format!("{answers}/misread"), "-s");
    put(root, &format!("{answers}/other"), format!("{SOC} failed\n"));
    put(root, &format!("{answers}/stdout"), text);
    let read: HardwareSnapshot = probe(&fixture(root), &known());
    assert_eq!(read.holders, [] as [Holder; 0]);
    let reset = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&read, SOC)],
    };
    let held = matches!(perform(&fixture(root), &reset), Err(StepError::Held { .. }));
    let calls = fs::read_to_string(root.join(answers).join("calls")).unwrap();
    let asked = calls.lines().any(|call| call.starts_with("-s"));
    assert_ne!(asked, held, "{lines}");
    asked
}

#[test]
fn a_soc_is_reset_only_where_no_core_may_be_in_use() {
    for (lines, expected) in [
        ("\tNsp Total:16\n\tNsp Free:16\n", true),
        ("\tNsp Total:16\n", true),
        ("", true),
        ("\tNsp Total:16\n\tNsp Free:0\n", false),
        // Two values, no value, another SoC's perhaps.
        (
            "Peer:\n\tNsp Free:16\n\tNsp Total:16\n\tNsp Free:0\n",
            false,
        ),
        ("\tNsp Total:16\n\tNsp Free:many\n", false),
        ("\tNsp Total:16\n\tNsp Free:17\n", false),
        ("\tNsp Total:16\n\tNsp Free:16\n\tQID 1\n", false),
    ] {
        assert_eq!(is_reset(lines), expected, "{lines}");
    }
}
