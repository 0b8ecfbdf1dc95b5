//! Partitioning requests that may have been taken: by the SoC that was meant, whatever their tool said, and by others where QIDs
//! moved meanwhile.
use crd::{
    id::PciAddress,
    step::{Action, MdpSetting},
};
use machine::{StepError, perform};

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, at, soc},
    tree::{double, put},
};

/// Who else may have taken a request to `asked` for what it has not, of the first card's four SoCs with QIDs 0 to 3.
fn check(leaving: &[&str], partitioned: &[&str], asked: &str, expected: &[&str]) {
    for badly in [false, true] {
        let room = Room::of(TWO_ULTRA);
        let machine = room.machine();
        perform(machine, &Action::StartQmonitor {}).unwrap();
        for soc in partitioned {
            room.server().set(&format!("{soc}/mdp"), "on").unwrap();
        }
        let request = Action::RequestMdp {
            soc: soc(&room.probe(), asked),
            enable: MdpSetting::On,
        };
        let ends = badly.then_some("tool-ends-badly:qaic-monitor-json".to_owned());
        let leave = leaving.iter().map(|soc| format!("leaves-when-asked:{soc}"));
        for fault in leave.chain(ends) {
            room.server().fault(fault.parse().unwrap()).unwrap();
        }
        let told = perform(machine, &request);
        let Err(error) = told else {
            assert!(expected.is_empty() && !badly, "{leaving:?} {asked}");
            continue;
        };
        let others: Vec<PciAddress> = expected.iter().map(|soc| at(soc)).collect();
        assert_eq!(error.takers(), others, "{leaving:?} {asked}: {error}");
        assert!(error.may_have_touched(), "{error}");
        for soc in expected {
            assert!(error.to_string().contains(soc), "{error}");
        }
    }
}

#[test]
fn whoever_had_the_number_of_another_may_have_taken_its_request() {
    const FIRST: [&str; 4] = [
        "0000:25:00.0",
        "0000:26:00.0",
        "0000:27:00.0",
        "0000:28:00.0",
    ];
    let [zero, one, two, three] = FIRST;
    check(&[], &[], one, &[]);
    // It left itself, or one before it: the next one has its number.
    check(&[one], &[], one, &[two]);
    check(&[zero], &[], one, &[two]);
    // Two before it: the next two had it, one after the other.
    check(&[zero, one], &[], two, &[three, "0000:2b:00.0"]);
    // Those behind it change nobody's number up to it.
    check(&[two, three], &[], one, &[]);
    // Who has what was asked for takes nothing up.
    check(&[zero], &[two], one, &[]);
}

/// What the tool says of its request, how it ends, and whether the request may have been taken.
#[test]
fn a_refusal_of_something_else_is_none_of_the_request() {
    for (said, status, taken) in [
        ("setpriority: Operation not permitted\n", "1", true),
        ("Operation not permitted\n", "1", true),
        (
            "ld.so: warning: cannot open cache: Permission denied\n",
            "1",
            true,
        ),
        ("Error: must be root\n", "0", true),
        ("Error: must be root\n", "1", false),
        ("Permission denied: must be root\n", "1", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let room = Room::of(TWO_ULTRA);
        record(&room, root, &<[u8]>::to_vec);
        let listens = "   0: 00000000:F408 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1 0 100 0 0 10 0\n";
        put(root, "proc/1/net/tcp", format!("sl\n{listens}"));
        let block = "QID 0\n\tStatus:Ready\n\tPCI Address:0000:25:00.0\n";
        let tools = [
            ("qaic-util", block, "0"),
            ("qaic-monitor-json", said, status),
        ];
        for (tool, text, status) in tools {
            let tool = format!("opt/qti-aic/tools/{tool}");
            double(root, "answers", &tool);
            put(root, &format!("{tool}.answers/stdout"), text);
            put(root, &format!("{tool}.answers/status"), status);
        }
        let request = Action::RequestMdp {
            soc: soc(
                &machine::probe(&fixture(root), &crate::room::known()),
                "0000:25:00.0",
            ),
            enable: MdpSetting::On,
        };
        let error = perform(&fixture(root), &request).unwrap_err();
        assert_eq!(error.may_have_touched(), taken, "{said}: {error}");
        let refused = matches!(error, StepError::ToolRefused { .. });
        assert_eq!(refused, said.contains("root") && !taken, "{said}: {error}");
    }
}
