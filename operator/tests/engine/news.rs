//! What `up` tells of the machine: what others do to it, never what it does itself.
use crate::{lab::Lab, supervision::Up};

#[test]
fn resets_of_our_own_are_no_news() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    let mut told = up.hears("serves on");
    let resets = lab.registers("state").resets;
    assert!(!resets.is_empty());
    // What a machine tells of comes in its order: whatever the resets had to say stands before this.
    lab.run("state", &["rack", "unplug", "0000:25:00.0"])
        .expect(0);
    told.extend(up.hears("left the bus"));
    let news: Vec<&String> = told
        .iter()
        .filter(|line| line.contains("was reset"))
        .collect();
    assert!(news.is_empty(), "{told:#?}");
}

#[test]
fn a_reset_by_somebody_else_is_news() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    lab.run("state", &["rack", "reset-soc", "0000:25:00.0"])
        .expect(0);
    up.hears("was reset");
}
