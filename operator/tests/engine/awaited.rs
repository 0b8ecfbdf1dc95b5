//! `status --wait`: that the machine is as declared, and what is to run on it and cannot.
use serde_json::Value;

use crate::{lab::Lab, supervision::Up};

/// A model that no declared group fits.
fn with_a_model_without_a_place() -> Lab {
    let lab = Lab::new();
    let model = std::fs::read_to_string(lab.path("declared/model.yaml")).unwrap();
    let wide = model
        .replace("name: tiny", "name: wide")
        .replace("shards: 2", "shards: 4")
        .replace("  groupRef: pair\n", "");
    std::fs::write(lab.path("declared/wide.yaml"), wide).unwrap();
    lab
}

#[test]
fn a_blocked_model_is_told_beside_a_machine_that_is_as_declared() {
    let lab = with_a_model_without_a_place();
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears("serves on");
    let wait = ["status", "--wait", "60"];
    let said = lab.run("state", &wait).expect(0).stdout;
    let blocked = "blocked: ShardedModel/default/wide ";
    let head = "The machine is as declared, but not all that is to run on it:\n  ";
    assert!(said.starts_with(&format!("{head}{blocked}")), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    let json = [&wait[..], &["-o", "json"]].concat();
    let said: Value = serde_json::from_str(&lab.run("state", &json).expect(0).stdout).unwrap();
    assert_eq!(said["asDeclared"], true, "{said}");
    let why = said["troubles"][0]["why"].as_str().unwrap();
    assert!(why.starts_with(blocked), "{why}");
    let said = lab.run("state", &["status"]).expect(0).stdout;
    assert!(
        said.contains(&format!("Came to nothing\n  {blocked}")),
        "{said}"
    );
    // Without it there is nothing more to say.
    std::fs::remove_file(lab.path("declared/wide.yaml")).unwrap();
    up.signal(nix::sys::signal::Signal::SIGHUP);
    up.hears("no longer blocked: ShardedModel/default/wide");
    let said = lab.run("state", &wait).expect(0).stdout;
    assert_eq!(said, "The machine is as declared.\n");
}
