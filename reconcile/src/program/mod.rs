//! Programs: their keys, and everything that the vendor's compiler is given, as values.
mod compiler;
mod image;
mod key;
mod partition;
mod specialization;
mod wanted;

pub use compiler::{CompilerError, compiler_call};
pub use image::{declared_model, tools_of_image};
pub use key::{REVISION, key};
pub use partition::{PartitionError, partition_config};
pub use specialization::{Form, custom_io, specializations};
pub use wanted::{Use, Wanted, wanted};
