//! A terminal that goes away during `apply`: a stop between two steps, not an end in the middle of one.
use std::{
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::{
    lab::{Lab, ended},
    left_alone::fault,
    supervision::Up,
};

/// A laboratory whose build hangs up on whoever started it, and then goes on for ever.
fn lab() -> Lab {
    let lab = Lab::new();
    std::fs::remove_file(lab.path("bin/shardplane-worker")).unwrap();
    let worker = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/engine/bin/hangup/shardplane-worker"
    );
    symlink(worker, lab.path("bin/shardplane-worker")).unwrap();
    lab
}

#[test]
fn a_hangup_stops_apply_as_a_termination_does() {
    let lab = lab();
    let apply = lab.command(&["apply", "-f", "declared"], "state");
    // Whoever runs the tests under nohup would have us ignore what the test sends.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the command that it tests"
    )]
    let mut command = Command::new("/usr/bin/env");
    command
        .arg("--default-signal=HUP")
        .arg(apply.get_program())
        .args(apply.get_args())
        .current_dir(lab.path(""))
        .env_clear()
        // The double's `tail` is looked up.
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    let ended = ended(command).expect(143);
    assert!(ended.stdout.contains("stopped"), "{}", ended.stdout);
    let fresh = Lab::new();
    assert_eq!(lab.registers("state"), fresh.registers("state"));
}

/// In a session of its own `up` has no terminal, whoever runs the tests: SIGHUP ends the pause of what failed, and its words
/// say so.
#[test]
fn without_a_terminal_a_hangup_ends_the_pause_of_what_failed() {
    let lab = Lab::new();
    lab.speed_up(1000);
    fault(&lab, "setting-forbidden:vm.max_map_count");
    let up = lab.command(&["up", "-f", "declared", "--interval", "300"], "state");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the command that it tests"
    )]
    let mut command = Command::new("/usr/bin/setsid");
    command
        .args(["/usr/bin/env", "--default-signal=HUP"])
        .arg(up.get_program())
        .args(up.get_args())
        .current_dir(lab.path(""))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let up = Up::of(command.spawn().unwrap());
    up.hears("serves on");
    let plan = lab.run("state", &["status", "-o", "json"]).expect(0);
    assert!(plan.stdout.contains("vm.max_map_count"), "{}", plan.stdout);
    lab.run("state", &["rack", "fault", "--clear"]).expect(0);
    up.signal(Signal::SIGHUP);
    up.hears("up: reading again what is declared");
    up.hears("sysctl.set");
}
