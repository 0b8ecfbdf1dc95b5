//! A process without rights: the system's refusal is 77 and says what to do, and nothing is touched.
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread};

use crd::step::Action;
use machine::{Machine, Roots, perform};
use nix::unistd::{Uid, setfsuid};
use operator::{
    exit::Exit,
    failure::{Failure, untouched},
    state::{EngineLock, Journal, LockHolder, StateDir},
};

use crate::{
    lab::Lab,
    left_alone::{comes_to_read, edit, fault, planned, two_cards},
    supervision::Up,
};

/// Runs `work` as somebody whom file modes stop; root alone would walk through them.
fn without_rights<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let alone = scope.spawn(|| {
            // Of this thread only, and gone with it.
            setfsuid(Uid::from_raw(65_534));
            work()
        });
        alone.join().unwrap()
    })
}

fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn check(failure: impl Into<Failure>) {
    let failure = failure.into();
    assert_eq!(failure.exit(), Exit::NoPermission, "{}", failure.chain());
    assert!(
        failure.hint().contains("--state-dir"),
        "{}",
        failure.chain()
    );
}

#[test]
fn a_machine_that_refuses_writes_is_77_and_untouched() {
    let lab = Lab::new();
    let rack = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    let plain = rack.replace(
        "- name: aic-01",
        "- name: aic-01\n      host: { access: Unprivileged }",
    );
    fs::write(lab.path("rack.yaml"), plain).unwrap();
    let before = lab.registers("state");
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(2);
    for on_failure in ["Halt", "Compensate"] {
        let policy = fs::read_to_string(lab.path("declared/policy.yaml")).unwrap();
        let asked = format!("{policy}  onFailure: {on_failure}\n");
        fs::write(lab.path("declared/policy.yaml"), asked).unwrap();
        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(77);
        for said in ["Permission denied", "nothing was touched", "only root"] {
            assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
        }
        assert_eq!(lab.registers("state"), before);
        fs::write(lab.path("declared/policy.yaml"), policy).unwrap();
    }
}

#[test]
fn a_kernel_that_refuses_writes_is_told_from_one_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let vm = folder.path().join("proc/sys/vm");
    fs::create_dir_all(&vm).unwrap();
    let setting = vm.join("max_map_count");
    fs::write(&setting, "65530\n").unwrap();
    close(folder.path(), 0o755);
    let machine = Machine::linux(Roots {
        proc: folder.path().join("proc"),
        ..Roots::default()
    });
    let set = |name: &str| {
        let action = Action::SetSysctl {
            name: name.to_owned(),
            before: None,
            after: 1,
        };
        without_rights(|| untouched(&perform(&machine, &action).unwrap_err()))
    };
    close(&setting, 0o444);
    assert_eq!(set("vm.max_map_count"), Some(Exit::NoPermission));
    assert_eq!(fs::read_to_string(&setting).unwrap(), "65530\n");
    assert_eq!(set("vm.no_such_setting"), None);
}

#[test]
fn a_state_folder_that_cannot_be_written_is_77() {
    let lab = Lab::new();
    let root = lab.path("state");
    fs::create_dir(&root).unwrap();
    close(&root, 0o555);
    let state = StateDir::new(&root, "lab");
    check(without_rights(|| state.make()).unwrap_err());
    let me = LockHolder {
        verb: "apply".to_owned(),
        pid: 1,
        since: String::new(),
    };
    check(without_rights(|| EngineLock::take(&root, &me)).unwrap_err());
    check(without_rights(|| Journal::open(&root.join("journal"))).unwrap_err());
}

/// Keeps the declared machine without its model.
fn cards_alone(lab: &Lab) {
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
}

#[test]
fn one_port_that_refuses_writes_is_left_alone_and_the_rest_goes_on() {
    let lab = two_cards();
    let ports = planned(&lab, "acs.clear");
    let (closed, elsewhere) = (&ports[0], ports.last().unwrap());
    fault(&lab, &format!("write-forbidden:{closed}"));
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("Operation not permitted");
    up.hears("; trying again in 1 s");
    up.hears("(StepFailed)");
    up.hears("serves on");
    comes_to_read(&lab, elsewhere, "0x0011");
    comes_to_read(&lab, "vm.max_map_count", "2048000");
    // Drift elsewhere is still put right.
    lab.run(
        "state",
        &["rack", "set", &format!("{elsewhere}/acs"), "0x001d"],
    )
    .expect(0);
    comes_to_read(&lab, elsewhere, "0x0011");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    comes_to_read(&lab, closed, "0x0011");
    up.hears("no longer blocked");
    up.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(up.ends().code(), Some(0));
}

#[test]
fn one_setting_that_refuses_writes_is_left_alone_and_the_rest_goes_on() {
    let lab = two_cards();
    cards_alone(&lab);
    let port = planned(&lab, "acs.clear").remove(0);
    fault(&lab, "setting-forbidden:vm.max_map_count");
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("Read-only file system");
    comes_to_read(&lab, &port, "0x0011");
    comes_to_read(&lab, "control_resp_timeout_s", "2600");
    up.hears("(StepFailed)");
    drop(up);
    // Started anew it has everything else to keep, and stays for that.
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("up: staying");
    lab.run("state", &["rack", "set", &format!("{port}/acs"), "0x001d"])
        .expect(0);
    comes_to_read(&lab, &port, "0x0011");
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    comes_to_read(&lab, "vm.max_map_count", "2048000");
}

#[test]
fn up_that_may_change_nothing_at_all_ends_with_77() {
    let lab = Lab::new();
    edit(
        &lab.path("rack.yaml"),
        "- name: aic-01",
        "- name: aic-01\n      host: { access: Unprivileged }",
    );
    let before = lab.registers("state");
    let up = ["up", "-f", "declared", "--interval", "1"];
    for with in ["a model", "cards alone"] {
        if with == "cards alone" {
            cards_alone(&lab);
        }
        let ended = lab.run("state", &up).expect(77);
        assert!(
            ended.stderr.contains("all that was tried was refused"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("only root"), "{}", ended.stderr);
    }
    assert_eq!(lab.registers("state"), before);
}
