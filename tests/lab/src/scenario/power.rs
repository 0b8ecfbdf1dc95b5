//! Power that goes away in the middle of `apply`: what was journalled is found after the next boot, and finished once.
use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Stage, same, shardplane, words};
use crate::{host, vm::Vm};

const FILE: &str = "/lab/declared/switch.yaml";
/// Room for state, journal and the doubled firmware's registers.
const DISK: u64 = 64 << 20;
/// From the start of `apply` to its first register.
const FIRST_WRITE: Duration = Duration::from_mins(1);

/// Cuts power while registers are written, then while SoCs are reset; the third boot's `apply` ends what the first began.
pub(super) fn loss(stage: &Stage) -> Result<()> {
    let rack = stage.rack("two-ultra")?;
    let folder = stage.places.left.join("power-loss");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let disk = folder.join("state.img");
    format(&disk)?;
    let boot = |number: u32| {
        stage.boot(&format!("power-loss/boot-{number}"), &rack, |order| {
            order.disk = Some(disk.clone());
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
    let firmware: Value =
        serde_json::from_str(&vm.shell("cat /state/firmware/*/*/rack/registers.json")?)?;
    for (path, soc) in firmware["socs"].as_object().into_iter().flatten() {
        ensure!(soc["mdp"] == true, "{path} has no partitioning");
        ensure!(
            soc["resets"].as_u64() <= Some(1),
            "{path} was reset {} times",
            soc["resets"]
        );
    }
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

/// An empty disk for the machine's state.
fn format(disk: &Path) -> Result<()> {
    // What an earlier run left must not help this one.
    if disk.exists() {
        fs::remove_file(disk).with_context(|| format!("removing {}", disk.display()))?;
    }
    let file = fs::File::create(disk).with_context(|| format!("creating {}", disk.display()))?;
    file.set_len(DISK)?;
    host::output(
        host::command("/sbin/mke2fs")
            .args(["-q", "-F", "-t", "ext4"])
            .arg(disk),
    )?;
    Ok(())
}
