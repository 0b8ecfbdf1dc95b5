//! Verbs that only look: they write nothing, wait for no lock, and say what they find.
use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

use crate::lab::Lab;

/// Every verb that only looks.
const LOOKS: [&[&str]; 5] = [
    &["plan", "-f", "declared"],
    &["status"],
    &["snapshot"],
    &["probe"],
    &["rack", "show"],
];

/// Every file and folder below one, with what changes when it is written or made anew.
fn tree(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::metadata(&path).unwrap();
        if meta.is_dir() {
            found.extend(tree(&path));
        }
        let stamp = (meta.ino(), meta.mtime(), meta.mtime_nsec());
        found.insert(path.display().to_string(), stamp);
    }
    found
}

#[test]
fn looking_needs_no_lock_and_leaves_no_trace() {
    let lab = Lab::new();
    for verb in LOOKS {
        lab.run("state", verb).expect(0);
        assert!(
            !lab.path("state").exists(),
            "{verb:?} made a state directory"
        );
    }
    let fresh = lab.run("state", &["snapshot"]).expect(0).stdout;
    lab.run("state", &["rack", "set", "vm.max_map_count", "65530"])
        .expect(0);
    assert_eq!(lab.run("state", &["snapshot"]).expect(0).stdout, fresh);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let lock = fs::File::open(lab.path("state/lab/aic-01/rack/rack.lock")).unwrap();
    lock.try_lock().unwrap();
    let before = tree(&lab.path("state"));
    for verb in LOOKS {
        lab.run("state", verb).expect(0);
        assert_eq!(tree(&lab.path("state")), before, "{verb:?}");
    }
    let readable = fs::metadata(lab.path("state/lab/aic-01/rack/registers.json")).unwrap();
    let ledger = fs::metadata(lab.path("state/lab/aic-01/ledger.json")).unwrap();
    let folder = fs::File::create(lab.path("plain")).unwrap();
    let usual = folder.metadata().unwrap().mode();
    assert_eq!((readable.mode(), ledger.mode()), (usual, usual));
}

#[test]
fn a_result_that_cannot_be_printed_is_told() {
    let lab = Lab::new();
    let untouched = lab.registers("state");
    let declared: &[&str] = &[
        "plan",
        "-f",
        "declared",
        "--detailed-exitcode",
        "-o",
        "json",
    ];
    let apply: &[&str] = &["apply", "-f", "declared"];
    for verb in LOOKS.into_iter().chain([declared, apply, &["--help"]]) {
        let mut command = lab.command(verb, "state");
        if verb == ["--help"] {
            command = lab.command(&["plan", "--help"], "state");
        }
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(73), "{verb:?}: {said}");
        assert_eq!(
            said.matches("standard output: No space left").count(),
            1,
            "{verb:?}: {said}"
        );
    }
    assert_eq!(lab.registers("state"), untouched);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = lab
        .command(declared, "state")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_is_damaged_is_told_by_plan_as_by_status() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let ledger = lab.path("state/lab/aic-01/ledger.json");
    for (file, from, to) in [
        (lab.journal("state"), "intent", "intemt"),
        (ledger, "0x001d", "0x001c"),
    ] {
        let whole = fs::read_to_string(&file).unwrap();
        assert!(whole.contains(from), "{whole}");
        fs::write(&file, whole.replacen(from, to, 1)).unwrap();
        for verb in [&["plan", "-f", "declared"][..], &["status"]] {
            let said = lab.run("state", verb).expect(66).stderr;
            assert!(said.contains("damaged"), "{said}");
        }
        fs::write(&file, whole).unwrap();
        lab.run("state", &["plan", "-f", "declared"]).expect(0);
    }
}
