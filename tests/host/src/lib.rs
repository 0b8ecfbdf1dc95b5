//! The machine that the tiers of tests run on: its programs, its clock, waiting for what takes time, and what starts a
//! control plane of Kubernetes. Whoever starts a program or reads the clock in a tier does it here.
mod clock;
pub mod plane;
mod ports;
mod program;
mod running;

pub use clock::{LIMIT, now, until, within};
pub use ports::free_ports;
pub use program::{Answer, answer, answer_to, command, output, say, tail, tied};
pub use running::Running;
