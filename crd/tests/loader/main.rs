//! The loader, the schemas, the writer and the formatter, against recorded files.
mod corpus;
mod formatted;
mod generated;
mod recorded;
mod written;
