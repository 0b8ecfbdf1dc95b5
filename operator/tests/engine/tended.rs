//! Workers are looked after while a step is in hand.
use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use operator::supervise::process;

use crate::{
    lab::Lab,
    supervision::{PATIENCE, Up, workers},
};

/// One that ends while a SoC of another set does not come up comes back meanwhile.
#[test]
fn a_worker_that_ends_beside_a_reset_does_not_wait_for_it() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let fault = "reset-hangs:0000:27:00.0";
    lab.run("state", &["rack", "fault", fault]).expect(0);
    lab.edit("declared/group.yaml", "count: 1", "count: 2");
    // For a quarter of an hour of the rack, which are 22 seconds.
    up.hears("soc.wait        SoC 0000:27:00.0");
    let running = workers(&lab);
    assert_eq!(running.len(), 1, "{running:?}");
    let pid = running[0]["pid"].clone();
    let killed = i32::try_from(pid.as_u64().unwrap()).unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    up.hears("starting it again in 1 s");
    let is_back = || {
        let now = workers(&lab);
        now[0]["state"] == "Ready" && now[0]["pid"] != pid
    };
    assert!(process::wait_for(PATIENCE, is_back), "{:?}", workers(&lab));
    let journal = fs::read_to_string(lab.journal("state")).unwrap();
    assert!(!journal.contains("soc.reset/0000:28"), "the step had ended");
}
