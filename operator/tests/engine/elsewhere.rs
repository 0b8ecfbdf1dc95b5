//! What is declared for a cluster, on this machine: a model from a volume has no place here, and all else is carried out;
//! the plan of a recording, which may be of a cluster's node, has it built.
use crate::lab::Lab;

/// A laboratory whose model comes from a volume.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.edit(
        "declared/model.yaml",
        "path: tiny",
        "pvc:\n      claim: models\n      path: tiny",
    );
    lab
}

#[test]
fn a_model_from_a_volume_is_a_blocked_goal_and_the_rest_converges() {
    let lab = lab();
    let plan = ["plan", "-f", "declared", "--detailed-exitcode"];
    lab.run("state", &plan).expect(2);
    let applied = lab.run("state", &["apply", "-f", "declared"]).expect(12);
    let said = "ShardedModel/default/tiny takes its model from a volume or a registry, which only a cluster has";
    for told in ["ModelElsewhere", said, "give `path`"] {
        assert!(applied.stdout.contains(told), "{told}: {}", applied.stdout);
    }
    assert!(
        !applied.stdout.contains("program.build"),
        "{}",
        applied.stdout
    );
    let after = lab.run("state", &plan).expect(0);
    assert!(after.stdout.contains("1 goal blocked"), "{}", after.stdout);
}

#[test]
fn a_saved_plan_of_it_is_carried_out_as_it_was_saved() {
    let lab = lab();
    let plan = ["plan", "-f", "declared", "--out", "saved.json"];
    lab.run("state", &plan).expect(0);
    lab.run("state", &["apply", "saved.json"]).expect(12);
}

#[test]
fn the_plan_of_a_recording_has_it_built() {
    let lab = lab();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let planned = lab.plain(&["plan", "-f", "declared", "--snapshot", "one.yaml"]);
    let planned = planned.expect(0).stdout;
    assert!(planned.contains("+  program.build"), "{planned}");
    assert!(!planned.contains("ModelElsewhere"), "{planned}");
}
