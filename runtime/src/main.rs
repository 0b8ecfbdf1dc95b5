//! The `shardplane-worker` command.
fn main() {}
