//! The quickstart on three virtual nodes, driven by kubectl alone: it converges, and its deletion puts every word back.
use crate::{
    control_plane::ControlPlane,
    fleet::{Fleet, until},
    models, rights, watched,
};

/// The bits of an ACS control word that redirect peer traffic.
const REDIRECT: u16 = 0x002c;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

pub fn the_quickstart_converges_and_goes_without_a_trace(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &NODES);
    let before = NODES.map(|node| fleet.acs(plane, node));
    let taints = taints(plane);
    plane
        .kubectl(&[
            "apply",
            "--server-side",
            "-k",
            "examples/quickstart/cluster",
        ])
        .expected();
    ready(plane, &["cardpolicy/quickstart", "p2pgroup/quad"]);

    let relaxed = NODES.map(|node| fleet.acs(plane, node));
    for (before, relaxed) in before.iter().zip(&relaxed) {
        let cleared: Vec<u16> = before
            .iter()
            .filter(|(port, word)| relaxed[*port] != **word)
            .map(|(port, word)| number(word) & !number(&relaxed[port]))
            .collect();
        // The four ports above the SoCs of the card, and of each the redirect bits alone.
        assert_eq!(cleared.len(), 4, "{before:?} {relaxed:?}");
        assert!(cleared.iter().all(|bits| bits & !REDIRECT == 0));
        assert!(relaxed.len() == before.len());
    }
    ready(plane, &["--all", "changeplans,cardnodes"]);
    let table = plane
        .kubectl(&["get", "cnode,cpol,p2pg,cplan", "-o", "wide"])
        .expected();
    for line in table.lines().filter(|line| line.contains('/')) {
        assert!(line.contains("True"), "{table}");
    }
    all_converged(plane);
    watched::all_is_told(plane, NODES.len());
    until("taints", || self::taints(plane), |now| *now == taints);
    let builds = |kind: &str| {
        format!(r#"blocked_seconds{{kind="{kind}",name="default/tiny-guide",reason="Building"}}"#)
    };
    let counts =
        |of: &str, count: u32| format!(r#"model_{of}{{name="default/tiny-guide"}} {count}"#);
    let replicas = |of: &str, count: u32| counts(&format!("replicas_{of}"), count);
    watched::a_model_is_told(
        plane,
        &[
            builds("ModelBuild"),
            builds("ShardedModel"),
            replicas("wanted", 1),
            replicas("ready", 0),
            counts("restarts", 0),
        ],
    );
    models::a_revision_follows_another(plane);
    let serves = [
        replicas("wanted", 1),
        replicas("ready", 1),
        counts("restarts", 0),
    ];
    watched::a_model_is_told(plane, &serves);

    // No controller of the cluster's own runs here, and without one the claims never go.
    plane
        .kubectl(&[
            "delete",
            "--wait=false",
            "-k",
            "examples/quickstart/cluster",
        ])
        .expected();
    until(
        "ACS words after the deletion",
        || NODES.map(|node| fleet.acs(plane, node)),
        |now| *now == before,
    );
    watched::a_model_is_told(plane, &[]);
    rights::are_minimal(plane);
}

/// Every node of every rollout has converged: one rollout, or one more where the objects came apart, of which the first may
/// have been taken back before anything began.
#[track_caller]
pub fn all_converged(plane: &ControlPlane) {
    let path = "jsonpath={range .items[*].status.nodes[*]}{.outcome} {.why};{end}";
    let all = plane.kubectl(&["get", "cplan", "-o", path]).expected();
    let ended = |one: &str| one == "Converged " || one.contains("taken back before it began");
    assert!(
        all.contains("Converged ;") && all.split_terminator(';').all(ended),
        "{all}"
    );
}

/// How the nodes of every rollout stand.
pub fn outcomes(plane: &ControlPlane) -> String {
    plane
        .kubectl(&[
            "get",
            "cplan",
            "-o",
            "jsonpath={.items[*].status.nodes[*].outcome}",
        ])
        .expected()
}

/// Every node of every plan converged, or was planned anew.
pub fn none_failed(plane: &ControlPlane) {
    let ended = outcomes(plane);
    let mut each = ended.split(' ');
    assert!(
        each.all(|outcome| matches!(outcome, "Converged" | "Stale")),
        "{ended}"
    );
}

/// Every taint of every Node: the API server has some of its own.
fn taints(plane: &ControlPlane) -> String {
    plane
        .kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].spec.taints}"])
        .expected()
}

/// Waits until objects are Ready, as people do.
#[track_caller]
pub fn ready(plane: &ControlPlane, objects: &[&str]) {
    come_to(plane, "Ready", objects);
}

/// Waits until nothing moves these without a person, by kubectl alone.
#[track_caller]
pub fn stalled(plane: &ControlPlane, objects: &[&str]) {
    come_to(plane, "Stalled", objects);
}

#[track_caller]
fn come_to(plane: &ControlPlane, condition: &str, objects: &[&str]) {
    let condition = format!("--for=condition={condition}");
    let mut arguments = vec!["wait", &condition, "--timeout=90s", "--request-timeout=0"];
    arguments.extend(objects);
    let answer = plane.kubectl(&arguments);
    if !answer.succeeded {
        let now = plane
            .kubectl(&["get", "cnode,cpol,p2pg,cplan", "-o", "yaml"])
            .expected();
        panic!("{}\n{now}\n{}", answer.stderr, plane.logs());
    }
}

fn number(word: &str) -> u16 {
    u16::from_str_radix(word.trim_start_matches("0x"), 16).expect("a word of a register")
}
