//! What is done with recorded snapshots: names replaced before one leaves the house, and one compared with another.
mod difference;
mod redact;
mod subject;
mod tools;

pub use difference::difference;
pub use redact::{Pseudonyms, redact};
