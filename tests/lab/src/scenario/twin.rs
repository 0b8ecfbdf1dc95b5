//! One file, twice: on a virtual rack and in a kernel, every declaration of the lab is planned, applied and taken down, and
//! after the projection both must show the same snapshots, plans and step outcomes.
use anyhow::{Context, Result, bail, ensure};
use crd::kind::rack::Server;
use serde_json::Value;
use similar::TextDiff;

use super::{Stage, cleared, same, shardplane, words};
use crate::{
    projection::{self, list},
    room::{RackFile, Twin},
    vm::{Order, Vm},
};

/// Holds where rack and kernel agree from the first look to the last.
pub(crate) fn hold(stage: &Stage, file: &RackFile, server: &Server) -> Result<()> {
    let declared = stage.declared()?;
    let order = Order {
        rack: &file.rack,
        server,
        name: format!("twin-{}-{}", file.rack.metadata.name, server.name),
        command_line: String::new(),
        declared: declared.clone(),
        disk: None,
    };
    let mut vm = Vm::boot(&stage.places, &stage.base, &order)?;
    let twin = Twin::new(&stage.places, file, server.name.as_str())?;
    let roots: Vec<String> = server
        .root_ports
        .iter()
        .map(|port| port.address.to_string())
        .collect();
    as_written(&mut vm)?;
    let before = words(&mut vm)?;
    snapshots(&mut vm, &twin, &roots).context("before anything")?;
    for (name, _) in &declared {
        let inside = format!("/lab/declared/{name}");
        let outside = stage.places.root.join("tests/lab/declared").join(name);
        let outside = outside.display().to_string();
        let plan = both(
            &mut vm,
            &twin,
            &["plan", "-o", "json", "-f"],
            Some((&inside, &outside)),
        )
        .with_context(|| format!("planning {name}"))?;
        let ports = cleared(&plan);
        both(
            &mut vm,
            &twin,
            &["apply", "-o", "json", "-f"],
            Some((&inside, &outside)),
        )
        .with_context(|| format!("applying {name}"))?;
        let after: Vec<(String, String)> = before
            .iter()
            .map(|(at, word)| {
                let bits = u16::from_str_radix(word, 16).unwrap_or(0);
                let left = if ports.contains(at) {
                    bits & !0x2c
                } else {
                    bits
                };
                (at.clone(), format!("{left:04x}"))
            })
            .collect();
        same(&format!("registers after {name}"), &words(&mut vm)?, &after)?;
        snapshots(&mut vm, &twin, &roots).with_context(|| format!("after {name}"))?;
        both(&mut vm, &twin, &["down", "-o", "json"], None)
            .with_context(|| format!("taking {name} down"))?;
        same(
            &format!("registers after {name} went"),
            &words(&mut vm)?,
            &before,
        )?;
        snapshots(&mut vm, &twin, &roots).with_context(|| format!("after {name} went"))?;
    }
    Ok(())
}

/// Makes the machine what its file says it is, where the file says more than a boot brings.
fn as_written(vm: &mut Vm) -> Result<()> {
    let wiring = vm.wiring.clone();
    if wiring.words.is_empty() && wiring.vfio.is_empty() {
        return Ok(());
    }
    let snapshot = shardplane(vm, &["snapshot", "-o", "json"])?.json()?;
    let address = |path: &str| -> Result<String> {
        list(&snapshot["functions"])
            .find(|function| function["path"] == path)
            .and_then(|function| function["address"].as_str())
            .map(str::to_owned)
            .with_context(|| format!("nothing is wired at {path}"))
    };
    for (path, word) in &wiring.words {
        let at = address(path.as_str())?;
        vm.shell(&format!("setpci -s {at} ECAP_ACS+6.w={:04x}", word.0))?;
    }
    if !wiring.vfio.is_empty() {
        vm.shell(
            "cd /lab/modules; for m in irqbypass vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do insmod $m.ko; done",
        )?;
    }
    for path in &wiring.vfio {
        let at = address(path.as_str())?;
        vm.shell(&format!(
            "echo vfio-pci > /sys/bus/pci/devices/{at}/driver_override; echo {at} > /sys/bus/pci/drivers_probe; test -e /sys/bus/pci/drivers/vfio-pci/{at}"
        ))?;
    }
    Ok(())
}

/// Runs one verb on both and compares what came of it; gives the machine's own answer.
fn both(vm: &mut Vm, twin: &Twin, words: &[&str], files: Option<(&str, &str)>) -> Result<Value> {
    let with = |file: Option<&str>| -> Vec<String> {
        words
            .iter()
            .copied()
            .chain(file)
            .map(str::to_owned)
            .collect()
    };
    let inside = with(files.map(|(inside, _)| inside));
    let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
    let outside = with(files.map(|(_, outside)| outside));
    let outside: Vec<&str> = outside.iter().map(String::as_str).collect();
    let kernel = shardplane(vm, &inside)?;
    let rack = twin.shardplane(&outside)?;
    agree(
        "what was told on the way",
        &projection::told(&rack.stderr),
        &projection::told(&kernel.stderr),
    )?;
    let (kernel_plan, rack_plan) = (kernel.json()?, rack.json()?);
    agree(
        "the result",
        &pretty(&projection::plan(&rack_plan))?,
        &pretty(&projection::plan(&kernel_plan))?,
    )?;
    same("the exit code", &kernel.status, &rack.status)?;
    Ok(kernel_plan)
}

fn snapshots(vm: &mut Vm, twin: &Twin, roots: &[String]) -> Result<()> {
    let kernel = shardplane(vm, &["snapshot", "-o", "json"])?
        .with(0)?
        .json()?;
    let rack = twin
        .shardplane(&["snapshot", "-o", "json"])?
        .with(0)?
        .json()?;
    ensure!(
        list(&kernel["functions"]).any(|function| function["port"].is_string()),
        "the machine shows no port at all"
    );
    agree(
        "the snapshot",
        &pretty(&projection::snapshot(&rack, roots))?,
        &pretty(&projection::snapshot(&kernel, roots))?,
    )
}

fn pretty(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value).context("writing JSON")
}

/// Fails with the lines in which rack and kernel differ.
fn agree(what: &str, rack: &str, kernel: &str) -> Result<()> {
    if rack == kernel {
        return Ok(());
    }
    let diff = TextDiff::from_lines(rack, kernel)
        .unified_diff()
        .context_radius(4)
        .header("rack", "kernel")
        .to_string();
    let shown: Vec<&str> = diff.lines().take(60).collect();
    bail!("{what} differs:\n{}", shown.join("\n"))
}
