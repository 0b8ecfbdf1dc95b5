//! What must hold: the same file on a rack and in a kernel (`twin`), and what a rack cannot show of itself.
mod boot;
mod disk;
mod drift;
mod kernel;
mod power;
mod twin;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    image,
    place::Places,
    projection::list,
    room::RackFile,
    vm::{Ended, Init, Order, Vm},
};

/// What every scenario starts from.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) places: Places,
    /// The part of a machine's first root that all have.
    pub(crate) base: Vec<u8>,
    /// Declarations for every machine instead of the lab's own; none where nobody brought any.
    brought: Vec<PathBuf>,
}

/// A file that declares something.
#[derive(Clone, Debug)]
struct Declared {
    name: String,
    path: PathBuf,
    text: String,
}

/// Something that must hold.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) hold: Hold,
}

/// How far a rack and a kernel are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// At first look, and in what to do.
    Look,
    /// To the end of every declaration, and back.
    Hold,
}

/// Fails where it does not hold.
type Hold = Box<dyn Fn(&Stage) -> Result<()> + Send + Sync>;

impl Scenario {
    fn new(name: &str, hold: fn(&Stage) -> Result<()>) -> Self {
        Self {
            name: name.to_owned(),
            hold: Box::new(hold),
        }
    }
}

/// Example racks that are too large to change in an emulator, and not too large to look at.
const LOOKED_AT: [(&str, &str); 3] = [
    ("eight-ultra-two-switches", "aic-01"),
    ("eight-standard-root-ports", "aic-01"),
    ("mixed", "aic-01"),
];

/// Every scenario: the rack files of the lab, then what needs more than a file; the longest first.
pub(crate) fn all(places: &Places) -> Result<Vec<Scenario>> {
    let folder = places.root.join("tests/lab/racks");
    let mut racks: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("listing {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    racks.sort();
    let mut all = vec![
        Scenario::new("at-boot", boot::twice),
        Scenario::new("power-loss", power::loss),
        Scenario::new("drift-and-repair", drift::repair),
        Scenario::new("removed-and-rescanned", drift::rescan),
        Scenario::new("at-boot-locked-down", boot::locked_down),
        Scenario::new("lockdown", kernel::lockdown),
        Scenario::new("unprivileged", kernel::unprivileged),
        Scenario::new("boot-parameters", kernel::boot_parameters),
    ];
    all.extend(of_racks(racks, Depth::Hold)?);
    for (name, server) in LOOKED_AT {
        let path = places.root.join(format!("examples/racks/{name}.yaml"));
        let file = RackFile::read(&path)?;
        let server = file
            .rack
            .spec
            .servers
            .iter()
            .find(|known| known.name.as_str() == server);
        let server = server
            .with_context(|| format!("{name} has no such server"))?
            .clone();
        all.push(Scenario {
            name: format!("look/{name}/{}", server.name),
            hold: Box::new(move |stage| twin::look(stage, &file, &server)),
        });
    }
    Ok(all)
}

/// One scenario a server of these rack files: it must be on a kernel what it is on a rack.
pub(crate) fn of_racks(files: Vec<PathBuf>, depth: Depth) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for path in files {
        let file = RackFile::read(&path)?;
        for server in &file.rack.spec.servers {
            let (file, server) = (file.clone(), server.clone());
            scenarios.push(Scenario {
                name: format!("twin/{}/{}", file.rack.metadata.name, server.name),
                hold: Box::new(move |stage| match depth {
                    Depth::Look => twin::look(stage, &file, &server),
                    Depth::Hold => twin::hold(stage, &file, &server),
                }),
            });
        }
    }
    Ok(scenarios)
}

/// Boots the first server of a rack file and runs lines of shell in it; gives what they printed.
pub(crate) fn inside(stage: &Stage, file: &Path, lines: &[String]) -> Result<Vec<String>> {
    let rack = RackFile::read(file)?;
    let mut vm = stage.boot("inside", &rack, |_| {})?;
    lines
        .iter()
        .map(|line| {
            let Ended {
                status,
                stdout,
                stderr,
            } = vm.run(&["sh", "-c", line])?;
            Ok(format!("{stdout}{stderr}exit code {status:?}"))
        })
        .collect()
}

impl Stage {
    /// Prepares what every machine needs.
    pub(crate) fn new(places: Places, brought: Vec<PathBuf>) -> Result<Self> {
        Ok(Self {
            base: image::base(&places)?,
            places,
            brought,
        })
    }

    /// One of the lab's rack files.
    fn rack(&self, name: &str) -> Result<RackFile> {
        let file = format!("tests/lab/racks/{name}.yaml");
        RackFile::read(&self.places.root.join(file))
    }

    /// What is declared for a rack, by file name: what was brought, else a folder of the rack's own, else the lab's.
    fn declared(&self, rack: &str) -> Result<Vec<Declared>> {
        let mut paths = self.brought.clone();
        if paths.is_empty() {
            let shared = self.places.root.join("tests/lab/declared");
            let own = shared.join(rack);
            let folder = if own.is_dir() { own } else { shared };
            for entry in
                fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?
            {
                paths.push(entry?.path());
            }
            paths.retain(|path| path.is_file());
            paths.sort();
        }
        paths
            .into_iter()
            .map(|path| {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("reading {}", path.display()))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Ok(Declared {
                    name: name.into_owned(),
                    text,
                    path,
                })
            })
            .collect()
    }

    /// Boots the first server of a rack file.
    fn boot(&self, name: &str, rack: &RackFile, change: impl FnOnce(&mut Order<'_>)) -> Result<Vm> {
        let server = rack
            .rack
            .spec
            .servers
            .first()
            .context("the rack is empty")?;
        let mut order = Order {
            rack: &rack.rack,
            server,
            name: name.to_owned(),
            command_line: String::new(),
            declared: named(&self.declared(&rack.rack.metadata.name)?),
            disk: None,
            init: Init::Agent,
        };
        change(&mut order);
        Vm::boot(&self.places, &self.base, &order)
    }
}

/// Texts of declarations, by file name.
fn named(declared: &[Declared]) -> Vec<(String, String)> {
    declared
        .iter()
        .map(|file| (file.name.clone(), file.text.clone()))
        .collect()
}

/// Runs `shardplane` inside, with its state where the state disk would be.
fn shardplane(vm: &mut Vm, words: &[&str]) -> Result<Ended> {
    let mut argv = vec!["shardplane"];
    argv.extend(words);
    argv.extend(["--state-dir", "/state/shardplane"]);
    vm.run(&argv)
}

/// Every port's ACS control word, `ADDRESS WORD` a line, as pciutils reads it; ports without ACS are left out.
fn words(vm: &mut Vm) -> Result<Vec<(String, String)>> {
    let text = vm.shell(
        "cd /sys/bus/pci/devices; for at in *; do word=$(setpci -s $at ECAP_ACS+6.w 2>/dev/null) && echo $at $word; done; true",
    )?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(at, word)| (at.to_owned(), word.to_owned()))
        .collect())
}

/// The kernel's IOMMU group of every function, `ADDRESS -> GROUP` a line.
fn groups(vm: &mut Vm) -> Result<String> {
    vm.shell("cd /sys/bus/pci/devices; for at in *; do echo $at $(readlink $at/iommu_group | sed 's/.*\\///'); done")
}

/// The ports whose bits a plan clears.
fn cleared(plan: &Value) -> Vec<String> {
    list(&plan["nodes"])
        .flat_map(|node| list(&node["steps"]))
        .filter(|step| step["verb"] == "acs.clear")
        .filter_map(|step| step["port"]["address"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Reasons of a kind of report line.
fn reasons(plan: &Value, kind: &str) -> Vec<String> {
    list(&plan["report"])
        .filter(|line| line["kind"] == kind)
        .filter_map(|line| line["reason"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Fails where two things that must be the same are not.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<()> {
    ensure!(
        found == wanted,
        "{what}: found {found:?} instead of {wanted:?}"
    );
    Ok(())
}
