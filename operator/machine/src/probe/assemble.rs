//! Joins what the parts of a probe saw into one snapshot.
use std::collections::BTreeMap;

use crd::{
    Fact, Unknown,
    kind::API_VERSION,
    snapshot::{HardwareSnapshot, Host, SNAPSHOT_KIND, Settings, SnapshotMetadata, Tools},
};

use super::Known;
use crate::machine::Machine;

pub(crate) fn snapshot(machine: &Machine, known: &Known) -> HardwareSnapshot {
    fn absent<T>() -> Fact<T> {
        Fact::unknown(Unknown::Absent, "")
    }
    HardwareSnapshot {
        api_version: API_VERSION.to_owned(),
        kind: SNAPSHOT_KIND.to_owned(),
        metadata: SnapshotMetadata {
            name: machine.name(),
            labels: machine.labels(),
        },
        boot_id: absent(),
        functions: Vec::new(),
        socs: Vec::new(),
        host: Host {
            kernel: absent(),
            command_line: absent(),
            lockdown: absent(),
            memory_mib: absent(),
            cpus: absent(),
            cpu_features: absent(),
        },
        settings: Settings {
            driver: BTreeMap::new(),
            sysctl: BTreeMap::new(),
        },
        tools: Tools {
            platform_sdk: absent(),
            apps_sdk: absent(),
            compiler: absent(),
            qmonitor_running: absent(),
            worker: known.worker.clone(),
        },
        programs: known.programs.clone(),
        workers: known.workers.iter().map(|w| w.worker.clone()).collect(),
        holders: Vec::new(),
        ledger: known.ledger.clone(),
        readings: None,
    }
}
