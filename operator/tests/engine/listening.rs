//! A port that a worker cannot have, told in the words of whoever declared it.
use std::fs;

use crate::{lab::Lab, supervision::Up};

/// A laboratory whose model asks for the port that the stand-in worker does not get.
fn lab() -> Lab {
    let lab = Lab::new();
    let model = lab.path("declared/model.yaml");
    let text = fs::read_to_string(&model).unwrap();
    let asks = text.replace("    slots: 1\n", "    slots: 1\n    port: 7979\n");
    assert_ne!(asks, text);
    fs::write(&model, asks).unwrap();
    lab
}

const DECLARED: &str = "spec.serving.port of ShardedModel/default/tiny (declared/model.yaml:16:11)";

#[test]
fn a_port_in_use_is_told_of_the_line_that_declares_it() {
    let lab = lab();
    let asked = ["up", "-f", "declared", "--ask", "hello"];
    let ended = lab.run("asked", &asked).expect(69);
    assert!(
        ended.stderr.contains(DECLARED)
            && ended.stderr.contains("Address already in use")
            && ended.stderr.contains("declare another port")
            && !ended.stderr.contains("--listen"),
        "{}",
        ended.stderr
    );
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears(DECLARED);
    let status = lab.run("state", &["status"]).expect(0);
    assert!(
        status.stdout.contains(DECLARED) && !status.stdout.contains("--listen"),
        "{}",
        status.stdout
    );
}
