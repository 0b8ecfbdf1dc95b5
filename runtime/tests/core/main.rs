//! The runtime from checkpoint folder to logits, on small random models that the tests write themselves.

mod bits;
mod checkpoint_errors;
mod config_keys;
mod programs;
mod ranks;
mod support;
