//! The loader, the schemas, the writer and the formatter, against recorded files.
mod corpus;
mod generated;
mod recorded;
