//! Whoever talks to an `up` through its control socket, while it is busy, as it ends and after.
use nix::sys::signal::Signal;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

#[test]
fn a_status_beside_an_up_that_does_not_answer_still_names_its_workers() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    let running = workers(&lab);
    up.signal(Signal::SIGSTOP);
    let seen = workers(&lab);
    assert_eq!(seen.len(), 1);
    for field in ["id", "model", "node", "state", "pid"] {
        assert_eq!(seen[0][field], running[0][field], "{field}");
    }
}

#[test]
fn whoever_is_told_that_it_is_over_may_work_here_at_once() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    lab.run("state", &["down"]).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
}

#[test]
fn a_down_whose_up_dies_before_it_begins_puts_the_machine_back_itself() {
    let lab = Lab::new();
    let before = lab.registers("state");
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    up.signal(Signal::SIGSTOP);
    let mut down = Up::start(&lab, &["down"]);
    down.hears("waiting for `shardplane up`");
    up.signal(Signal::SIGKILL);
    assert_eq!(down.ends().code(), Some(0));
    assert_eq!(lab.registers("state").words, before.words);
}
