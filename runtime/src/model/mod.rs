//! A model as numbers: its shape, one rank's slice of its weights, and the forward pass over that slice.

pub mod cache;
pub mod forward;
pub mod parts;
pub mod positions;
pub mod shape;

pub use forward::{Abandoned, Collective, Forward, Row};
pub use parts::{Slice, SliceError};
pub use shape::{Architecture, ModelShape, Rope, RopeScaling};
