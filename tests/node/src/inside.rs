//! Inside the namespaces: covers what a node would write on the machine, and gives it a network that leads nowhere.
use std::{fs, path::Path};

use anyhow::{Context, Result};

use host::{command, output, plane::SERVICES};

use crate::{groups, place::Room};

/// The node's address, which is not loopback: a kubelet refuses that.
pub(crate) const ADDRESS: &str = "10.99.0.1";
/// Folders that engines and kubelets write to whatever they are told.
const COVERED: [&str; 3] = ["/run", "/var/lib", "/var/log"];
/// Settings of the whole machine that a kubelet sets, with the values that it wants.
const SETTINGS: [(&str, &str); 7] = [
    // An agent of ours sets this one, where a policy says so. A cover is a file, of which a shorter number would leave the rest.
    ("vm/max_map_count", "1048576"),
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Makes the place that a node runs in; everything but the control groups goes with the namespaces.
pub(crate) fn settle(room: &Room) -> Result<()> {
    for folder in COVERED {
        output(command("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder]))?;
    }
    // Files of ours that keep settings over boots go there; whatever else is read there stays to be read.
    let etc = room.at("etc");
    output(command("cp").args(["-a", "/etc"]).arg(&etc))?;
    output(command("mount").arg("--bind").arg(&etc).arg("/etc"))?;
    let covers = room.at("settings");
    fs::create_dir_all(&covers).context("making a folder for settings")?;
    for (name, value) in SETTINGS {
        let setting = Path::new("/proc/sys").join(name);
        let cover = covers.join(name.replace('/', "."));
        fs::write(&cover, format!("{value}\n")).context("writing a cover")?;
        output(command("mount").arg("--bind").args([&cover, &setting]))?;
    }
    groups::make(room)?;
    for arguments in [
        vec!["link", "set", "lo", "up"],
        vec!["addr", "add", "10.99.0.1/32", "dev", "lo"],
        // Without a route an address of a Service is unreachable before it is translated.
        vec!["route", "add", SERVICES, "dev", "lo", "src", ADDRESS],
    ] {
        output(command("ip").args(arguments))?;
    }
    Ok(())
}
