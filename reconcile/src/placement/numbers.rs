//! Which replicas of a model are the declared ones, by number: the first, but for those that run in their stead where fewer are asked
//! for than run. Whoever serves is not stopped to start another like it.
use crd::{
    declaration::Declared,
    id::{ObjectRef, WorkerId},
    kind::ShardedModelSpec,
    snapshot::{PresentWorker, WorkerState},
};

use super::worker_id;

/// The numbers of a model's replicas, ordered, where these workers run. A model whose port is declared has the first ones always:
/// clients know its replicas by their ports, which go by number.
pub fn numbers<'w>(
    model: &Declared<ShardedModelSpec>,
    workers: impl Iterator<Item = &'w PresentWorker>,
) -> Vec<u32> {
    let replicas = model.spec.replicas;
    if model.spec.serving.port.is_some() {
        return (0..replicas).collect();
    }
    let mut known: Vec<(Worth, u32)> = (0..replicas)
        .map(|number| (Worth::Absent, number))
        .collect();
    for worker in workers {
        let Some(number) = number(&worker.id, &model.object) else {
            continue;
        };
        let worth = match worker.state {
            WorkerState::Ready => Worth::Serves,
            WorkerState::Starting | WorkerState::Draining | WorkerState::Failed => Worth::Runs,
        };
        known.retain(|(_, other)| *other != number);
        known.push((worth, number));
    }
    known.sort_unstable();
    let kept = known.into_iter().take(replicas as usize);
    let mut numbers: Vec<u32> = kept.map(|(_, number)| number).collect();
    numbers.sort_unstable();
    numbers
}

/// What a replica is worth to whoever asks for fewer than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Serves,
    Runs,
    Absent,
}

/// The number of a worker that is a model's replica; none for its surplus one.
fn number(worker: &WorkerId, model: &ObjectRef) -> Option<u32> {
    let (_, number) = worker.0.rsplit_once('-')?;
    let number = number.parse().ok()?;
    (*worker == worker_id(model, number)).then_some(number)
}
