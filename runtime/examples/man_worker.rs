//! Writes the manual pages of `shardplane-worker` into a folder: `cargo run -p runtime --example man_worker -- DIR`.
fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    std::fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(runtime::cli::command(), folder)
}
