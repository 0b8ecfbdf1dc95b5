//! What the kernel does to ACS behind our back, and what `up` does about it; and a SoC that goes and comes back.
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Stage, cleared, groups, same, shardplane, words};
use crate::{
    projection::{is_soc, list},
    vm::Vm,
};

/// The divergence ports of eight SoCs on two Ultra cards: the host switch's two, and four on each card.
const DIVERGENCE: [&str; 10] = [
    "0000:22:00.0",
    "0000:22:01.0",
    "0000:24:00.0",
    "0000:24:01.0",
    "0000:24:02.0",
    "0000:24:03.0",
    "0000:2a:00.0",
    "0000:2a:01.0",
    "0000:2a:02.0",
    "0000:2a:03.0",
];
/// Seconds between two looks of `up`.
const INTERVAL: u64 = 2;
/// From the start of `up` to its first round.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

const FILE: &str = "/lab/declared/switch.yaml";

/// From a fresh boot to exactly that again: plan, apply, drift by the kernel's own hand, repair, down.
pub(super) fn repair(stage: &Stage) -> Result<()> {
    let rack = stage.rack("two-ultra")?;
    let mut vm = stage.boot("drift-and-repair", &rack, |_| {})?;

    // A kernel with an IOMMU turns SV, RR, CR and UF on wherever it can.
    let before = words(&mut vm)?;
    let mut with_acs: Vec<String> = before.iter().map(|(at, _)| at.clone()).collect();
    with_acs.retain(|at| at != "0000:20:01.0");
    same(
        "ports with ACS",
        &with_acs,
        &DIVERGENCE.map(str::to_owned).to_vec(),
    )?;
    for (at, word) in &before {
        same(at, &word.as_str(), &"001d")?;
    }

    // The tree, as the product reads it.
    let tree = shardplane(&mut vm, &["probe", "-o", "json"])?
        .with(0)?
        .json()?;
    let socs: Vec<&str> = list(&tree["functions"])
        .filter(|function| is_soc(function))
        .filter_map(|function| function["path"].as_str())
        .collect();
    let wanted: Vec<String> = (0..2)
        .flat_map(|card| {
            (0..4).map(move |soc| format!("0000:20:01.0/00.0/{card:02x}.0/00.0/{soc:02x}.0/00.0"))
        })
        .collect();
    ensure!(socs == wanted, "SoCs are wired at {socs:?}");

    // Exactly the divergence ports, and what really happens to isolation.
    let plan = shardplane(&mut vm, &["plan", "-o", "json", "-f", FILE])?
        .with(0)?
        .json()?;
    same(
        "ports to clear",
        &cleared(&plan),
        &DIVERGENCE.map(str::to_owned).to_vec(),
    )?;
    let isolation = list(&plan["nodes"])
        .flat_map(|node| list(&node["steps"]))
        .map(|step| &step["disruption"]["isolation"])
        .find(|isolation| isolation.is_object())
        .context("no step says what it does to isolation")?;
    ensure!(
        list(&isolation["kernel"]).all(|group| list(&group["functions"]).count() == 1),
        "the kernel's groups are not one a SoC: {}",
        isolation["kernel"]
    );
    let joined: Vec<usize> = list(&isolation["after"])
        .map(|set| list(set).count())
        .collect();
    same("really isolated sets afterwards", &joined, &vec![8])?;

    let kernels = groups(&mut vm)?;
    shardplane(&mut vm, &["apply", "-f", FILE])?
        .with(0)
        .context("applying")?;
    relaxed(&words(&mut vm)?)?;
    same("the kernel's groups", &groups(&mut vm)?, &kernels)?;
    let started = host::now();
    shardplane(&mut vm, &["plan", "--detailed-exitcode", "-f", FILE])?
        .with(0)
        .context("planning again")?;

    drifts(&mut vm, started.elapsed())?;

    shardplane(&mut vm, &["down"])?
        .with(0)
        .context("taking it down")?;
    same("registers at the end", &words(&mut vm)?, &before)
}

/// Under a running `up`, resets of ports bring the kernel's word back, and each is seen and repaired within a second of the
/// next look; a look and a repair each take what a plan takes where every instruction is interpreted.
fn drifts(vm: &mut Vm, look: Duration) -> Result<()> {
    let interval = INTERVAL.to_string();
    let repaired_within = Duration::from_secs(INTERVAL + 1) + 2 * look;
    let up = vm.start(
        &[
            "shardplane",
            "up",
            "-f",
            FILE,
            "--interval",
            &interval,
            "--state-dir",
            "/state/shardplane",
        ],
        "/tmp/up.log",
    )?;
    let port = "0000:24:00.0";
    let reset =
        format!("echo 1 > /sys/bus/pci/devices/{port}/reset; setpci -s {port} ECAP_ACS+6.w");
    // The first round may take longer: the program starts. Afterwards it is there, and looks in time.
    for (round, within) in [(1, STARTED_WITHIN), (2, repaired_within)] {
        same(
            "the word after the port's reset",
            &vm.shell(&reset)?.trim(),
            &"001d",
        )?;
        if let Err(error) = vm.until(port, "0011", within) {
            let log = vm.shell("cat /tmp/up.log")?;
            bail!("{error:#}; `up` said\n{log}");
        }
        settled(vm, port, round)?;
    }
    // A reset of everything below a port takes four words at once.
    vm.shell("echo 1 > /sys/bus/pci/devices/0000:22:01.0/reset_subordinate")?;
    for (repaired, port) in (1..).zip(&DIVERGENCE[6..]) {
        // Four repairs, one after another.
        vm.until(port, "0011", repaired_within + repaired * look)?;
    }
    settled(vm, DIVERGENCE[9], 1)?;
    same("how `up` ended", &vm.stop(up)?, &Some(0))?;
    relaxed(&words(vm)?)
}

/// Waits until the journal says that the nth repair of a port is verified: in the middle of one, `up` does not look for
/// another, and a reset then is a failed step first.
fn settled(vm: &mut Vm, port: &str, repairs: u32) -> Result<()> {
    let verified = format!(r#""verified","step":"lab/acs.clear/{port}""#);
    // One is `apply`'s.
    vm.shell(&format!(
        "until [ $(grep -c '{verified}' /state/shardplane/machine/lab/journal) -gt {repairs} ]; do usleep 50000; done"
    ))
    .map(drop)
}

fn relaxed(words: &[(String, String)]) -> Result<()> {
    for (at, word) in words {
        let wanted = if DIVERGENCE.contains(&at.as_str()) {
            "0011"
        } else {
            "001d"
        };
        same(at, &word.as_str(), &wanted)?;
    }
    Ok(())
}

/// A SoC that is taken off the bus and found again is the SoC that it was, though the kernel now groups it otherwise.
pub(super) fn rescan(stage: &Stage) -> Result<()> {
    let rack = stage.rack("ultra-on-root-port")?;
    let mut vm = stage.boot("removed-and-rescanned", &rack, |_| {})?;
    let soc = "0000:04:00.0";
    let file = "/lab/declared/card.yaml";
    shardplane(&mut vm, &["apply", "-f", file])?
        .with(0)
        .context("applying")?;
    let before = seen(&mut vm, soc)?.context("the SoC is not there")?;

    vm.shell(&format!("echo 1 > /sys/bus/pci/devices/{soc}/remove"))?;
    ensure!(seen(&mut vm, soc)?.is_none(), "the SoC is still seen");
    let plan = shardplane(&mut vm, &["plan", "-o", "json", "-f", file])?.json()?;
    same(
        "ports to touch while it is away",
        &cleared(&plan),
        &Vec::new(),
    )?;
    ensure!(
        list(&plan["report"])
            .any(|line| line["object"]["name"] == "quad" && line["kind"] == "blocked"),
        "nothing says that the group is short of a member: {}",
        plan["report"]
    );

    vm.shell("echo 1 > /sys/bus/pci/rescan")?;
    let after = seen(&mut vm, soc)?.context("the SoC did not come back")?;
    same("its identity", &after, &before)?;
    let group = |vm: &mut Vm, at: &str| {
        vm.shell(&format!(
            "basename $(readlink /sys/bus/pci/devices/{at}/iommu_group)"
        ))
    };
    let (own, ports) = (group(&mut vm, soc)?, group(&mut vm, "0000:02:01.0")?);
    same("the kernel's group, which is now the port's", &own, &ports)?;
    shardplane(&mut vm, &["plan", "--detailed-exitcode", "-f", file])?
        .with(0)
        .context("planning after it came back")?;
    heard(&mut vm, soc, file)
}

/// Under an `up` that looks once an hour, what the kernel tells of a device is reason enough to look: a port that was
/// reset in silence is repaired as soon as a SoC comes back.
fn heard(vm: &mut Vm, soc: &str, file: &str) -> Result<()> {
    let port = "0000:02:00.0";
    let reset = format!("echo 1 > /sys/bus/pci/devices/{port}/reset");
    vm.shell(&reset)?;
    let up = vm.start(
        &[
            "shardplane",
            "up",
            "-f",
            file,
            "--interval",
            "3600",
            "--state-dir",
            "/state/shardplane",
        ],
        "/tmp/up.log",
    )?;
    vm.until(port, "0011", STARTED_WITHIN)
        .context("the first look of `up`")?;
    settled(vm, port, 1)?;
    vm.shell(&format!("echo 1 > /sys/bus/pci/devices/{soc}/remove"))?;
    vm.shell(&format!(
        "until grep -q 'the kernel told of {soc} (' /tmp/up.log; do usleep 50000; done"
    ))
    .context("`up` hears that a SoC goes")?;
    vm.shell(&reset)?;
    vm.shell("echo 1 > /sys/bus/pci/rescan")?;
    if let Err(error) = vm.until(port, "0011", STARTED_WITHIN) {
        let log = vm.shell("cat /tmp/up.log")?;
        bail!("{error:#}; `up` said\n{log}");
    }
    settled(vm, port, 2)?;
    same("how `up` ended", &vm.stop(up)?, &Some(0))
}

/// Address, path and what the ledger knows of a SoC; absent when it is not on the bus.
fn seen(vm: &mut Vm, soc: &str) -> Result<Option<(String, String)>> {
    let snapshot = shardplane(vm, &["snapshot", "-o", "json"])?
        .with(0)?
        .json()?;
    let known = list(&snapshot["ledger"]["identities"])
        .find(|identity| identity["address"] == soc)
        .map(ToString::to_string)
        .unwrap_or_default();
    Ok(list(&snapshot["socs"])
        .find(|found| found["address"] == soc)
        .and_then(|found| found["path"].as_str())
        .map(|path| (path.to_owned(), known)))
}
