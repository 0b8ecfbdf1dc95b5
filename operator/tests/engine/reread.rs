//! What `up` reads again, and what of it is an order.
use std::fs;

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

/// A file is empty for a moment where somebody writes it anew, and for longer on a full disk.
#[test]
fn nothing_at_all_is_no_order_to_take_everything_back() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let as_declared = lab.registers("state");
    let declared = ["group.yaml", "model.yaml", "policy.yaml"].map(|file| {
        let path = lab.path("declared").join(file);
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    });
    for (path, _) in &declared {
        fs::write(path, "").unwrap();
    }
    up.hears("nothing is declared any more");
    assert_eq!(lab.registers("state"), as_declared);
    assert_eq!(workers(&lab).len(), 1);
    for (path, text) in &declared {
        fs::write(path, text).unwrap();
    }
    up.hears("what is declared is valid again");
    assert_eq!(lab.registers("state"), as_declared);
    lab.run("state", &["down"]).expect(0);
}

/// Whoever waits means what is declared when they ask, long before the next look.
#[test]
fn whoever_waits_after_an_edit_waits_for_that_edit() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "3600"]);
    up.hears("serves on");
    let policy = lab.path("declared/policy.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let edited = text.replace("maxMapCount: 2048000", "maxMapCount: 2048001");
    assert_ne!(edited, text);
    std::fs::write(&policy, edited).unwrap();
    lab.run("state", &["status", "--wait", "60"]).expect(0);
    assert_eq!(lab.registers("state").words["vm.max_map_count"], "2048001");
}
