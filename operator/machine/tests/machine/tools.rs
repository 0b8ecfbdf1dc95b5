//! Vendor tools as processes: what is asked of them, in which order, and what is believed of what they say.
use std::fs;

use crd::{
    Unknown,
    snapshot::{HardwareSnapshot, SocStatus},
    step::Action,
};
use machine::{Performed, StepError, perform, probe};

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, known},
    tree::{double, put, whole},
};

const TEXT: &str = "Number of devices queried: 1\nQID 4\n\tStatus:Ready\n\tPCI Address:0000:25:00.0\n\tNsp Total:16\n\tNsp Free:16\n\tDevice Capabilities: HybridBoot+ MDP+\n";
const JSON: &str =
    r#"{"device_info":[{"qid":4,"dev_status":"Ready","sku_type":5,"nsp_total":16,"nsp_free":16}]}"#;

/// A recorded machine with its first SoC alone, whose query tool answers from these files.
fn asked(answers: &[(&str, &str)]) -> (HardwareSnapshot, String) {
    asked_of(&["0000:25:00.0"], answers)
}

/// The same with some of its SoCs.
fn asked_of(there: &[&str], answers: &[(&str, &str)]) -> (HardwareSnapshot, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let room = Room::of(TWO_ULTRA);
    record(&room, root, &<[u8]>::to_vec);
    for soc in room.probe().socs {
        let address = soc.address.to_string();
        if !there.contains(&address.as_str()) {
            fs::remove_file(root.join("sys/bus/pci/devices").join(address)).unwrap();
        }
    }
    double(root, "answers", "opt/qti-aic/tools/qaic-util");
    let answered = "opt/qti-aic/tools/qaic-util.answers";
    put(root, &format!("{answered}/calls"), "");
    for (name, text) in answers {
        put(root, &format!("{answered}/{name}"), text);
    }
    let read = probe(&fixture(root), &known());
    let calls = fs::read_to_string(root.join(answered).join("calls")).unwrap();
    (read, calls)
}

/// What the first SoC shows: state, cores and SKU, and how often the tool was called.
fn check(answers: &[(&str, &str)], expected: (&str, usize)) {
    let (read, calls) = asked(answers);
    assert_eq!(read.socs.len(), 1);
    let soc = &read.socs[0];
    let shown = format!(
        "{:?} {:?} {:?}",
        soc.status.get(),
        soc.cores.get(),
        soc.sku.get().map(|sku| sku.0.as_str())
    );
    assert_eq!(
        (shown.as_str(), calls.lines().count()),
        expected,
        "{answers:?}: {calls}"
    );
}

#[test]
fn json_is_asked_for_and_believed_where_nothing_speaks_against_it() {
    let plain = "Some(Ready) Some(16) None";
    let full = "Some(Ready) Some(16) Some(\"PCIe Ultra\")";
    check(&[("stdout", TEXT), ("json", JSON)], (full, 1));
    check(&[("stdout", TEXT)], (plain, 1));
    check(&[("stdout", TEXT), ("json", "{garbage")], (plain, 1));
    check(
        &[("stdout", TEXT), ("json", JSON), ("status", "7")],
        (plain, 1),
    );
    check(
        &[("stdout", TEXT), ("json", r#"{"device_info":[]}"#)],
        (plain, 1),
    );
    // A version without the flag is asked again without it.
    check(
        &[("stdout", TEXT), ("json", JSON), ("refused", "-j")],
        (plain, 2),
    );
    // So is one that takes the flag for a wish for help, which is no error to it: it is SoCs that are asked for.
    let helpful = [("stdout", TEXT), ("json", JSON), ("helped", "-j")];
    check(&helpful, (plain, 2));
    // Or dies of it, or shows something else: another machine's sample, or some of the SoCs.
    check(&[("stdout", TEXT), ("dies", "-j")], (plain, 2));
    let sample = TEXT.replace("0000:25:00.0", "0000:01:00.0");
    let misread = [("stdout", TEXT), ("misread", "-j"), ("other", &sample)];
    check(&misread, (plain, 2));
    // A file that is too long says nothing against the text.
    let long = format!("{JSON}{}", " ".repeat(3 << 20));
    check(&[("stdout", TEXT), ("json", &long)], (plain, 1));
    check(&[], ("None None None", 2));
    check(&[("status", "255")], ("None None None", 2));
}

#[test]
fn a_key_in_two_spellings_with_two_values_has_none() {
    for (more, known) in [
        (
            "\tDevice capabilities: HybridBoot+ MDP-\n\tSTATUS:Error\n",
            false,
        ),
        (
            "\tdevice_capabilities: hybridboot+ mdp+\n\tSTATUS: Ready\n",
            true,
        ),
    ] {
        let (read, _) = asked(&[("stdout", &format!("{TEXT}{more}"))]);
        let soc = &read.socs[0];
        let shown = (soc.mdp.get().is_some(), soc.status.get().is_some());
        assert_eq!(shown, (known, known), "{more}");
    }
}

/// Whichever call shows more of the SoCs on the bus is the answer, and either where one is in no answer.
#[test]
fn an_answer_shows_every_soc_that_is_there() {
    const BOTH: [&str; 2] = ["0000:25:00.0", "0000:26:00.0"];
    let second = TEXT.replace("QID 4", "QID 5").replace(":25:", ":26:");
    let both = format!("{TEXT}{second}");
    for (few, many, ready, calls) in [
        (TEXT, &both, 2, 2),
        (&*both, &TEXT.to_owned(), 2, 1),
        (TEXT, &TEXT.to_owned(), 1, 2),
    ] {
        let answers = [("stdout", &**many), ("misread", "-j"), ("other", few)];
        let (read, called) = asked_of(&BOTH, &answers);
        let shown = read.socs.iter().filter(|soc| soc.status.get().is_some());
        assert_eq!(
            (shown.count(), called.lines().count()),
            (ready, calls),
            "{called}"
        );
    }
}

#[test]
fn facts_say_which_of_the_two_they_come_from() {
    let (read, _) = asked(&[("stdout", TEXT), ("json", JSON)]);
    let soc = &read.socs[0];
    assert_eq!(soc.cores.source, "qaic-util -q -j 0000:25:00.0: Nsp Total");
    assert_eq!(soc.sku.source, "qaic-util -q -j 0000:25:00.0: Sku Type");
    assert_eq!(
        soc.mdp.source,
        "qaic-util -q 0000:25:00.0: Device Capabilities"
    );
    let other = JSON.replace("Ready", "Error");
    let (read, _) = asked(&[("stdout", TEXT), ("json", &other)]);
    let soc = &read.socs[0];
    assert_eq!(
        soc.status.unknown,
        Some(Unknown::Malformed),
        "they contradict each other"
    );
    assert_ne!(soc.status.get(), Some(&SocStatus::Ready));
}

/// A machine on which nobody listens anywhere.
fn unheard() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(
        folder.path(),
        "proc/1/net/tcp",
        "  sl  local_address rem_address   st\n",
    );
    folder
}

/// Starts qmonitor where its unit is in some state; gives the calls that it took.
fn started(unit: &str) -> (Result<Performed, StepError>, Vec<String>) {
    let folder = unheard();
    let root = folder.path();
    put(root, "bin/unit", unit);
    put(root, "bin/calls", "");
    for tool in ["systemctl", "systemd-run"] {
        double(root, "unit", &format!("bin/{tool}"));
    }
    let done = perform(&fixture(root), &Action::StartQmonitor {});
    let calls = fs::read_to_string(root.join("bin/calls")).unwrap();
    let verb = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (done, calls.lines().map(verb).collect())
}

#[test]
fn qmonitor_is_started_whatever_its_unit_is() {
    let show = "systemctl show";
    let run = "systemd-run --unit=qmonitor-proxy";
    for (unit, calls) in [
        (
            "LoadState=not-found\nActiveState=inactive\n",
            vec![show, run],
        ),
        (
            "LoadState=loaded\nActiveState=failed\nFragmentPath=/run/systemd/transient/qmonitor-proxy.service\n",
            vec![show, "systemctl reset-failed", run],
        ),
        (
            "LoadState=loaded\nActiveState=inactive\nFragmentPath=/etc/systemd/system/qmonitor-proxy.service\n",
            vec![show, "systemctl start"],
        ),
        ("", vec![show, run]),
    ] {
        let (done, made) = started(unit);
        assert!(
            matches!(done, Ok(Performed::Changed { .. })),
            "{unit}: {done:?}"
        );
        assert_eq!(made, calls, "{unit}");
    }
    let (done, made) = started("LoadState=masked\nActiveState=inactive\n");
    assert!(
        matches!(done, Err(StepError::ToolFailed { .. })),
        "{done:?}"
    );
    assert_eq!(made, [show]);
}

/// Words of a tool that it was not permitted are a refusal, as an error number of the system is, and end the wait.
#[test]
fn a_tool_that_was_not_permitted_says_so() {
    let folder = unheard();
    let root = folder.path();
    for (tool, said, status) in [
        ("systemctl", "", "0"),
        (
            "systemd-run",
            "Failed to start transient service unit: Operation not permitted\n",
            "1",
        ),
    ] {
        double(root, "answers", &format!("bin/{tool}"));
        put(root, &format!("bin/{tool}.answers/stdout"), said);
        put(root, &format!("bin/{tool}.answers/status"), status);
    }
    let error = perform(&fixture(root), &Action::StartQmonitor {}).unwrap_err();
    assert!(matches!(error, StepError::ToolRefused { .. }), "{error}");
}

/// The tool that tells versions is asked where the record does not say it, and nowhere else.
#[test]
fn versions_come_from_the_record_first() {
    const XML: &str = "<v><base_version>1.20</base_version><build_id>4</build_id></v>";
    for (record, said, expected, calls) in [
        (Some(XML), "AIC.1.9.0\n", Some("1.20.4"), 0),
        (None, "apps:AIC.1.9.0\n", Some("1.9.0"), 2),
        (None, "AIC.1.9.0\n", Some("1.9.0"), 2),
        (Some("<v/>"), "apps:AIC.1.9.0\n", Some("1.9.0"), 2),
        (None, "platform:AIC.1.9.0\n", None, 2),
        (None, "nonsense\n", None, 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        if let Some(record) = record {
            put(root, "opt/qti-aic/versions/apps.xml", record);
            put(root, "opt/qti-aic/versions/platform.xml", record);
        }
        let tool = "opt/qti-aic/tools/qaic-version-util";
        double(root, "answers", tool);
        put(root, &format!("{tool}.answers/stdout"), said);
        put(root, &format!("{tool}.answers/calls"), "");
        // Both compilers are there: which one is used follows from the version.
        put(root, "opt/qti-aic/exec/qaic-exec", "");
        put(root, "opt/qti-aic/exec/qaic-compile", "");
        let tools = probe(&fixture(root), &known()).tools;
        assert_eq!(
            tools.apps_sdk.get().map(String::as_str),
            expected,
            "{record:?} {said}"
        );
        let made = fs::read_to_string(root.join(format!("{tool}.answers/calls"))).unwrap();
        assert_eq!(made.lines().count(), calls, "{record:?} {said}");
        let program = tools
            .compiler
            .get()
            .map(|compiler| compiler.program.as_str());
        assert_eq!(program, expected.map(|_| "qaic-exec"), "{record:?} {said}");
    }
}

/// Programs that a script would call to learn what the kernel's own files say.
const OTHERS: [&str; 18] = [
    "cat",
    "dmesg",
    "find",
    "fuser",
    "grep",
    "hostname",
    "lsmod",
    "lsof",
    "lspci",
    "modinfo",
    "mokutil",
    "setpci",
    "sh",
    "switchtec",
    "systemctl",
    "systemd-detect-virt",
    "sysctl",
    "uname",
];

/// One process for a whole probe: the vendor's tool, for what it alone can say.
#[test]
fn nothing_is_run_for_what_files_say() {
    let room = Room::example("eight-ultra-two-switches");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    whole(room.machine(), root);
    for program in OTHERS {
        double(root, "answers", &format!("bin/{program}"));
        put(root, &format!("bin/{program}.answers/calls"), "");
    }
    for (folder, program) in [
        ("tools", "qaic-version-util"),
        ("tools", "qaic-monitor-json"),
        ("exec", "qaic-runner"),
    ] {
        let tool = format!("opt/qti-aic/{folder}/{program}");
        double(root, "answers", &tool);
        put(root, &format!("{tool}.answers/calls"), "");
    }
    let read = probe(&fixture(root), &known());
    assert_eq!(read.socs.len(), 32);
    assert!(
        read.socs
            .iter()
            .all(|soc| soc.status.get() == Some(&SocStatus::Ready))
    );
    let mut calls = Vec::new();
    for place in ["bin", "opt/qti-aic/tools", "opt/qti-aic/exec"] {
        for entry in fs::read_dir(root.join(place)).unwrap() {
            let notes = entry.unwrap().path().join("calls");
            calls.extend(
                fs::read_to_string(notes)
                    .unwrap_or_default()
                    .lines()
                    .map(str::to_owned),
            );
        }
    }
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("-q -j "), "{calls:?}");
}

/// A log as long as the outsider's, and longer than any that is read, and words that are no log.
#[test]
fn a_log_of_any_length_costs_nothing_and_an_endless_answer_says_so() {
    const LINE: &str = "[15:58:55.536][error][LogCommon][openDevice:#68] Failed to open device /dev/qaic_aic100_0: Status:Error\n";
    let between = |count: usize| TEXT.replace('\n', &format!("\n{}", LINE.repeat(count)));
    let lines = 30_000 / TEXT.lines().count();
    check(
        &[("stdout", &between(lines))],
        ("Some(Ready) Some(16) None", 1),
    );
    for text in [
        format!("{TEXT}{}", LINE.repeat(200_000)),
        format!("{TEXT}{}", "\tNothing that:is known\n".repeat(100_000)),
    ] {
        let (read, _) = asked(&[("stdout", &text)]);
        for soc in &read.socs {
            assert_eq!(soc.status.unknown, Some(Unknown::TooLong));
        }
    }
}
