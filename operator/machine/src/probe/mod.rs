//! The probe: reads one machine into a snapshot. It never fails; what it cannot read is an unknown fact.
pub(crate) mod asked;
mod assemble;
pub(crate) mod host;
pub(crate) mod kept;
pub(crate) mod mhi;
pub(crate) mod missing;
pub(crate) mod pci;
mod prerequisites;
mod reach;
pub(crate) mod soc;
mod software;

pub use pci::bars;
pub use software::COMPILERS;

use crd::{
    Fact,
    snapshot::{HardwareSnapshot, Holder, Ledger, PresentProgram, PresentWorker, WorkerToolchain},
};

use crate::machine::Machine;

/// What the machine itself cannot say, and the snapshot needs.
#[derive(Clone, Debug)]
pub struct Known {
    /// What we changed on the node.
    pub ledger: Ledger,
    /// Programs in the store, in any order.
    pub programs: Vec<PresentProgram>,
    /// Workers that we supervise, in any order.
    pub workers: Vec<KnownWorker>,
    /// What the worker binary says of itself.
    pub worker: Fact<WorkerToolchain>,
}

/// One of our workers and its processes.
#[derive(Clone, Debug)]
pub struct KnownWorker {
    /// As it enters the snapshot.
    pub worker: PresentWorker,
    /// Its processes; what they hold counts as held by this worker.
    pub pids: Vec<u32>,
}

/// Reads the machine into a snapshot.
pub fn probe(machine: &Machine, known: &Known) -> HardwareSnapshot {
    assemble::snapshot(machine, known)
}

/// Who holds SoCs of a snapshot now, by a closer search than each probe affords: what was closed and is still mapped, and what
/// single threads have open, holds a SoC too. Before anybody counts on nobody being there.
pub fn whole_holders(machine: &Machine, known: &Known, snapshot: &HardwareSnapshot) -> Vec<Holder> {
    assemble::whole_holders(machine, known, snapshot)
}

/// Whether cores of a SoC are in use that nobody is seen to hold: whoever it was may have left between two looks.
pub fn is_at_work_unseen(snapshot: &HardwareSnapshot) -> bool {
    assemble::is_at_work_unseen(snapshot)
}
