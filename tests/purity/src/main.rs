//! `purity FILE…` prints each way out that a source file opens, as `file:line: what`. Run in the repository's root.
use std::{env, path::Path, process::ExitCode};

use anyhow::Context;
use purity::{house, ways_out};

#[expect(clippy::print_stdout, reason = "what was found is its answer")]
fn main() -> anyhow::Result<ExitCode> {
    let allowed = house::allowed(Path::new("."))?;
    let mut any = false;
    for name in env::args().skip(1) {
        let source = house::text(Path::new(&name))?;
        let found = ways_out(&source, &allowed).with_context(|| format!("judging {name}"))?;
        any |= !found.is_empty();
        for way in found {
            println!("{name}:{}: {}", way.line, way.what);
        }
    }
    Ok(ExitCode::from(u8::from(any)))
}
