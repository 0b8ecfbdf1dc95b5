//! The real agent: its process is measured alone, and what it does the virtual nodes do after it.
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tests::{binary, root};

use crate::{
    control_plane::{ControlPlane, Running, start_as},
    fleet::{agent_token, make_node, shardplane, until},
};

/// Its node: a name as long as the others'.
pub const NODE: &str = "aic-pilot";
/// The label of the node that goes first.
pub const LABEL: &str = "example.com/first";
/// A rack of 32 SoCs, and its server.
const RACK: &str = "eight-ultra-two-switches";
const SERVER: &str = "aic-01";
/// A SoC of it, and the register of the port above it.
const SOC: &str = "0000:25:00.0";
const PORT: &str = "0000:24:00.0/acs";

/// The agent and its machine.
pub struct Lone {
    /// The process.
    pub agent: Running,
    rack: PathBuf,
    state: PathBuf,
}

/// How soon something follows an event.
#[derive(Debug)]
pub struct Reaction {
    /// Until the API server has it from the agent.
    pub told: Duration,
    /// Until the agent's journal has the first step that it makes necessary: told, planned, granted and begun.
    pub begun: Duration,
}

impl Lone {
    /// Starts it as it is shipped, on a machine whose waits take a four-thousandth of their time.
    pub fn start(plane: &ControlPlane) -> Self {
        let text = fs::read_to_string(root().join(format!("examples/racks/{RACK}.yaml")))
            .expect("the example is there");
        let text = text
            .replace(SERVER, NODE)
            .replace("  seed: 8\n", "  seed: 8\n  speedup: 4000\n");
        let rack = plane.folder().join("pilot.yaml");
        fs::write(&rack, text).expect("the rack is written");
        let state = plane.folder().join("pilot");
        make_node(plane, NODE);
        plane
            .kubectl(&["label", "node", NODE, &format!("{LABEL}=true")])
            .expected();
        let kubeconfig = plane.kubeconfig("pilot", &agent_token(plane, NODE));
        let arguments = [
            "agent".to_owned(),
            format!("--rack={}", rack.display()),
            format!("--state-dir={}", state.display()),
            format!("--kubeconfig={}", kubeconfig.display()),
            "--log-format=json".to_owned(),
        ];
        let agent = start_as(
            plane.folder(),
            "agent-pilot",
            &binary("shardplane"),
            &arguments,
        );
        Self { agent, rack, state }
    }

    /// Pulls a SoC, and puts it back; then resets it after its port was set as every boot sets it, which raises no event of
    /// its own. Each span begins before the command that does it.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured are real processes on the wall clock"
    )]
    pub fn reacts(&self, plane: &ControlPlane) -> Reaction {
        let began = Instant::now();
        self.rack(&["unplug", SOC]);
        counts(plane, 31);
        let told = began.elapsed();
        self.rack(&["replug", SOC]);
        counts(plane, 32);
        let records = self.records();
        self.rack(&["set", PORT, "0x001d"]);
        let began = Instant::now();
        self.rack(&["reset-soc", SOC]);
        until("a step begins", || self.records(), |now| *now > records);
        let begun = began.elapsed();
        Reaction { told, begun }
    }

    fn rack(&self, verb: &[&str]) {
        let rack = format!("--rack={}", self.rack.display());
        let state = format!("--state-dir={}", self.state.display());
        let node = format!("--node={NODE}");
        let all = [&["rack"], verb, &[&rack, &state, &node]].concat();
        let said = shardplane(&all);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }

    /// Bytes of its journal, which only grows.
    fn records(&self) -> u64 {
        let journal = self.state.join(RACK).join(NODE).join("journal");
        let known = fs::metadata(&journal);
        known
            .unwrap_or_else(|error| panic!("{}: {error}", journal.display()))
            .len()
    }
}

/// Waits until so many SoCs are told to be ready.
fn counts(plane: &ControlPlane, socs: u32) {
    let object = format!("cardnode/{NODE}");
    let told = format!("--for=jsonpath={{.status.counts.ready}}={socs}");
    let answer = plane.kubectl(&[
        "wait",
        &told,
        "--timeout=60s",
        "--request-timeout=0",
        &object,
    ]);
    assert!(answer.succeeded, "{}\n{}", answer.stderr, plane.logs());
}
