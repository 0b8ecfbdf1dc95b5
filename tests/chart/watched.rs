//! Dashboard and alerts: they ask for what we export and nothing else, each alert fires in its test and has a page.
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tests::{helm::read, root};

/// Where what is exported is registered: its prefix, and the file.
const EXPORTERS: [(&str, &str); 2] = [
    (
        "shardplane_controller_",
        "operator/src/cluster/controller/numbers.rs",
    ),
    ("shardplane_agent_", "operator/src/cluster/agent/numbers.rs"),
];
/// What an encoder puts behind a name, the longest first.
const ENDINGS: [&str; 5] = [
    "_seconds_bucket",
    "_seconds_count",
    "_seconds_sum",
    "_seconds",
    "_total",
];
/// Labels that whoever scrapes puts there, or the encoder.
const FOREIGN: [&str; 3] = ["node", "le", "pod"];

fn words(expression: &str) -> BTreeSet<&str> {
    expression
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("shardplane_"))
        .collect()
}

/// Whether a program of ours registers a series of this name.
fn is_exported(name: &str) -> bool {
    EXPORTERS.iter().any(|(prefix, file)| {
        let Some(rest) = name.strip_prefix(prefix) else {
            return false;
        };
        let source = fs::read_to_string(root().join(file)).expect("the exporter is there");
        let product = source.split("#[cfg(test)]").next().unwrap_or_default();
        let registered = |bare: &str| product.contains(&format!("\"{bare}\""));
        let ending = ENDINGS.iter().find_map(|ending| rest.strip_suffix(ending));
        registered(ending.unwrap_or(rest))
    })
}

/// Labels that an expression names: in braces, or behind `by`.
fn labels(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in expression.split('{').skip(1) {
        let inside = part.split('}').next().unwrap_or_default();
        let names = inside
            .split(',')
            .filter_map(|one| one.split(['=', '!']).next());
        found.extend(names.map(|name| name.trim().to_owned()));
    }
    for part in expression.split("by (").skip(1) {
        let inside = part.split(')').next().unwrap_or_default();
        found.extend(inside.split(',').map(|name| name.trim().to_owned()));
    }
    found
}

fn is_a_label(name: &str) -> bool {
    FOREIGN.contains(&name)
        || EXPORTERS.iter().any(|(_, file)| {
            let source = fs::read_to_string(root().join(file)).expect("the exporter is there");
            let field = |line: &str| line.trim().starts_with(&format!("{name}: "));
            source
                .split("EncodeLabelSet)]")
                .skip(1)
                .filter_map(|after| after.split('}').next())
                .any(|fields| fields.lines().any(field))
        })
}

fn alerts() -> Vec<Value> {
    let file = read("monitoring/alerts.yaml").remove(0);
    let rules = file["groups"][0]["rules"].as_array();
    rules.expect("there are rules").clone()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{pointer} of {value}"))
}

/// Every expression of alerts and dashboard, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = alerts()
        .iter()
        .map(|alert| {
            (
                text(alert, "/alert").to_owned(),
                text(alert, "/expr").to_owned(),
            )
        })
        .collect();
    let dashboard = read("monitoring/dashboard.json").remove(0);
    for panel in dashboard["panels"].as_array().expect("there are panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((
                text(panel, "/title").to_owned(),
                text(target, "/expr").to_owned(),
            ));
        }
    }
    found
}

#[test]
fn only_what_is_exported_is_asked_for() {
    assert!(is_exported("shardplane_agent_step_duration_seconds_bucket"));
    assert!(!is_exported("shardplane_agent_resets_total"));
    assert!(!is_exported("shardplane_controller_at_work"));
    assert!(is_a_label("stand") && !is_a_label("colour"));
    let expressions = expressions();
    assert!(expressions.len() > 25, "{}", expressions.len());
    for (place, expression) in expressions {
        let names = words(&expression);
        assert!(!names.is_empty(), "{place}: {expression}");
        for name in names {
            assert!(is_exported(name), "{place}: {name} is not exported");
        }
        for label in labels(&expression) {
            assert!(is_a_label(&label), "{place}: nothing has the label {label}");
        }
    }
}

/// Panels neither overlap nor leave the page, and each has a title of its own.
#[test]
fn the_dashboard_can_be_laid_out() {
    let dashboard = read("monitoring/dashboard.json").remove(0);
    let panels = dashboard["panels"].as_array().expect("there are panels");
    let mut taken = BTreeSet::new();
    let mut named = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(named.insert(text(panel, "/title")), "{panel}");
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
    }
}

/// Each panel says what it shows, and each query what its series are called: nobody reads `{}`.
#[test]
fn the_dashboard_explains_itself() {
    let dashboard = read("monitoring/dashboard.json").remove(0);
    for panel in dashboard["panels"].as_array().expect("there are panels") {
        let Some(targets) = panel["targets"].as_array() else {
            continue;
        };
        assert!(text(panel, "/description").ends_with('.'), "{panel}");
        for target in targets {
            assert!(!text(target, "/legendFormat").is_empty(), "{panel}");
        }
    }
}

/// A counter that begins at its first event, which may be the only one in months: `increase` and `rate` do not see it. So
/// a panel takes the difference to the value before, or all where there was none, and an alert the series that was not there.
#[test]
fn the_first_event_is_counted() {
    const BEGIN_LATE: [&str; 3] = [
        "shardplane_agent_step_duration_seconds",
        "shardplane_agent_grants_total",
        "shardplane_controller_writes_total",
    ];
    let mut seen = 0;
    for (place, expression) in expressions() {
        if BEGIN_LATE.iter().any(|name| expression.contains(name)) {
            let counted = [">= 0 or shardplane_", " unless shardplane_"];
            let is_counted = counted.iter().any(|words| expression.contains(words));
            assert!(is_counted, "{place}: {expression}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen}");
}

#[test]
fn each_alert_has_a_page_and_a_test() {
    let tests = fs::read_to_string(root().join("charts/shardplane/monitoring/alerts.test.yaml"));
    let tests = tests.expect("there are tests");
    let folder = root().join("charts/shardplane/monitoring/runbooks");
    let mut pages: BTreeSet<String> = fs::read_dir(&folder)
        .expect("there are pages")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    for alert in alerts() {
        let name = text(&alert, "/alert");
        let page = format!("{name}.md");
        assert!(text(&alert, "/annotations/runbook_url").ends_with(&format!("/runbooks/{page}")));
        let said = fs::read_to_string(folder.join(&page)).expect("the alert has a page");
        assert!(
            said.starts_with(&format!("# {name}\n")) && said.contains("\n1. "),
            "{page}"
        );
        pages.remove(&page);
        // Once it fires, and once it does not.
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - ");
        let rests = format!("alertname: {name}, exp_alerts: []");
        assert!(tests.contains(&fires) && tests.contains(&rests), "{name}");
    }
    assert!(pages.is_empty(), "pages of no alert: {pages:?}");
}

#[test]
fn each_alert_fires_where_it_should() {
    let Some(promtool) = promtool() else { return };
    let folder = root().join("charts/shardplane/monitoring");
    for arguments in [
        &["check", "rules", "alerts.yaml"][..],
        &["test", "rules", "alerts.test.yaml"][..],
    ] {
        let mut command = command(&promtool);
        let ended = output(command.args(arguments).current_dir(&folder));
        assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the command that people run"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// Where it is; where there is none, that nothing was tested is said past the test's captured output.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that depends on the machine reads what the machine says of itself"
)]
fn promtool() -> Option<PathBuf> {
    let required = std::env::var_os("SHARDPLANE_REQUIRE_CLUSTER").is_some();
    let mut script = command(&root().join("tests/chart/promtool"));
    let arguments: &[&str] = if required { &[] } else { &["--if-there"] };
    let ended = output(script.args(arguments));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ended.status.success() {
        return Some(PathBuf::from(said(&ended.stdout)));
    }
    let why = said(&ended.stderr);
    assert!(!required, "{why}");
    let line = format!("\nSKIPPED: no alert was tested: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}
