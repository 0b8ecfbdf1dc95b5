//! A program that is not what was built any more: it is built again, by whoever finds that first.
use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;

use crate::{lab::Lab, supervision::Up};

fn built() -> (Lab, PathBuf) {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let programs = fs::read_dir(lab.path("state/programs")).unwrap();
    let mut folders = programs.map(|entry| entry.unwrap().path());
    let program = folders.find(|path| path.is_dir()).unwrap();
    (lab, program.join("program"))
}

fn as_built(program: &Path) -> bool {
    fs::read_to_string(program).is_ok_and(|text| text == "slices\n")
}

#[test]
fn what_is_missing_or_of_another_size_is_built_again() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        |program| fs::write(program, "slic").unwrap(),
        |program| fs::remove_file(program).unwrap(),
        |program| fs::remove_dir_all(program.parent().unwrap()).unwrap(),
    ];
    let (lab, program) = built();
    for damage in damages {
        damage(&program);
        let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
        assert!(lab.run("state", &plan).expect(2).stdout.contains("1 build"));
        lab.run("state", &["apply", "-f", "declared"]).expect(0);
        assert!(as_built(&program));
        lab.run("state", &plan).expect(0);
    }
}

#[test]
fn what_a_worker_cannot_load_is_set_aside_and_built_again() {
    let (lab, program) = built();
    // Of the same length.
    fs::write(&program, "damaged").unwrap();
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("worker default/tiny-0: its program is set aside, and built again");
    up.hears("serves on");
    assert!(as_built(&program));
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
    // Whoever only asks is told what to do.
    fs::write(&program, "damaged").unwrap();
    let ask = ["up", "-f", "declared", "--ask", "what?"];
    let asked = lab.run("state", &ask).expect(65);
    assert!(
        asked.stderr.contains("run the same again"),
        "{}",
        asked.stderr
    );
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(2);
}

/// What is kept of a program can be made again; what is kept of the machine cannot, and nobody goes on without it.
#[test]
fn a_record_of_a_program_is_made_again_and_a_ledger_that_is_gone_stops_every_verb() {
    let (lab, program) = built();
    let record = program.parent().unwrap().with_extension("json");
    fs::write(&record, "{").unwrap();
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    assert!(lab.run("state", &plan).expect(2).stdout.contains("1 build"));
    let ledger = lab.journal("state").with_file_name("ledger.json");
    let kept = fs::read(&ledger).unwrap();
    let registers = lab.registers("state");
    let verbs: [&[&str]; 3] = [&plan, &["apply", "-f", "declared"], &["down"]];
    for (damage, told) in [
        (None, "is gone, and the journal"),
        (Some("{}"), "is damaged"),
    ] {
        fs::remove_file(&ledger).unwrap();
        if let Some(text) = damage {
            fs::write(&ledger, text).unwrap();
        }
        for verb in verbs {
            let said = lab.run("state", verb).expect(66).stderr;
            assert!(said.contains(told) && said.contains("journal"), "{said}");
        }
        fs::write(&ledger, &kept).unwrap();
        assert_eq!(lab.registers("state"), registers);
    }
    lab.run("state", &["down"]).expect(0);
    assert_ne!(lab.registers("state"), registers);
}
