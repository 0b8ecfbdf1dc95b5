//! Writes the manual pages of `shardplane` and its verbs into a folder: `cargo run -p operator --example man -- DIR`.
use clap::CommandFactory;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    std::fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(operator::cli::Cli::command(), folder)
}
