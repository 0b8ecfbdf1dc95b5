//! The scale run: many virtual nodes, one real agent and one real controller against a real API server, from the first
//! manifest to rest. The virtual ones do what the real one was seen doing, so that what a thousand machines do for themselves
//! is not done by one here (`tests/scale/crowd`). `lone` is the real agent, `counted` reads what the servers counted, `resident` what a process takes,
//! `puts` does to a store alone what the run did to one, `figures` is the table.
mod counted;
mod figures;
mod lone;
mod puts;
mod resident;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use tests::{binary, root};

use crate::{
    control_plane::{ControlPlane, Running, start_as},
    fleet::{install, token, until},
    lease::renewed,
};
use counted::Counted;
pub use figures::Figures;
use lone::Lone;

/// Renewals of the lease during which nothing is to be written.
const AT_REST: usize = 10;

/// Runs it. One node in ten may be unavailable at once; `limit` is how long the first convergence may take, as kubectl
/// writes durations.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured are real processes on the wall clock"
)]
pub fn run(plane: &ControlPlane, nodes: usize, limit: &str) -> Figures {
    install(plane);
    let lone = Lone::start(plane);
    let folder = plane.folder().join("crowd");
    fs::create_dir_all(&folder).expect("a folder for the crowd");
    let crowd = start_as(
        plane.folder(),
        "crowd",
        &binary("crowd"),
        &[
            plane.admin().display().to_string(),
            nodes.to_string(),
            lone::NODE.to_owned(),
            folder.display().to_string(),
        ],
    );
    let controller = controller(plane);
    until_there(&folder.join("begun"));

    let before = Counted::now(plane);
    let began = Instant::now();
    for manifest in [
        root().join("examples/quickstart/cluster/group.yaml"),
        policy(plane, nodes),
    ] {
        let path = manifest.display().to_string();
        plane
            .kubectl(&["apply", "--server-side", "-f", &path])
            .expected();
    }
    let timeout = format!("--timeout={limit}");
    let waited = plane.kubectl(&[
        "wait",
        "--for=condition=Ready",
        &timeout,
        "--request-timeout=0",
        "cardpolicy/quickstart",
        "p2pgroup/quad",
    ]);
    let converging = began.elapsed();
    assert!(waited.succeeded, "{}\n{}", waited.stderr, standing(plane));
    renewed(plane, 2);
    let converged = Counted::now(plane);

    let said = "jsonpath={.status.convergedNodes}";
    let said = plane.kubectl(&["get", "cpol", "quickstart", "-o", said]);
    let said = said.expected();

    let rested = Instant::now();
    renewed(plane, AT_REST);
    let resting = rested.elapsed();
    let idle = Counted::now(plane).since(&converged);
    let at_rest = resident::of(controller.pid());
    let agent = resident::of(lone.agent.pid());

    let reacted = lone.reacts(plane);
    drop((crowd, lone));
    let peak = resident::of(controller.pid());
    drop(controller);
    let stored = converged.since(&before);
    let (_store, address) = plane.another_store();
    let alone = puts::measure(&address, stored.puts, stored.put_bytes, nodes);
    Figures {
        nodes,
        converged: said.parse().expect("a number of nodes"),
        rollouts: names(plane, "changeplans"),
        converging,
        stored,
        alone,
        controller_peak: peak.peak,
        controller_at_rest: at_rest.now,
        agent_peak: agent.peak,
        agent_at_rest: agent.now,
        resting,
        idle,
        reacted,
    }
}

/// The run itself is held by a small one: everything converges, and then nothing is written. Nothing is timed.
pub fn in_small(plane: &mut ControlPlane) {
    let nodes = 20;
    let figures = run(plane, nodes, "5m");
    assert_eq!(figures.converged, nodes + 1, "{figures}");
    assert_eq!(figures.idle.total(), 0, "{figures}");
    assert!(figures.idle.leases > 0, "{figures}");
    assert!(figures.stored.total() > nodes as u64, "{figures}");
}

fn controller(plane: &ControlPlane) -> Running {
    let token = token(plane, "shardplane-controller", &[]);
    let kubeconfig = plane.kubeconfig("controller", &token);
    let arguments = [
        "controller".to_owned(),
        format!("--kubeconfig={}", kubeconfig.display()),
        "--identity=scale".to_owned(),
        "--metrics=127.0.0.1:0".to_owned(),
        "--log-format=json".to_owned(),
    ];
    start_as(
        plane.folder(),
        "controller",
        &binary("shardplane"),
        &arguments,
    )
}

/// The quickstart's policy, with a tenth of the nodes at once.
fn policy(plane: &ControlPlane, nodes: usize) -> PathBuf {
    let text = fs::read_to_string(root().join("examples/quickstart/cluster/policy.yaml"))
        .expect("the quickstart has a policy");
    let (head, tail) = text
        .split_once("maxUnavailableNodes: 2")
        .expect("it says how many nodes at once");
    let path = plane.folder().join("policy.yaml");
    let tenth = (nodes / 10).max(1);
    // The real agent goes first: the others do what it was seen doing.
    let rollout = format!(
        "maxUnavailableNodes: {tenth}\n    canary:\n      matchLabels:\n        {}: \"true\"",
        lone::LABEL
    );
    fs::write(&path, format!("{head}{rollout}{tail}")).expect("the policy is written");
    path
}

fn until_there(file: &Path) {
    until("agents run", || file.exists(), |there| *there);
}

fn names(plane: &ControlPlane, kind: &str) -> usize {
    let listed = plane.kubectl(&["get", kind, "-o", "name"]).expected();
    listed.lines().count()
}

/// How far it came.
fn standing(plane: &ControlPlane) -> String {
    let table = plane.kubectl(&["get", "cpol,p2pg,cplan", "-o", "wide"]);
    format!("{}\n{}", table.stdout, plane.logs())
}
