//! Workers of another run, as it recorded them: what a verb that only looks knows of them.
use std::collections::BTreeMap;

use crd::id::{NodeName, WorkerId};
use machine::KnownWorker;

use super::{WorkerReport, process};
use crate::state::{
    StateDir, StateError,
    workers::{self, RecordedWorker},
};

/// Recorded workers that still run, by node. A worker is known by pid, start time and boot id together: whatever else has
/// its pid today is somebody else's. Its ranks live no longer than it does.
pub fn alive(state: &StateDir) -> Result<BTreeMap<NodeName, Vec<KnownWorker>>, StateError> {
    let mut known: BTreeMap<NodeName, Vec<KnownWorker>> = BTreeMap::new();
    for recorded in workers::read(&state.workers())? {
        let Some(worker) = recorded
            .present
            .filter(|_| process::is_alive(&recorded.process))
        else {
            continue;
        };
        let mut pids = recorded.pids;
        pids.push(recorded.process.pid);
        pids.sort_unstable();
        pids.dedup();
        known
            .entry(recorded.node)
            .or_default()
            .push(KnownWorker { worker, pids });
    }
    Ok(known)
}

/// The same as `status` shows them, where the `up` that runs them is too busy to answer. Its record tells no address.
pub fn reports(state: &StateDir) -> Result<Vec<WorkerReport>, StateError> {
    let recorded = workers::read(&state.workers())?.into_iter();
    let alive = recorded.filter(|worker| process::is_alive(&worker.process));
    let report = |recorded: RecordedWorker| {
        let present = recorded.present?;
        Some(WorkerReport {
            model: model_of(&recorded.id),
            id: recorded.id,
            node: recorded.node,
            state: present.state,
            address: None,
            pid: Some(recorded.process.pid),
            restarts: 0,
            why: String::new(),
        })
    };
    Ok(alive.filter_map(report).collect())
}

/// `default/tiny-0` is a replica of `tiny`.
fn model_of(id: &WorkerId) -> String {
    let name = id.0.rsplit('/').next().unwrap_or_default();
    let model = name.rsplit_once('-').map_or(name, |(model, _)| model);
    model.to_owned()
}

#[cfg(test)]
mod tests {
    use crd::{
        id::{BootId, Digest},
        snapshot::{PresentWorker, WorkerState},
    };

    use super::*;
    use crate::state::workers::ProcessIdentity;

    fn recorded(name: &str, process: ProcessIdentity) -> RecordedWorker {
        let id = WorkerId(format!("default/{name}-0"));
        RecordedWorker {
            id: id.clone(),
            node: NodeName::from("aic-01"),
            pids: vec![process.pid + 1],
            process,
            present: Some(PresentWorker {
                id,
                program: None,
                group: None,
                socs: Vec::new(),
                port: None,
                options: Digest::from("b3:aa"),
                state: WorkerState::Ready,
            }),
        }
    }

    #[test]
    fn only_a_process_that_is_the_recorded_one_is_a_worker_and_its_ranks_are_its() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path(), "lab");
        assert!(alive(&state).unwrap().is_empty());
        let me = process::identity(std::process::id()).unwrap();
        let reused = ProcessIdentity {
            start_ticks: me.start_ticks + 1,
            ..me.clone()
        };
        let other_boot = ProcessIdentity {
            boot_id: BootId::from("another"),
            ..me.clone()
        };
        let old = RecordedWorker {
            present: None,
            ..recorded("old", me.clone())
        };
        let all = [
            recorded("mine", me.clone()),
            recorded("reused", reused),
            recorded("booted", other_boot),
            old,
        ];
        workers::write(&state.workers(), &all).unwrap();
        let known = alive(&state).unwrap();
        let [only] = known[&NodeName::from("aic-01")].as_slice() else {
            panic!("{known:?}");
        };
        assert_eq!(only.worker.id, all[0].id);
        assert_eq!(only.pids, [me.pid, me.pid + 1]);
        let reports = reports(&state).unwrap();
        let [only] = reports.as_slice() else {
            panic!("{reports:?}");
        };
        assert_eq!((only.model.as_str(), only.pid), ("mine", Some(me.pid)));
    }
}
