//! What is declared, against a real Kubernetes API server: started here on loopback, and driven by kubectl.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

mod answer;
mod assets;
mod control_plane;
mod corpus;
mod definitions;
mod kubectl;

use assets::Found;
use control_plane::ControlPlane;

/// Says what is wrong; nothing where all is well.
type Scenario = fn(&ControlPlane) -> Vec<String>;

/// Runs every scenario against one minor, and says what differed in all of them.
fn hold(minor: &str) {
    let assets = match assets::find(minor) {
        Found::Here(assets) => assets,
        Found::Nowhere(why) => return assets::skip(minor, &why),
    };
    let scenarios: &[(&str, Scenario)] = &[
        ("definitions", definitions::are_taken),
        ("valid documents", corpus::valid_documents_are_taken),
        (
            "invalid documents",
            corpus::invalid_documents_give_the_same_answer,
        ),
        // After the corpus, whose objects may have the same names.
        ("quickstart", corpus::quickstart_is_taken),
        ("printed columns", definitions::print_their_columns),
    ];
    let plane = ControlPlane::start(&assets);
    let mut wrong = Vec::new();
    for (name, scenario) in scenarios {
        wrong.extend(
            scenario(&plane)
                .into_iter()
                .map(|what| format!("{name}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{minor}:\n{}", wrong.join("\n"));
}

#[test]
fn kubernetes_1_37_and_our_own_checks_agree() {
    hold("1.37");
}

#[test]
fn kubernetes_1_34_and_our_own_checks_agree() {
    hold("1.34");
}
