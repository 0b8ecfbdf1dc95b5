//! A server of a rack with one Ultra card, looked at as it boots, and after a plan.
use crd::{kind::rack::Rack, plan::NodePlan, snapshot::HardwareSnapshot, step::Action};
use machine::Clock;
use serde_json::json;

/// A machine with one Ultra card, after a boot.
pub fn machine_of(name: &str) -> HardwareSnapshot {
    with_machine(name, |snapshot, _| snapshot)
}

/// The same machine with a plan carried out on it.
pub fn machine_after(name: &str, plan: &NodePlan) -> HardwareSnapshot {
    with_machine(name, |mut snapshot, look| {
        snapshot.ledger = reconcile::ledger::governed(&snapshot.ledger, plan);
        for step in &plan.steps {
            let ledger = snapshot.ledger.clone();
            snapshot = look(Some(&step.action));
            snapshot.ledger = reconcile::ledger::after(&ledger, step, &snapshot);
        }
        snapshot
    })
}

/// A machine with one Ultra card as it is after a boot, and a way to act on it and look again.
fn with_machine(
    name: &str,
    work: impl FnOnce(
        HardwareSnapshot,
        &dyn Fn(Option<&Action>) -> HardwareSnapshot,
    ) -> HardwareSnapshot,
) -> HardwareSnapshot {
    let rack: Rack = serde_json::from_value(json!({
        "apiVersion": "shardplane.dev/v1alpha1",
        "kind": "Rack",
        "metadata": { "name": name },
        "spec": {
            "seed": 1,
            "servers": [{
                "name": name,
                "rootPorts": [{
                    "address": "0000:20:01.0",
                    "switch": { "ports": [{ "slot": "00.0", "card": { "sku": "Ultra" } }] },
                }],
            }],
        },
    }))
    .unwrap();
    let state = tempfile::tempdir().unwrap();
    let servers = machine::rack::open(&rack, "b3:0", state.path(), Clock::Virtual).unwrap();
    let server = servers.into_iter().next().expect("the rack has a server");
    let machine = machine::Machine::Rack(server);
    let known = machine::Known {
        ledger: crd::snapshot::Ledger::default(),
        programs: Vec::new(),
        workers: Vec::new(),
        worker: crd::Fact::unknown(crd::Unknown::NoPermission, "nobody looked"),
    };
    let look = |action: Option<&Action>| {
        if let Some(action) = action {
            // Steps on the ledger alone are no machine's.
            let _ = machine::perform(&machine, action);
        }
        machine::probe(&machine, &known)
    };
    work(look(None), &look)
}
