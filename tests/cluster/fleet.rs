//! Virtual nodes of a cluster: Node objects, an agent on each, and controllers, all with the shipped roles alone.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tests::root;

pub use crate::ours::shardplane;
use crate::{
    control_plane::{ControlPlane, Running, start_as},
    ours::{self, Clock},
};

/// The image of worker pods: none is ever pulled.
pub const IMAGE: &str = "example.invalid/shardplane@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Seconds of the lease in tests.
const LEASE: &str = "4";

/// Agents and controllers of one cluster; all end with it.
pub struct Fleet {
    racks: Racks,
    /// Seconds between two looks of an agent that hears of nothing.
    interval: u32,
    /// Where agents and controllers find the API server, where that is not where it listens.
    port: Option<u16>,
    agents: BTreeMap<String, Running>,
    controllers: BTreeMap<String, Running>,
    /// Sockets of kubelets, by node.
    kubelets: BTreeMap<String, PathBuf>,
    /// Machines whose clock is wrong, by node.
    clocks: BTreeMap<String, Clock>,
}

/// Which machines the nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Racks {
    /// Servers of the one rack beside this file.
    Three,
    /// A rack for each node, of one server.
    OneEach,
}

impl Fleet {
    /// Installs what is shipped, makes the Nodes, and starts an agent on each and one controller.
    pub fn start(plane: &ControlPlane, nodes: &[&str]) -> Self {
        Self::begin(plane, nodes, BTreeMap::new())
    }

    /// The same with one Node, whose kubelet listens on a socket.
    pub fn start_with_kubelet(plane: &ControlPlane, node: &str, socket: &Path) -> Self {
        let kubelets = BTreeMap::from([(node.to_owned(), socket.to_owned())]);
        Self::begin(plane, &[node], kubelets)
    }

    /// A controller alone, which more nodes may follow than the rack of three has; agents look on their own once a minute.
    pub fn start_for_many(plane: &ControlPlane) -> Self {
        let mut fleet = Self::begin(plane, &[], BTreeMap::new());
        fleet.racks = Racks::OneEach;
        fleet.interval = 60;
        fleet
    }

    /// The same as `start`, where agents and controllers reach the API server at another port.
    pub fn start_at(plane: &ControlPlane, nodes: &[&str], port: u16) -> Self {
        let mut fleet = Self::installed(plane, BTreeMap::new());
        fleet.port = Some(port);
        fleet.people(plane, nodes);
        fleet
    }

    /// The same as `start`, on machines whose clocks are so many seconds ahead.
    pub fn start_with_clocks(plane: &ControlPlane, nodes: &[(&str, i64)]) -> Self {
        let mut fleet = Self::installed(plane, BTreeMap::new());
        let clocks = nodes.iter();
        fleet.clocks = clocks
            .map(|(node, ahead)| ((*node).to_owned(), Clock::Ahead(*ahead)))
            .collect();
        let names: Vec<&str> = nodes.iter().map(|(node, _)| *node).collect();
        fleet.people(plane, &names);
        fleet
    }

    fn begin(plane: &ControlPlane, nodes: &[&str], kubelets: BTreeMap<String, PathBuf>) -> Self {
        let mut fleet = Self::installed(plane, kubelets);
        fleet.people(plane, nodes);
        fleet
    }

    fn installed(plane: &ControlPlane, kubelets: BTreeMap<String, PathBuf>) -> Self {
        install(plane);
        Self {
            racks: Racks::Three,
            interval: 2,
            port: None,
            agents: BTreeMap::new(),
            controllers: BTreeMap::new(),
            kubelets,
            clocks: BTreeMap::new(),
        }
    }

    fn clock(&self, node: &str) -> Clock {
        self.clocks.get(node).copied().unwrap_or(Clock::Right)
    }

    fn people(&mut self, plane: &ControlPlane, nodes: &[&str]) {
        for node in nodes {
            make_node(plane, node);
            self.start_agent(plane, node);
        }
        self.start_controller(plane, "first");
    }

    fn kubeconfig(&self, plane: &ControlPlane, name: &str, token: &str) -> PathBuf {
        plane.kubeconfig_at(name, token, self.port)
    }

    /// The rack of a node, and its name.
    fn rack(&self, plane: &ControlPlane, node: &str) -> (PathBuf, String) {
        if self.racks == Racks::Three {
            return (
                root().join("tests/cluster/racks/three.yaml"),
                "three".to_owned(),
            );
        }
        let path = plane.folder().join(format!("rack-{node}.yaml"));
        if !path.exists() {
            let text = fs::read_to_string(root().join("tests/cluster/racks/three.yaml"))
                .expect("the rack of three is there");
            let (head, servers) = text.split_once("    - name: n1\n").expect("it has n1");
            let (first, _) = servers.split_once("    - name: n2\n").expect("it has n2");
            // Slow enough that nobody comes too late to wait for a SoC, whatever else the machine does.
            let head = head
                .replace("name: three", &format!("name: rack-{node}"))
                .replace("speedup: 400", "speedup: 50");
            fs::write(&path, format!("{head}    - name: {node}\n{first}"))
                .expect("the rack is written");
        }
        (path, format!("rack-{node}"))
    }

    /// The folder where a node keeps its state.
    pub fn state(&self, plane: &ControlPlane, node: &str) -> PathBuf {
        let (_, rack) = self.rack(plane, node);
        plane.folder().join(node).join(rack).join(node)
    }

    /// How often each SoC of a node was reset, as the rack itself counts it.
    pub fn resets(&self, plane: &ControlPlane, node: &str) -> Vec<u64> {
        let registers = self.state(plane, node).join("rack/registers.json");
        let Ok(text) = fs::read(registers) else {
            return Vec::new();
        };
        let live: Value = serde_json::from_slice(&text).expect("registers are JSON");
        let socs = live["socs"].as_object().expect("a rack has SoCs").values();
        socs.filter_map(|soc| soc["resets"].as_u64()).collect()
    }

    /// Starts the agent of a node, on the state that it had.
    pub fn start_agent(&mut self, plane: &ControlPlane, node: &str) {
        let token = agent_token(plane, node);
        let kubeconfig = self.kubeconfig(plane, &format!("agent-{node}"), &token);
        self.run_agent(plane, node, &kubeconfig);
    }

    fn run_agent(&mut self, plane: &ControlPlane, node: &str, kubeconfig: &Path) {
        let (rack, _) = self.rack(plane, node);
        let mut arguments = vec![
            "agent".to_owned(),
            format!("--rack={}", rack.display()),
            format!("--node={node}"),
            format!("--state-dir={}", plane.folder().join(node).display()),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--interval={}", self.interval),
            "--metrics=127.0.0.1:0".to_owned(),
            "--log-format=json".to_owned(),
        ];
        let socket = self.kubelets.get(node);
        arguments.extend(socket.map(|socket| format!("--pod-resources={}", socket.display())));
        let (program, arguments) = ours::command(self.clock(node), arguments);
        let agent = start_as(
            plane.folder(),
            &format!("agent-{node}"),
            &program,
            &arguments,
        );
        self.agents.insert(node.to_owned(), agent);
    }

    /// Starts the agents again that have ended by themselves, as their node's kubelet would; says whose.
    pub fn revive(&mut self, plane: &ControlPlane) -> Vec<String> {
        let ended: Vec<String> = self
            .agents
            .iter_mut()
            .filter_map(|(node, agent)| {
                agent
                    .has_ended()
                    .expect("it can be asked")
                    .then(|| node.clone())
            })
            .collect();
        for node in &ended {
            let kubeconfig = plane.folder().join(format!("agent-{node}.kubeconfig"));
            self.run_agent(plane, node, &kubeconfig);
        }
        ended
    }

    /// Waits until an agent has ended by itself, as a rack's crash makes it.
    pub fn wait_for_end(&mut self, node: &str) {
        let mut agent = self.agents.remove(node).expect("it runs");
        agent.wait().expect("it ends");
    }

    /// An agent.
    pub fn agent(&self, node: &str) -> &Running {
        self.agents.get(node).expect("it runs")
    }

    /// Kills an agent as a crash would.
    pub fn kill_agent(&mut self, node: &str) {
        drop(self.agents.remove(node).expect("it runs"));
    }

    /// Starts a controller.
    pub fn start_controller(&mut self, plane: &ControlPlane, name: &str) {
        self.start_controller_at(plane, name, Clock::Right);
    }

    /// The same where the clock may be wrong.
    pub fn start_controller_at(&mut self, plane: &ControlPlane, name: &str, clock: Clock) {
        let token = token(plane, "shardplane-controller", &[]);
        let kubeconfig = self.kubeconfig(plane, &format!("controller-{name}"), &token);
        let arguments = vec![
            "controller".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--identity={name}"),
            format!("--lease-seconds={LEASE}"),
            format!("--worker-image={IMAGE}"),
            "--metrics=127.0.0.1:0".to_owned(),
            "--log-format=json".to_owned(),
        ];
        let (program, arguments) = ours::command(clock, arguments);
        let controller = start_as(
            plane.folder(),
            &format!("controller-{name}"),
            &program,
            &arguments,
        );
        self.controllers.insert(name.to_owned(), controller);
    }

    /// A controller.
    pub fn controller(&self, name: &str) -> &Running {
        self.controllers.get(name).expect("it runs")
    }

    /// Kills a controller as a crash would.
    pub fn kill_controller(&mut self, name: &str) {
        drop(self.controllers.remove(name).expect("it runs"));
    }

    /// Every ACS control word of a node, by port.
    pub fn acs(&self, plane: &ControlPlane, node: &str) -> BTreeMap<String, String> {
        let text = self.shardplane(plane, node, &["probe", "-o", "json"]);
        let probed: Value = serde_json::from_str(&text).expect("a probe prints JSON");
        functions(&probed)
            .into_iter()
            .filter_map(|function| {
                let word = function.pointer("/acs/value/control")?.as_str()?;
                let address = function.pointer("/address")?.as_str()?;
                Some((address.to_owned(), word.to_owned()))
            })
            .collect()
    }

    /// What a verb prints about a node's machine.
    pub fn shardplane(&self, plane: &ControlPlane, node: &str, verb: &[&str]) -> String {
        let (rack, _) = self.rack(plane, node);
        let place = [
            format!("--rack={}", rack.display()),
            format!("--node={node}"),
            format!("--state-dir={}", plane.folder().join(node).display()),
        ];
        let mut arguments = verb.to_vec();
        arguments.extend(place.iter().map(String::as_str));
        let said = ours::shardplane_at(self.clock(node), &arguments);
        assert_eq!(said.code, Some(0), "shardplane {verb:?}: {}", said.stderr);
        said.stdout
    }
}

/// A copy of the quickstart's policy with something changed.
pub fn policy_with(plane: &ControlPlane, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(root().join("examples/quickstart/cluster/policy.yaml"))
        .expect("the quickstart has a policy");
    let changed = text.replace(from, to);
    assert_ne!(changed, text);
    let path = plane.folder().join("policy.yaml");
    fs::write(&path, changed).expect("the policy is written");
    path
}

/// Functions of the one node that was probed.
fn functions(probed: &Value) -> Vec<&Value> {
    let nodes = probed
        .pointer("/nodes")
        .and_then(Value::as_array)
        .map_or_else(|| vec![probed], |nodes| nodes.iter().collect());
    nodes
        .into_iter()
        .filter_map(|node| {
            node.get("functions")
                .or_else(|| node.pointer("/snapshot/functions"))
        })
        .filter_map(Value::as_array)
        .flatten()
        .collect()
}

/// Installs definitions, roles and admission, as the README says it is done.
pub fn install(plane: &ControlPlane) {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let said: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("kubectl "))
        .filter(|line| line.contains("charts/shardplane/"))
        .collect();
    assert_eq!(said.len(), 2, "definitions, then roles and admission");
    for command in said {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        plane.kubectl(&arguments).expected();
        plane
            .kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
            .expected();
    }
}

/// Makes a Node with cards.
pub fn make_node(plane: &ControlPlane, name: &str) {
    let path = plane.folder().join(format!("node-{name}.yaml"));
    let node = format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels:\n    qualcomm.com/qaic: \"true\"\n    kubernetes.io/hostname: {name}\n"
    );
    fs::write(&path, node).expect("the Node is written");
    plane
        .kubectl(&["apply", "--server-side", "-f", &path.display().to_string()])
        .expected();
}

/// A token of the agents' account that is bound to a Node, as one on that Node would have.
pub fn agent_token(plane: &ControlPlane, node: &str) -> String {
    let uid = plane
        .kubectl(&["get", "node", node, "-o", "jsonpath={.metadata.uid}"])
        .expected();
    token(
        plane,
        "shardplane-agent",
        &[
            "--bound-object-kind=Node",
            &format!("--bound-object-name={node}"),
            &format!("--bound-object-uid={uid}"),
        ],
    )
}

/// A token of one of our accounts.
pub fn token(plane: &ControlPlane, account: &str, more: &[&str]) -> String {
    let mut arguments = vec!["create", "token", account, "--namespace=shardplane-system"];
    arguments.extend(more);
    plane.kubectl(&arguments).expected().trim().to_owned()
}

/// Asks again and again until `is` says so, or fails with what was said last.
#[track_caller]
pub fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl FnMut() -> T,
    is: impl Fn(&T) -> bool,
) -> T {
    host::until(what, || Ok(ask()), is).unwrap_or_else(|late| panic!("{late}"))
}
