//! A build and whoever waits for it: one does not outlive the other.
use std::fs;

use nix::sys::signal::Signal;
use operator::supervise::process;

use crate::{
    lab::Lab,
    supervision::{PATIENCE, Up},
};

#[test]
fn a_build_ends_with_the_up_that_waits_for_it_however_that_ends() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let lab = Lab::new();
        // The stand-in works on this one for as long as its standard input is open.
        lab.edit("declared/tiny/config.json", "{", "{ \"endless\": true, ");
        let pid = lab.path("building");
        let mut up = Up::start(&lab, &["up", "-f", "declared"]);
        let begun = || fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'));
        assert!(
            process::wait_for(PATIENCE, begun),
            "{signal}: it never began"
        );
        let builder: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let builder = process::identity(builder).unwrap();
        up.signal(signal);
        up.ends();
        let ended = process::wait_for(PATIENCE, || !process::is_alive(&builder));
        assert!(ended, "{signal}: the builder outlived its `up`");
    }
}
