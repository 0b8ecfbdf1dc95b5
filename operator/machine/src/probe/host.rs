//! The machine around the cards: kernel, memory, processors, settings, tools and readings.
//!
//! Format: the kernel's files are documented (proc(5), its own pages). qmonitor's port is documented; the driver's parameters
//! are observed in its sources under both names, and which hwmon file is which is documented for the driver in the kernel.
use std::collections::BTreeMap;

use crd::{
    Fact, Unknown,
    snapshot::{
        Host, PciFunction, PortOwner, Readings, Settings, SettingsFile, Tools, WorkerToolchain,
    },
};

use super::{
    pci::DEVICES,
    reach::{number, of_processors, parsed, reason, text},
    software,
};
use crate::{
    access::Listener,
    machine::Machine,
    vendor::{SOCKETS, cpu_count, listens_on, lockdown_level, memory_kib},
};

/// TCP port on which qmonitor's server listens (the vendor's own number).
pub(crate) const QMONITOR_PORT: u16 = 62472;
/// Names under which drivers have had the control response timeout; the first is in seconds, the second in milliseconds.
const TIMEOUT_PARAMETERS: [&str; 2] = ["control_resp_timeout_s", "control_resp_timeout"];
/// Mappings that a process may hold.
const MAX_MAP_COUNT: &str = "vm.max_map_count";
/// CPU feature flags that kernels of the runtime choose by.
const FEATURES: [&str; 12] = [
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "avx",
    "avx2",
    "avx512_bf16",
    "avx512_vnni",
    "avx512bw",
    "avx512f",
    "avx512vl",
    "avx_vnni",
    "fma",
];

pub(crate) fn host(machine: &Machine) -> Host {
    Host {
        kernel: text(machine, "/proc/sys/kernel/osrelease"),
        command_line: text(machine, "/proc/cmdline"),
        lockdown: parsed(machine, "/sys/kernel/security/lockdown", lockdown_level),
        memory_mib: parsed(machine, "/proc/meminfo", |text| {
            memory_kib(text, "MemTotal")
        })
        .map(|kib| kib / 1024),
        cpus: parsed(machine, "/proc/self/status", |text| {
            let list = text
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            cpu_count(list)
        }),
        cpu_features: of_processors(machine, features),
    }
}

/// Features among [`FEATURES`] of the first processor, sorted.
fn features(cpuinfo: &str) -> Option<Vec<String>> {
    let line = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "flags" | "Features").then_some(value)
    })?;
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(
        FEATURES
            .iter()
            .filter(|feature| words.contains(feature))
            .map(|&feature| feature.to_owned())
            .collect(),
    )
}

pub(crate) fn settings(machine: &Machine) -> Settings {
    let mut driver = BTreeMap::new();
    for name in TIMEOUT_PARAMETERS {
        let path = format!("/sys/module/qaic/parameters/{name}");
        let fact = number(machine, &path);
        // A key is present only where the driver has the parameter at all.
        if fact.unknown != Some(Unknown::Absent) {
            driver.insert(name.to_owned(), fact);
        }
    }
    let mut sysctl = BTreeMap::new();
    let count = number(machine, "/proc/sys/vm/max_map_count");
    if count.unknown != Some(Unknown::Absent) {
        sysctl.insert(MAX_MAP_COUNT.to_owned(), count);
    }
    Settings {
        driver,
        sysctl,
        kept: super::kept::kept(machine),
    }
}

/// Settings that a policy may declare and that this sort of file can keep.
pub(crate) fn names_of(file: SettingsFile) -> &'static [&'static str] {
    match file {
        SettingsFile::Modprobe => &TIMEOUT_PARAMETERS,
        SettingsFile::Sysctl => &[MAX_MAP_COUNT],
    }
}

pub(crate) fn tools(machine: &Machine, worker: Fact<WorkerToolchain>) -> Tools {
    let sdk = software::sdk(machine);
    Tools {
        compiler: software::compiler(machine, &sdk.apps),
        platform_sdk: sdk.platform,
        apps_sdk: sdk.apps,
        qmonitor_running: qmonitor(machine),
        qmonitor_owner: Some(qmonitor_owner(machine)),
        qmonitor_masked: super::missing::masked(machine),
        missing: super::missing::missing(machine),
        worker,
    }
}

/// Whether somebody listens where qmonitor's server does. The unit's state is not asked: the server may have been started
/// in another way, and a loaded unit need not answer.
pub(crate) fn qmonitor(machine: &Machine) -> Fact<bool> {
    if let Err(error) = machine.whole_host() {
        return Fact::unknown(reason(&error), error.path);
    }
    let mut read = 0;
    let mut unread = None;
    for table in SOCKETS {
        match machine.read_text(table) {
            Ok(text) if listens_on(&text, QMONITOR_PORT) => {
                return Fact::known(true, SOCKETS.join(" "));
            }
            Ok(_) => read += 1,
            // A kernel may have one of the two protocols alone.
            Err(error) if reason(&error) == Unknown::Absent => {}
            Err(error) => unread = Some(Fact::unknown(reason(&error), table)),
        }
    }
    match unread {
        // Whoever does not listen in the one may listen in the other.
        Some(unread) => unread,
        None if read == 0 => Fact::unknown(Unknown::Absent, SOCKETS[0]),
        None => Fact::known(false, SOCKETS.join(" ")),
    }
}

/// Who it is that listens there: the vendor's operator has an agent of its own on that port, in a pod.
fn qmonitor_owner(machine: &Machine) -> Fact<PortOwner> {
    // One path for whatever of it was read: the number of a process is nobody's to keep in a recording's sources.
    const SOURCE: &str = "/proc";
    match machine.listener(QMONITOR_PORT) {
        Ok(None) => Fact::known(PortOwner::Nobody, SOURCE),
        Ok(Some(found)) => Fact::known(owner(found), SOURCE),
        Err(error) => Fact::unknown(reason(&error), SOURCE),
    }
}

fn owner(found: Listener) -> PortOwner {
    let Listener {
        pid,
        name,
        unit,
        container,
        pod,
    } = found;
    match pod {
        Some(uid) => PortOwner::Pod { pid, name, uid },
        None => PortOwner::Process {
            pid,
            name,
            unit,
            container,
        },
    }
}

pub(crate) fn readings(machine: &Machine, socs: &[&PciFunction]) -> Readings {
    let mut readings = Readings {
        taken_at: Some(machine.now().to_string()),
        memory_available_mib: machine
            .read_text("/proc/meminfo")
            .ok()
            .and_then(|text| memory_kib(&text, "MemAvailable"))
            .map(|kib| kib / 1024),
        ..Readings::default()
    };
    for soc in socs {
        let folder = format!("{DEVICES}/{}/hwmon", soc.address);
        for name in machine.list(&folder).unwrap_or_default() {
            let reading = |file: &str| {
                let text = machine.read_text(&format!("{folder}/{name}/{file}")).ok()?;
                text.parse::<i64>().ok()
            };
            let key = soc.address.to_string();
            if let Some(degrees) = reading("temp2_input") {
                readings
                    .temperature_millicelsius
                    .insert(key.clone(), degrees);
            }
            if let Some(watts) = reading("power1_input") {
                readings.power_microwatts.insert(key, watts);
            }
        }
    }
    readings
}
