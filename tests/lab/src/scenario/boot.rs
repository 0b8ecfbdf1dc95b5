//! What the package's units make of a boot: whoever needs P2P starts when ACS is as declared, after every boot, or not at all.
use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use crd::{kind::rack::VirtualHost, snapshot::Lockdown};

use super::{
    Stage,
    disk::{self, Disk},
    same, words,
};
use crate::{
    room::RackFile,
    vm::{Init, Vm},
};

/// From the agent's first word to the last unit of a boot: a little less than a command may take.
const BOOTED: Duration = Duration::from_secs(170);
/// The ports of the card's switch: all that the declaration of `tests/lab/boot` relaxes.
const CARD: &str = "0000:02:";

/// What a unit saw when it was started (`tests/lab/boot/report`).
#[derive(Debug)]
struct Report {
    max_map_count: String,
    /// Every port's ACS control word.
    words: BTreeMap<String, String>,
}

/// Twice in a row, power cut between: the kernel brings redirects back, and units that depend on ours start after they went.
pub(super) fn twice(stage: &Stage) -> Result<()> {
    let rack = stage.rack("ultra-on-root-port")?;
    let disk = Disk::empty(stage, "at-boot")?;
    for number in 1..=2 {
        let mut vm = boot(stage, &format!("at-boot/boot-{number}"), &rack, &disk)?;
        relaxed_first(&mut vm).with_context(|| format!("in boot {number}"))?;
        disk::reset_once(&mut vm)?;
        // Ours is at rest now: what is found afterwards is what it left.
        vm.cut_power()?;
    }
    Ok(())
}

/// Both units started, the one that needs P2P after everything was as declared.
fn relaxed_first(vm: &mut Vm) -> Result<()> {
    until(vm, "[ -z \"$(systemctl list-jobs --no-legend)\" ]")?;
    let needs = report(vm, "needs-p2p")?.context("what needs P2P was not started")?;
    let kubelet = report(vm, "kubelet")?.context("the kubelet was not started")?;
    ensure!(!needs.words.is_empty(), "no port was seen");
    for report in [&needs, &kubelet] {
        for (port, word) in &report.words {
            let wanted = if port.starts_with(CARD) {
                "0011"
            } else {
                "001d"
            };
            same(port, &word.as_str(), &wanted)?;
        }
        same(
            "vm.max_map_count",
            &report.max_map_count.as_str(),
            &"2048000",
        )?;
    }
    for unit in ["shardplane", "shardplane-ready", "needs-p2p", "kubelet"] {
        same(unit, &state(vm, unit)?.as_str(), &"active")?;
    }
    Ok(())
}

/// A kernel that lets nobody write registers: what hands out cards starts all the same, what needs P2P never does, and the
/// unit says why.
pub(super) fn locked_down(stage: &Stage) -> Result<()> {
    let mut rack = stage.rack("ultra-on-root-port")?;
    let server = rack.rack.spec.servers.first_mut();
    server.context("the rack is empty")?.host = Some(VirtualHost {
        lockdown: Some(Lockdown::Integrity),
        ..VirtualHost::default()
    });
    let disk = Disk::empty(stage, "at-boot-locked-down")?;
    let mut vm = boot(stage, "at-boot-locked-down", &rack, &disk)?;
    // A person may still do something about it, so what waits for cards as declared goes on waiting, and says for what.
    until(
        &mut vm,
        "systemctl -q is-active kubelet && journalctl -u shardplane-ready | grep -q 'waiting: .*lockdown'",
    )?;
    ensure!(
        report(&mut vm, "kubelet")?.is_some(),
        "the kubelet was not started"
    );
    ensure!(
        report(&mut vm, "needs-p2p")?.is_none(),
        "what needs P2P was started without it"
    );
    for (unit, wanted) in [
        ("shardplane", "active"),
        ("shardplane-ready", "activating"),
        ("needs-p2p", "inactive"),
    ] {
        same(unit, &state(&mut vm, unit)?.as_str(), &wanted)?;
    }
    let says = vm.shell("systemctl show --property StatusText --value shardplane")?;
    ensure!(
        says.to_lowercase().contains("lockdown"),
        "the unit's status says nothing of lockdown: {says}"
    );
    for (port, word) in words(&mut vm)? {
        same(&port, &word.as_str(), &"001d")?;
    }
    Ok(())
}

fn boot(stage: &Stage, name: &str, rack: &RackFile, disk: &Disk) -> Result<Vm> {
    stage.boot(name, rack, |order| {
        order.init = Init::Systemd;
        order.disk = Some(disk.path().to_owned());
    })
}

/// Waits until a line of shell succeeds; what systemd still has to do, and its journal, say why it never did.
fn until(vm: &mut Vm, line: &str) -> Result<()> {
    let within = BOOTED.as_secs();
    vm.shell(&format!(
        "export SYSTEMD_PAGER=; end=$(($(date +%s) + {within})); until {line}; do if [ $(date +%s) -gt $end ]; then systemctl list-jobs; journalctl -b | tail -40; exit 1; fi; usleep 100000; done"
    ))
    .map(drop)
}

/// `ActiveState` of a unit.
fn state(vm: &mut Vm, unit: &str) -> Result<String> {
    let said = vm.shell(&format!(
        "systemctl show --property ActiveState --value {unit}"
    ))?;
    Ok(said.trim().to_owned())
}

/// What a unit saw when it was started; absent when it was not.
fn report(vm: &mut Vm, unit: &str) -> Result<Option<Report>> {
    let text = vm.shell(&format!("cat /run/{unit}.report 2>/dev/null || true"))?;
    if text.is_empty() {
        return Ok(None);
    }
    let mut words: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Ok(Some(Report {
        max_map_count: words
            .remove("vm.max_map_count")
            .context("no setting is reported")?,
        words,
    }))
}
