//! The chart, the image and what is watched, without a cluster: what helm makes of values, and what stands beside it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]
mod drawn;
mod image;
mod privileges;
mod source;
mod taken;
mod watched;
mod wrong;
