//! What is done with recorded snapshots: names replaced before one leaves the house, one compared with another, and with
//! what a rack made of it shows.
mod difference;
mod files;
mod redact;
mod replica;
mod subject;
mod tools;

pub use difference::difference;
pub use redact::{Pseudonyms, redact};
pub use replica::shown_otherwise;
