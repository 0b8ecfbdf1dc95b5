//! Several servers: canaries first, and how far a rollout goes after a failure.
use std::fs;

use crate::{lab::Lab, supervision::Up};

/// The first divergence port of the pair on every server.
const PORT: &str = "0000:24:00.0";

/// Three equal servers, the last of them a canary, under a policy with this rollout.
fn servers(rollout: &str) -> Lab {
    let lab = Lab::new();
    let rack = lab.path("rack.yaml");
    let text = fs::read_to_string(&rack).unwrap();
    let (head, server) = text.split_once("    - name: aic-01\n").unwrap();
    let of = |name: &str, labels: &str| format!("    - name: {name}\n{labels}{server}");
    let text = [
        head.to_owned(),
        of("aic-01", ""),
        of("aic-02", ""),
        of("aic-03", "      labels: { stage: canary }\n"),
    ];
    fs::write(&rack, text.concat()).unwrap();
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{text}  rollout: {rollout}\n")).unwrap();
    lab
}

fn fail(lab: &Lab, node: &str) {
    let fault = format!("write-ignored:{PORT}");
    lab.run("state", &["rack", "fault", "--node", node, &fault])
        .expect(0);
}

/// Whether a node's journal says that a run began there.
fn begun(lab: &Lab, node: &str) -> bool {
    let journal = lab.path("state/lab").join(node).join("journal");
    fs::read(journal).is_ok_and(|bytes| !bytes.is_empty())
}

#[test]
fn a_failed_canary_leaves_the_others_untouched_and_says_why() {
    let lab = servers("{ canary: { matchLabels: { stage: canary } }, failureThreshold: 3 }");
    let plan = lab
        .run("state", &["plan", "-f", "declared"])
        .expect(0)
        .stdout;
    let order =
        "Order: aic-03 (canary), aic-01, aic-02; stops at a failed canary, or 3 failed nodes.";
    assert!(plan.contains(order), "{plan}");
    let places = ["Node aic-03", "Node aic-01", "Node aic-02"].map(|node| plan.find(node).unwrap());
    assert!(places.is_sorted(), "{plan}");

    fail(&lab, "aic-03");
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    let why = ended.stdout.lines().last().unwrap();
    assert!(
        why.contains(PORT)
            && why.ends_with("; aic-03 is a canary, so aic-01 and aic-02 were not begun"),
        "{why}"
    );
    assert!(begun(&lab, "aic-03") && !begun(&lab, "aic-01") && !begun(&lab, "aic-02"));

    lab.run("state", &["rack", "fault", "--node", "aic-03", "--clear"])
        .expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert!(begun(&lab, "aic-01") && begun(&lab, "aic-02"));
}

#[test]
fn a_threshold_of_two_goes_on_after_one_failed_node() {
    let lab = servers("{ failureThreshold: 2 }");
    fail(&lab, "aic-01");
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    assert!(
        ended.stderr.contains("going on with the next node"),
        "{}",
        ended.stderr
    );
    let plan = ["plan", "-f", "declared", "--detailed-exitcode", "--node"];
    for (node, code) in [("aic-01", 2), ("aic-02", 0), ("aic-03", 0)] {
        lab.run("state", &[&plan[..], &[node]].concat())
            .expect(code);
    }
}

#[test]
fn the_second_failure_reaches_a_threshold_of_two() {
    let lab = servers("{ failureThreshold: 2 }");
    fail(&lab, "aic-01");
    fail(&lab, "aic-02");
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(22);
    let why = ended.stdout.lines().last().unwrap();
    assert!(
        why.ends_with("; the rollout stops at 2 failed nodes, so aic-03 was not begun"),
        "{why}"
    );
    assert!(begun(&lab, "aic-02") && !begun(&lab, "aic-03"));
}

#[test]
fn a_canary_that_stays_broken_holds_the_others_in_every_later_run() {
    let lab = servers("{ canary: { matchLabels: { stage: canary } }, failureThreshold: 3 }");
    let hangs = [
        "rack",
        "fault",
        "--node",
        "aic-03",
        "reset-hangs:0000:25:00.0",
    ];
    lab.run("state", &hangs).expect(0);
    lab.run("state", &["apply", "-f", "declared"]).expect(22);
    // What can still be done on the canary is; that alone counts as a change.
    let asked = ["plan", "-f", "declared", "--detailed-exitcode"];
    let plan = lab.run("state", &asked).expect(2).stdout;
    let waits = "it waits for a canary of CardPolicy lab, and aic-03 has not converged: ";
    assert!(
        plan.contains(waits) && plan.contains("CanaryFirst"),
        "{plan}"
    );
    for _ in 0..2 {
        lab.run("state", &["apply", "-f", "declared"]).expect(12);
        assert!(!begun(&lab, "aic-01") && !begun(&lab, "aic-02"));
        lab.run("state", &asked).expect(0);
    }
    // Mended, it converges, and then the others do.
    lab.run("state", &["rack", "fault", "--node", "aic-03", "--clear"])
        .expect(0);
    lab.run("state", &["rack", "reboot", "--node", "aic-03"])
        .expect(0);
    let ended = lab.run("state", &["apply", "-f", "declared"]).expect(0);
    assert!(
        begun(&lab, "aic-01") && begun(&lab, "aic-02"),
        "{}",
        ended.stdout
    );
}

#[test]
fn an_up_whose_canary_fails_at_first_stays_and_goes_on_when_it_is_mended() {
    let lab = servers("{ canary: { matchLabels: { stage: canary } }, failureThreshold: 3 }");
    fail(&lab, "aic-03");
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    let waits = "; aic-03 is a canary, so aic-01 and aic-02 were not begun; trying again in 1 s";
    up.hears(waits);
    // Before its pause is over nothing is touched: a try is told, and the next comes later.
    let told = up.hears("it failed as before; trying again in 2 s");
    let tries = told.iter().filter(|line| line.starts_with("  acs.clear"));
    assert_eq!(tries.count(), 1, "{told:#?}");
    let status = lab.run("state", &["status", "-o", "json"]).expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let why = status["troubles"][0]["why"].as_str().unwrap();
    assert!(why.contains(PORT), "{why}");
    assert!(!begun(&lab, "aic-01") && !begun(&lab, "aic-02"));
    lab.run("state", &["rack", "fault", "--node", "aic-03", "--clear"])
        .expect(0);
    up.hears("serves on");
    assert!(begun(&lab, "aic-01") && begun(&lab, "aic-02"));
}

#[test]
fn a_paused_policy_begins_nothing_here_either() {
    let lab = servers("{ paused: true }");
    let apply = ["apply", "-f", "declared", "--yes"];
    let ended = lab.run("state", &apply).expect(12);
    for part in [
        "pauses its rollout, so nothing begins on aic-01",
        "take `rollout.paused` away",
    ] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    assert!(!begun(&lab, "aic-01"));
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("paused: true", "paused: false")).unwrap();
    lab.run("state", &apply).expect(0);
}

#[test]
fn batches_are_said_and_each_waits_for_the_one_before() {
    let lab = servers("{ batches: [1], failureThreshold: 2 }");
    let plan = lab.run("state", &["plan", "-f", "declared"]).expect(0);
    let said = "Order: aic-01, aic-02, aic-03; batches of CardPolicy/lab: aic-01, then aic-02 and aic-03; stops at 2 failed nodes.";
    assert!(plan.stdout.contains(said), "{}", plan.stdout);
    fail(&lab, "aic-01");
    lab.run("state", &["apply", "-f", "declared"]).expect(22);
    // One failure is allowed, so the next batch came.
    assert!(begun(&lab, "aic-02") && begun(&lab, "aic-03"));
}

#[test]
fn a_nodes_digest_lets_that_node_go_ahead_and_the_others_wait() {
    let lab = servers("{ maxUnavailableNodes: 1 }");
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    assert!(text.contains("mode: Automatic"), "{text}");
    fs::write(&policy, text.replace("mode: Automatic", "mode: Manual")).unwrap();
    let digest = |node: &str| {
        let plan = lab
            .run("state", &["plan", "-f", "declared", "-o", "json"])
            .expect(0)
            .stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let nodes = plan["nodes"].as_array().unwrap();
        let of = nodes.iter().find(|found| found["node"] == node).unwrap();
        of["digest"].as_str().unwrap().to_owned()
    };
    let second = digest("aic-02");
    let approved = ["apply", "-f", "declared", "--approve-digest", &second];
    let ended = lab.run("state", &approved).expect(12);
    assert!(begun(&lab, "aic-02") && !begun(&lab, "aic-01") && !begun(&lab, "aic-03"));
    for said in [
        "a policy of aic-01 wants its plans approved by digest; nothing was touched there",
        "--approve-digest rollout:b3:",
    ] {
        assert!(ended.stdout.contains(said), "{}", ended.stdout);
    }

    // It was good for those steps alone.
    let again = lab.run("state", &approved).expect(11);
    assert!(
        again.stderr.contains("was approved, but the plan is now"),
        "{}",
        again.stderr
    );
    let both = [digest("aic-01"), digest("aic-03")];
    let rest = [
        "apply",
        "-f",
        "declared",
        "--approve-digest",
        &both[0],
        "--approve-digest",
        &both[1],
    ];
    lab.run("state", &rest).expect(0);
    lab.run("state", &["plan", "-f", "declared", "--detailed-exitcode"])
        .expect(0);
}

#[test]
fn nobody_goes_before_a_canary_without_leave() {
    let lab = servers("{ canary: { matchLabels: { stage: canary } } }");
    let policy = lab.path("declared/policy.yaml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("mode: Automatic", "mode: Manual")).unwrap();
    let plan = lab
        .run("state", &["plan", "-f", "declared"])
        .expect(0)
        .stdout;
    let line = plan
        .lines()
        .find(|line| line.ends_with("aic-01") && line.contains("node:b3:"));
    let digest = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .trim_start_matches("Digest:");
    let ended = lab
        .run(
            "state",
            &["apply", "-f", "declared", "--approve-digest", digest],
        )
        .expect(12);
    assert!(
        ended
            .stdout
            .contains("a policy of aic-03 wants its plans approved"),
        "{}",
        ended.stdout
    );
    assert!(!begun(&lab, "aic-01") && !begun(&lab, "aic-03"));
}
