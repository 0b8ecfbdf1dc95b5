//! A machine that lacks a tool: the plan says so, and nothing of its goal is touched, live, recorded and made a rack again.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

fn lacking(tool: &str) -> Lab {
    let lab = Lab::new();
    let server = "    - name: aic-01\n";
    lab.edit(
        "rack.yaml",
        server,
        &format!("{server}      sdk: {{ missing: [{tool}] }}\n"),
    );
    // Cards alone: settings need no tool, and are set all the same.
    lab.edit("declared/policy.yaml", "  driver:\n    controlResponseTimeoutSeconds: 2600\n    persistence: Persist\n  host:\n    maxMapCount: 2048000\n    persistence: Persist\n", "");
    fs::remove_file(lab.path("declared/model.yaml")).unwrap();
    lab
}

/// Steps, and what is blocked.
fn planned(lab: &Lab, arguments: &[&str]) -> (usize, String) {
    let arguments = [arguments, &["-f", "declared", "-o", "json"]].concat();
    let said = if arguments.contains(&"--snapshot") {
        lab.plain(&arguments)
    } else {
        lab.run("state", &arguments)
    };
    let plan: Value = serde_json::from_str(&said.expect(0).stdout).unwrap();
    let nodes = plan["nodes"].as_array();
    let steps = nodes.unwrap().iter();
    let steps = steps.map(|node| node["steps"].as_array().unwrap().len());
    let report = plan["report"].as_array();
    let blocked = report
        .unwrap()
        .iter()
        .filter(|line| line["kind"] == "blocked");
    let said = blocked.map(|line| format!("{} {}\n", line["reason"], line["message"]));
    (steps.sum(), said.collect())
}

#[test]
fn nothing_of_a_goal_is_touched_whose_tool_is_missing() {
    for tool in [
        "qaic-monitor-json",
        "qaic-monitor-grpc-server",
        "fw2_swe.json",
        "qaic-runner",
        "2c-p2p-bw",
        "systemd-run",
    ] {
        let lab = lacking(tool);
        let before = lab.registers("state");
        let (steps, said) = planned(&lab, &["plan"]);
        assert_eq!(steps, 0, "{tool}");
        assert!(said.contains("ToolMissing"), "{tool}: {said}");
        assert!(said.contains(&format!("`{tool}`")), "{tool}: {said}");

        lab.run("state", &["snapshot", "--out", "one.yaml"])
            .expect(0);
        let recorded = planned(&lab, &["plan", "--snapshot", "one.yaml"]);
        assert_eq!(recorded, (steps, said.clone()), "{tool}");
        lab.run("state", &["snapshot", "--redact", "--out", "hidden.yaml"])
            .expect(0);
        let (steps, hidden) = planned(&lab, &["plan", "--snapshot", "hidden.yaml"]);
        assert_eq!(steps, 0, "{tool}");
        assert!(hidden.contains(&format!("`{tool}`")), "{tool}: {hidden}");

        let ended = lab.run("state", &["apply", "-f", "declared"]).expect(12);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.contains(&format!("`{tool}`")), "{tool}: {all}");
        assert_eq!(lab.registers("state"), before, "{tool}");

        lab.plain(&["rack", "from-snapshot", "one.yaml", "--out", "twin.yaml"])
            .expect(0);
        fs::rename(lab.path("twin.yaml"), lab.path("rack.yaml")).unwrap();
        let arguments = ["plan", "-f", "declared", "-o", "json"];
        let twin = lab.run("twin", &arguments).expect(0).stdout;
        assert!(twin.contains(&format!("`{tool}`")), "{tool}: {twin}");
    }
}
