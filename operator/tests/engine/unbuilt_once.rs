//! A model that cannot be built, and a command that ends: `apply` carries out the rest and tells of it last, and `up --ask`
//! ends by it only where that model was asked.
use crate::{lab::Lab, unbuilt};

/// What `apply` leaves on the fixtures' machine.
fn applied() -> crate::lab::Registers {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    lab.registers("state")
}

#[test]
fn apply_carries_out_the_rest_and_ends_with_the_code_of_the_build() {
    let lab = Lab::new();
    std::fs::remove_dir_all(lab.path("declared/tiny")).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(66);
    let warning = "warning: aic-01/program.build/default/tiny: ";
    let at_once = ended.stderr.find(warning).expect("told at once");
    let then = ended.stderr.find("acs.clear").expect("carried out");
    assert!(at_once < then, "{}", ended.stderr);
    let last = ended.stdout.trim_end().lines().last().unwrap();
    assert!(
        last.starts_with("Failed (66): aic-01/program.build/default/tiny: ")
            && last.contains("all else that could be was carried out and verified ("),
        "{last}"
    );
    assert_eq!(lab.registers("state"), applied());
    // The second time nothing but the build is left, and it fails as before.
    let ended = lab.run("state", &["apply", "-f", "declared", "-o", "json"]);
    let said: serde_json::Value = serde_json::from_str(&ended.expect(66).stdout).unwrap();
    assert_eq!(said["exit"]["name"], "missing");
    assert_eq!(said["run"]["steps"], 0);
    let why = said["run"]["why"].as_str().unwrap();
    assert!(why.ends_with("; nothing else was to be done"), "{why}");
    assert_eq!(lab.registers("state"), applied());
}

#[test]
fn apply_builds_the_other_models_and_names_what_else_is_blocked() {
    let lab = unbuilt::lab();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(65);
    let programs = std::fs::read_dir(lab.path("state/programs")).unwrap();
    let built = programs.filter(|entry| entry.as_ref().unwrap().path().join("program").exists());
    assert_eq!(built.count(), 1);
    let why = "Failed (65): aic-01/program.build/default/ailing: ";
    let deferred = "1 worker step for `shardplane up` to carry out.";
    assert!(
        ended.stdout.contains(why) && ended.stdout.contains(deferred),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_step_that_fails_as_well_is_the_worse_and_both_are_told() {
    let lab = unbuilt::lab();
    let fault = "write-ignored:0000:24:00.0";
    lab.run("state", &["rack", "fault", fault]).expect(0);
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    let last = ended.stdout.trim_end().lines().last().unwrap();
    for said in ["acs.clear/0000:24:00.0", "is truncated"] {
        assert!(last.contains(said), "{said}: {last}");
    }
}

#[test]
fn without_the_worker_cards_are_put_right_and_the_model_says_what_it_lacks() {
    let lab = Lab::new();
    std::fs::remove_file(lab.path("bin/shardplane-worker")).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(12);
    let help = "put shardplane-worker beside shardplane or on PATH";
    assert!(ended.stdout.contains(help), "{}", ended.stdout);
    assert_eq!(lab.registers("state"), applied());
    let asked = ["up", "-f", "declared", "--ask", "What?"];
    let ended = lab.run("state", &asked).expect(69);
    assert!(
        ended.stderr.contains("neither beside `shardplane`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_question_ends_by_the_build_of_its_own_model_with_nothing_touched() {
    let lab = unbuilt::lab();
    let untouched = lab.registers("state");
    let ask = ["up", "-f", "declared", "--ask", "What?", "--model"];
    let ended = lab.run("state", &[&ask[..], &["ailing"]].concat());
    let said = ended.expect(65).stderr;
    assert!(
        said.contains("is truncated") && said.contains("; nothing was touched"),
        "{said}"
    );
    assert_eq!(lab.registers("state"), untouched);
}

#[test]
fn a_question_goes_by_the_failed_build_of_another_model() {
    let lab = unbuilt::lab();
    let ask = ["up", "-f", "declared", "--ask", "What?", "--model", "tiny"];
    // The stand-in says that it serves, and answers nothing: that the question came so far is what counts.
    let said = lab.run("state", &ask).expect(69).stderr;
    assert!(
        said.contains("is truncated") && said.contains("worker default/tiny-0 serves on"),
        "{said}"
    );
}

/// The worker knows the model's heads; only the declaration knows where the number stands.
#[test]
fn a_build_that_fails_names_the_line_that_declares_the_shards() {
    let lab = Lab::new();
    std::fs::remove_file(lab.path("bin/shardplane-worker")).unwrap();
    let refusing = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/engine/bin/refusing/shardplane-worker"
    );
    std::os::unix::fs::symlink(refusing, lab.path("bin/shardplane-worker")).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(65);
    assert!(
        ended.stdout.contains("cannot cut the model into 2 shards")
            && ended
                .stdout
                .contains("(`shards: 2` is declared at declared/model.yaml:10)"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_build_that_is_killed_names_the_signal_and_what_is_likely() {
    let lab = Lab::new();
    std::fs::remove_file(lab.path("bin/shardplane-worker")).unwrap();
    let killed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/engine/bin/killed/shardplane-worker"
    );
    std::os::unix::fs::symlink(killed, lab.path("bin/shardplane-worker")).unwrap();
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(69);
    for said in ["SIGKILL", "memory", "40 %", "all else that could be"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
}
