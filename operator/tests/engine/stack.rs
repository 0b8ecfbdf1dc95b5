//! A main thread with next to no stack, as `ulimit -s` or a service's limits leave it.
use std::process::{Command, Stdio};

use crate::lab::{Lab, ended};

#[test]
fn a_small_stack_is_enough_for_every_verb() {
    let lab = Lab::new();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["frobnicate"], 64),
        (
            &[
                "plan",
                "-f",
                "declared",
                "--rack",
                "rack.yaml",
                "--state-dir",
                "state",
            ],
            0,
        ),
    ] {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test starts the command that it tests"
        )]
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "ulimit -s 128 && exec \"$@\"", "sh"])
            .arg(lab.path("bin/shardplane"))
            .args(arguments)
            .current_dir(lab.path(""))
            .env_clear()
            .stdin(Stdio::null());
        ended(shell).expect(code);
    }
}
