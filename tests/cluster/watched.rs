//! What controller and agents tell those who watch: numbers, health, and lines that a machine reads.
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::{control_plane::ControlPlane, fleet::until};

/// Objects of the quickstart are as declared on so many nodes: the numbers say so too.
pub fn all_is_told(plane: &ControlPlane, nodes: usize) {
    let controller = address(plane, "controller-first");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&controller, path).0, 200, "{path}");
    }
    assert_eq!(get(&controller, "/other").0, 404);
    let (_, text) = get(&controller, "/metrics");
    let expected = [
        ("shardplane_controller_leader", "1".to_owned()),
        (
            "shardplane_controller_nodes{stand=\"converged\"}",
            nodes.to_string(),
        ),
        ("shardplane_controller_nodes{stand=\"working\"}", "0".into()),
        ("shardplane_controller_plan_effects", "0".into()),
        (
            "shardplane_controller_writes_total{kind=\"CardPolicy\"}",
            "*".into(),
        ),
        (
            "shardplane_controller_reconcile_errors_total{reason=\"unsafe-plan\"}",
            "0".into(),
        ),
    ];
    for (series, value) in expected {
        let found = number(&text, series);
        let fits = found.is_some_and(|found| value == "*" || found == value);
        assert!(fits, "{series} is {found:?}, not {value}:\n{text}");
    }
    // What converged is blocked no longer; the model waits for whoever carries out jobs.
    let blocked = "shardplane_controller_blocked_seconds{";
    for line in text.lines().filter(|line| line.starts_with(blocked)) {
        assert!(line.contains("reason=\"Building\""), "{text}");
    }

    // Of every node, and not of the first alone.
    let notes = "jsonpath={range .items[*]}{.reason} {.message};{end}";
    let events = plane.kubectl(&["get", "events", "-o", notes]).expected();
    for node in 1..=nodes {
        for note in [
            format!("Granted n{node} carries out "),
            format!("Converged every step was verified on n{node};"),
        ] {
            assert!(events.contains(&note), "{note}: {events}");
        }
    }

    let agent = address(plane, "agent-n1");
    assert_eq!(get(&agent, "/healthz").0, 200);
    let (_, text) = get(&agent, "/metrics");
    let verified =
        "shardplane_agent_step_duration_seconds_count{action=\"acs.clear\",outcome=\"verified\"}";
    assert_eq!(number(&text, verified), Some("4"), "{text}");
    let resets =
        "shardplane_agent_step_duration_seconds_count{action=\"soc.reset\",outcome=\"verified\"}";
    assert_eq!(number(&text, resets), Some("4"), "{text}");
    assert_eq!(number(&text, "shardplane_agent_at_work"), Some("0"));
}

/// The one model of the quickstart, as the numbers have it in each state that the test leads it through.
pub fn a_model_is_told(plane: &ControlPlane, series: &[String]) {
    let controller = address(plane, "controller-first");
    let told = || {
        let (_, text) = get(&controller, "/metrics");
        let lines = text.lines().filter(|line| line.contains("/tiny-guide\""));
        let name = |line: &str| match line.split_once("_seconds{") {
            // How long is the clock's.
            Some(_) => line.rsplit_once(' ').map(|(series, _)| series.to_owned()),
            None => Some(line.to_owned()),
        };
        let mut told: Vec<String> = lines.filter_map(name).collect();
        told.sort();
        told.join("\n").replace("shardplane_controller_", "")
    };
    let mut series = series.to_vec();
    series.sort();
    until("the model is told of", told, |told| {
        *told == series.join("\n")
    });
}

/// Where a program answers, as its log says.
fn address(plane: &ControlPlane, name: &str) -> String {
    let log = fs::read_to_string(plane.folder().join(name).with_extension("log"));
    let log = log.expect("it writes a log");
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| Some(line.get("address")?.as_str()?.to_owned()))
        .unwrap_or_else(|| panic!("{name} says nowhere that it listens:\n{log}"))
}

/// Status and body of an answer.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit is set");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("a request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer comes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status"), body.to_owned())
}

fn number<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}
