//! One file, twice: on a virtual rack and in a kernel, every declaration of the lab is planned, applied and taken down, and
//! after the projection both must show the same snapshots, plans and step outcomes.
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use crd::{kind::rack::Server, step::ACS_REDIRECT_MASK};
use serde_json::Value;
use similar::TextDiff;

use super::{Declared, Stage, cleared, named, same, shardplane, words};
use crate::{
    projection::{self, Waits, list},
    room::{RackFile, Twin},
    vm::{Init, Order, Vm},
};

/// Seconds after a reset by which the longest of machines has looked at the SoC.
const SEEN: u32 = 3;

/// A machine and its virtual rack, made of one server of one file.
struct Pair {
    vm: Vm,
    twin: Twin,
    roots: Vec<String>,
    declared: Vec<Declared>,
    waits: Waits,
}

/// Holds where rack and kernel agree at first look, and on what to do.
pub(super) fn look(stage: &Stage, file: &RackFile, server: &Server) -> Result<()> {
    let mut pair = Pair::boot(stage, file, server)?;
    pair.snapshots().context("before anything")?;
    for file in pair.declared.clone() {
        pair.verb(&["plan"], Some(&file))
            .with_context(|| format!("planning {}", file.name))?;
    }
    Ok(())
}

/// Holds where rack and kernel agree from the first look to the last.
pub(super) fn hold(stage: &Stage, file: &RackFile, server: &Server) -> Result<()> {
    let mut pair = Pair::boot(stage, file, server)?;
    let before = words(&mut pair.vm)?;
    pair.snapshots().context("before anything")?;
    for file in pair.declared.clone() {
        let name = &file.name;
        let plan = pair
            .verb(&["plan"], Some(&file))
            .with_context(|| format!("planning {name}"))?;
        let ports = cleared(&plan);
        pair.verb(&["apply"], Some(&file))
            .with_context(|| format!("applying {name}"))?;
        let after: Vec<(String, String)> = before
            .iter()
            .map(|(at, word)| (at.clone(), left(word, ports.contains(at))))
            .collect();
        same(
            &format!("registers after {name}"),
            &words(&mut pair.vm)?,
            &after,
        )?;
        pair.snapshots().with_context(|| format!("after {name}"))?;
        pair.verb(&["down"], None)
            .with_context(|| format!("taking {name} down"))?;
        same(
            &format!("registers after {name} went"),
            &words(&mut pair.vm)?,
            &before,
        )?;
        pair.snapshots()
            .with_context(|| format!("after {name} went"))?;
    }
    Ok(())
}

/// What a plan leaves of a control word: all of it, or all but the bits that redirect or block.
fn left(word: &str, cleared: bool) -> String {
    let bits = u16::from_str_radix(word, 16).unwrap_or(0);
    let left = if cleared {
        bits & !ACS_REDIRECT_MASK
    } else {
        bits
    };
    format!("{left:04x}")
}

impl Pair {
    fn boot(stage: &Stage, file: &RackFile, server: &Server) -> Result<Self> {
        let declared = stage.declared(&file.rack.metadata.name)?;
        let order = Order {
            rack: &file.rack,
            server,
            name: format!("twin-{}-{}", file.rack.metadata.name, server.name),
            command_line: String::new(),
            declared: named(&declared),
            disk: None,
            init: Init::Agent,
        };
        let twin = Twin::new(&stage.places, file, server.name.as_str())?;
        // What no rack can be, no firmware needs to try.
        twin.shardplane(&["probe"])?
            .with(0)
            .context("the rack is none")?;
        let mut vm = Vm::boot(&stage.places, &stage.base, &order)?;
        as_written(&mut vm)?;
        let boots = server.durations.as_ref();
        let boots = boots.and_then(|durations| durations.initialize_seconds);
        let waits = match (boots, file.rack.spec.speedup) {
            (Some(seconds), Some(speedup)) if seconds / speedup >= SEEN => Waits::Compared,
            (Some(_) | None, _) => Waits::LeftOut,
        };
        Ok(Self {
            vm,
            twin,
            waits,
            roots: server
                .root_ports
                .iter()
                .map(|port| port.address.to_string())
                .collect(),
            declared,
        })
    }

    /// Runs one verb on both and compares what came of it; gives the machine's own answer.
    fn verb(&mut self, verb: &[&str], declared: Option<&Declared>) -> Result<Value> {
        let with = |file: Option<PathBuf>| -> Vec<String> {
            let file = file.map(|path| ["-f".to_owned(), path.display().to_string()]);
            let verb = verb.iter().map(|&word| word.to_owned());
            verb.chain(["-o".to_owned(), "json".to_owned()])
                .chain(file.into_iter().flatten())
                .collect()
        };
        let inside = with(declared.map(|file| Path::new("/lab/declared").join(&file.name)));
        let outside = with(declared.map(|file| file.path.clone()));
        let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
        let outside: Vec<&str> = outside.iter().map(String::as_str).collect();
        let kernel = shardplane(&mut self.vm, &inside)?;
        let rack = self.twin.shardplane(&outside)?;
        agree(
            "what was told on the way",
            &projection::told(&rack.stderr, self.waits),
            &projection::told(&kernel.stderr, self.waits),
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

    fn snapshots(&mut self) -> Result<()> {
        let words = ["snapshot", "-o", "json"];
        let kernel = shardplane(&mut self.vm, &words)?.with(0)?.json()?;
        let rack = self.twin.shardplane(&words)?.with(0)?.json()?;
        ensure!(
            list(&kernel["functions"]).any(|function| function["port"].is_string()),
            "the machine shows no port at all"
        );
        agree(
            "the snapshot",
            &pretty(&projection::snapshot(&rack, &self.roots))?,
            &pretty(&projection::snapshot(&kernel, &self.roots))?,
        )
    }
}

/// Makes the machine what its file says it is, where the file says more than a boot brings.
fn as_written(vm: &mut Vm) -> Result<()> {
    let wiring = vm.wiring.clone();
    for (file, value) in &wiring.settings {
        vm.shell(&format!("echo {value} > {file}"))?;
    }
    if wiring.words.is_empty() && wiring.vfio.is_empty() && wiring.unbound.is_empty() {
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
    for path in &wiring.unbound {
        let at = address(path.as_str())?;
        vm.shell(&format!(
            "echo {at} > /sys/bus/pci/devices/{at}/driver/unbind"
        ))?;
    }
    if !wiring.vfio.is_empty() {
        vm.shell(
            "cd /lab/modules; for m in irqbypass iommufd vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do if test -e $m.ko; then insmod $m.ko; fi; done",
        )?;
    }
    for path in &wiring.vfio {
        let at = address(path.as_str())?;
        vm.shell(&format!(
            "cd /sys/bus/pci/devices/{at}; echo vfio-pci > driver_override; if test -e driver; then echo {at} > driver/unbind; fi; echo {at} > /sys/bus/pci/drivers_probe; test -e /sys/bus/pci/drivers/vfio-pci/{at}"
        ))?;
    }
    Ok(())
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
