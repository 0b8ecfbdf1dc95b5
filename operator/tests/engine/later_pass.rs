//! A stop in a pass of `up` after the first.
use nix::sys::signal::Signal;

use crate::{lab::Lab, supervision::Up};

/// What drifted is being put right: whoever stops that in the middle is told that steps are left, as in the first pass.
#[test]
fn a_stop_in_the_middle_of_a_later_pass_is_told() {
    let lab = Lab::new();
    let mut up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    up.signal(Signal::SIGSTOP);
    for soc in ["0000:25:00.0", "0000:26:00.0"] {
        let mdp = format!("{soc}/mdp");
        lab.run("state", &["rack", "set", &mdp, "off"]).expect(0);
    }
    up.signal(Signal::SIGCONT);
    up.hears("  soc.wait");
    up.signal(Signal::SIGTERM);
    up.hears("run again to go on");
    assert_eq!(up.ends().code(), Some(20));
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
}
