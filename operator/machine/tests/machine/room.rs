//! A room for tests: a rack file opened in a state folder of its own, on virtual time.
use std::path::PathBuf;

use crd::{
    Fact, Unknown,
    id::PciAddress,
    kind::Rack,
    snapshot::{HardwareSnapshot, Ledger, SocIdentity},
    step::PortRef,
};
use machine::{Clock, Known, Machine, RackServer, probe, rack};

/// A rack's servers and the folder that keeps their registers.
pub(crate) struct Room {
    pub(crate) rack: Rack,
    pub(crate) state: tempfile::TempDir,
    pub(crate) machines: Vec<Machine>,
}

impl Room {
    pub(crate) fn of(text: &str) -> Self {
        let rack: Rack = serde_yaml::from_str(text).expect("the rack file parses");
        Self::new(rack)
    }

    pub(crate) fn new(rack: Rack) -> Self {
        let state = tempfile::tempdir().expect("a state folder");
        let machines = open(&rack, &state).into_iter().map(Machine::Rack).collect();
        Self {
            rack,
            state,
            machines,
        }
    }

    pub(crate) fn example(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples/racks")
            .join(format!("{name}.yaml"));
        Self::of(&std::fs::read_to_string(path).expect("the example is there"))
    }

    /// The first server as another process would open it.
    pub(crate) fn again(&self) -> RackServer {
        open(&self.rack, &self.state).remove(0)
    }

    /// The file that whoever writes the first server's registers locks.
    pub(crate) fn lock(&self) -> PathBuf {
        let of_rack = self.state.path().join(&self.rack.metadata.name);
        of_rack
            .join(&self.rack.spec.servers[0].name.0)
            .join("rack/rack.lock")
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machines[0]
    }

    pub(crate) fn server(&self) -> &RackServer {
        match &self.machines[0] {
            Machine::Rack(server) => server,
            Machine::Linux(_) => panic!("a room holds racks"),
        }
    }

    pub(crate) fn probe(&self) -> HardwareSnapshot {
        probe(self.machine(), &known())
    }
}

fn open(rack: &Rack, state: &tempfile::TempDir) -> Vec<RackServer> {
    rack::open(rack, "b3:test", state.path(), Clock::Virtual).expect("the rack opens")
}

pub(crate) fn known() -> Known {
    Known {
        ledger: Ledger::default(),
        programs: Vec::new(),
        workers: Vec::new(),
        worker: Fact::unknown(Unknown::Absent, "test"),
    }
}

pub(crate) fn at(text: &str) -> PciAddress {
    text.parse().expect("an address")
}

/// A SoC of a snapshot as a plan names it.
pub(crate) fn soc(snapshot: &HardwareSnapshot, address: &str) -> SocIdentity {
    let soc = snapshot
        .socs
        .iter()
        .find(|soc| soc.address == at(address))
        .expect("the SoC is there");
    SocIdentity {
        address: soc.address,
        path: soc.path.clone(),
        serial: soc.serial.value.clone(),
    }
}

/// A port of a snapshot as a plan names it.
pub(crate) fn port(snapshot: &HardwareSnapshot, address: &str) -> PortRef {
    let port = snapshot
        .functions
        .iter()
        .find(|function| function.address == at(address))
        .expect("the port is there");
    PortRef {
        address: port.address,
        path: port.path.clone(),
    }
}

/// Two Ultra cards below one switch, the shortest rack in which everything can be tried.
pub(crate) const TWO_ULTRA: &str = r#"
apiVersion: shardplane.dev/v1alpha1
kind: Rack
metadata: { name: room }
spec:
  seed: 3
  servers:
    - name: aic-01
      rootPorts:
        - address: "0000:20:01.0"
          switch:
            ports:
              - { slot: "00.0", card: { sku: Ultra } }
              - { slot: "01.0", card: { sku: Ultra } }
"#;
