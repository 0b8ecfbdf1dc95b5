//! The core as its callers see it: tables, mutated plans and properties over random worlds.
mod declare;
mod quickstart;
mod simulate;
mod world;
