//! The one integration binary: the tidy checks and the product end to end.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

mod marker;
mod quickstart;
mod tidy;
mod turns;
