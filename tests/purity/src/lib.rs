//! Reads a source file of a crate that must be pure and reports each way out that it opens. What may be named from outside is
//! listed; whatever is not on the list is a way out, so that a new one needs nobody to have thought of it.
mod allowed;
mod attribute;
pub mod house;
mod path;
mod text;
mod walk;

pub use allowed::{Allowed, Unread};

/// A way out of a pure crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The line, counted from one.
    pub line: usize,
    /// What is named there.
    pub what: String,
}

/// Every way out that a source file opens, in its order. Comments and texts are no code; what a macro or an attribute is
/// given is.
///
/// # Errors
/// A file that is not made of Rust's tokens is not judged.
pub fn ways_out(source: &str, allowed: &Allowed) -> Result<Vec<WayOut>, Unread> {
    let tokens = text::tokens(source)?;
    let mut walk = walk::Walk::new(allowed);
    walk.tokens(&tokens);
    Ok(walk.found)
}
