//! A model as numbers: its shape.

pub mod shape;

pub use shape::{Architecture, ModelShape, Rope, RopeScaling};
