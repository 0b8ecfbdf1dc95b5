//! The loader, the schemas, the writer and the formatter, against recorded files.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read recorded files; the crate itself reads none"
)]
mod cases;
mod corpus;
mod formatted;
mod generated;
mod limits;
mod lists;
mod mutated;
mod numbers;
mod odd_text;
mod racks;
mod recorded;
mod styled;
mod tampered;
mod unclosed;
mod written;
