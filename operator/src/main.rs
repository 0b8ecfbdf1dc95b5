//! The `shardplane` command.
fn main() {}
