//! Programs: their keys, and everything that the vendor's compiler is given, as values.
mod compiler;
mod key;
mod partition;
mod specialization;

pub use compiler::{CompilerError, compiler_call};
pub use key::{REVISION, key};
pub use partition::{PartitionError, partition_config};
pub use specialization::{Form, custom_io, specializations};
