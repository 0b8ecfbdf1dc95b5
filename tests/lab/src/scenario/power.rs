//! Power that goes away in the middle of `apply`: what was journalled is found after the next boot, and finished once.
use std::time::Duration;

use anyhow::{Context, Result};

use super::{
    Stage,
    disk::{self, Disk},
    same, shardplane, words,
};
use crate::vm::Vm;

const FILE: &str = "/lab/declared/switch.yaml";
/// From the start of `apply` to its first register.
const FIRST_WRITE: Duration = Duration::from_mins(1);

/// Cuts power while registers are written, then while SoCs are reset; the third boot's `apply` ends what the first began.
pub(super) fn loss(stage: &Stage) -> Result<()> {
    let rack = stage.rack("two-ultra")?;
    let disk = Disk::empty(stage, "power-loss")?;
    let boot = |number: u32| {
        stage.boot(&format!("power-loss/boot-{number}"), &rack, |order| {
            order.disk = Some(disk.path().to_owned());
        })
    };

    let mut vm = boot(1)?;
    apply(&mut vm)?;
    vm.until("0000:22:01.0", "0011", FIRST_WRITE)?;
    vm.cut_power()?;

    let mut vm = boot(2)?;
    for (at, word) in words(&mut vm)? {
        same(&format!("{at} after the boot"), &word.as_str(), &"001d")?;
    }
    apply(&mut vm)?;
    // The third SoC is in reset.
    vm.shell("until [ $(cat /state/firmware/*/*/rack/registers.json | grep -o '\"resets\":1' | wc -l) -ge 3 ]; do usleep 10000; done")?;
    vm.cut_power()?;

    let mut vm = boot(3)?;
    shardplane(&mut vm, &["apply", "-f", FILE])?
        .with(0)
        .context("applying in the third boot")?;
    shardplane(&mut vm, &["plan", "--detailed-exitcode", "-f", FILE])?
        .with(0)
        .context("planning again")?;
    for (at, word) in words(&mut vm)? {
        let wanted = if at == "0000:20:01.0" { "001d" } else { "0011" };
        same(&at, &word.as_str(), &wanted)?;
    }
    disk::reset_once(&mut vm)?;
    shardplane(&mut vm, &["down"])?
        .with(0)
        .context("taking it down")?;
    for (at, word) in words(&mut vm)? {
        same(&format!("{at} at the end"), &word.as_str(), &"001d")?;
    }
    Ok(())
}

fn apply(vm: &mut Vm) -> Result<u32> {
    vm.start(
        &[
            "shardplane",
            "apply",
            "-f",
            FILE,
            "--state-dir",
            "/state/shardplane",
        ],
        "/tmp/apply.log",
    )
}
