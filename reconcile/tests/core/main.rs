//! The core as its callers see it: tables, mutated plans and properties over random worlds.
mod declare;
mod mutations;
mod properties;
mod quickstart;
mod random;
mod simulate;
mod world;
