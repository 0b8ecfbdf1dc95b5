//! What a rack's server looks like now: its tree with registers, its tenants, settings and faults, as text and as values.
use std::fmt::Write;

use crd::id::PciPath;
use serde_json::{Value, json};

use super::{
    RackError, RackServer,
    files::View,
    listener::agent,
    plug,
    registers::acs_offset,
    server::open_by,
    soc_live::Phase,
    world::{Function, Nature, SocPart},
};
use crate::access::Depth;

impl RackServer {
    /// The server now, one line a function, indented as it is wired.
    pub fn show(&self) -> Result<String, RackError> {
        self.with(|view| {
            let mut text = String::new();
            // Writing to a string cannot fail, here and below.
            let _ = write_server(&mut text, view);
            text
        })
    }

    /// The same for programs: one object for the server, one in it for each function. Words and ids are strings.
    pub fn shown(&self) -> Result<Value, RackError> {
        self.with(server_value)
    }
}

fn server_value(view: &View<'_>) -> Value {
    let live = view.live();
    let functions: Vec<Value> = view
        .present()
        .map(|(_, function)| function_value(view, function))
        .collect();
    let held: Vec<Value> = open_by(live, Depth::Whole)
        .into_iter()
        .map(|(soc, pid, name)| json!({ "soc": named(view, &soc), "path": soc, "by": name, "pid": pid }))
        .collect();
    let faults: Vec<String> = live.faults.iter().map(ToString::to_string).collect();
    json!({
        "name": view.server.name,
        "boot": live.boot,
        "bootId": live.boot_id,
        "functions": functions,
        "unplugged": live.unplugged,
        "seenAfterBoot": plug::unseen(live).map(|(port, _)| port).collect::<Vec<_>>(),
        "held": held,
        "settings": {
            "control_resp_timeout_s": live.control_timeout_s,
            "vm.max_map_count": live.max_map_count,
            "qmonitor": if live.qmonitor_ms.is_some() { "running" } else { "stopped" },
            "vendor-agent": if agent(view.server, live).is_some() { "running" } else { "stopped" },
        },
        "faults": faults,
    })
}

fn function_value(view: &View<'_>, function: &Function) -> Value {
    let mut value = json!({
        "address": function.address,
        "path": function.path,
        "vendor": function.vendor,
        "device": function.device,
        "driver": view.driver(function),
    });
    match &function.nature {
        Nature::Port(port) => {
            value["port"] = json!({
                "kind": port.kind,
                "secondaryBus": format!("{:02x}", port.secondary),
                "subordinateBus": format!("{:02x}", port.subordinate),
                "acsControl": acs_word(view, function).map(|word| format!("0x{word:04x}")),
            });
        }
        Nature::Soc(part) => {
            let soc = view.live().socs.get(&function.path);
            let phase = soc.map_or(Phase::Error, |soc| soc.phase(view.now));
            value["soc"] = json!({
                "sku": sold(function, part),
                "state": format!("{phase:?}"),
                "mdp": soc.is_some_and(|soc| soc.mdp),
                "mdpAfterReset": soc.and_then(|soc| soc.requested),
                "cores": part.cores,
                "bar4Kib": part.bar4_kib,
                "serial": part.serial.to_string(),
                "mhi": soc.map(|soc| soc.mhi),
                "accel": soc.map(|soc| soc.accel),
                "resets": soc.map(|soc| soc.resets),
            });
        }
        Nature::Other => {}
    }
    value
}

/// What a SoC is sold as: as its file says, or as the vendor's tool did when it was recorded.
fn sold(function: &Function, part: &SocPart) -> String {
    match function.recorded_soc() {
        Some(recorded) => recorded
            .sku
            .get()
            .map_or_else(|| "unknown".to_owned(), |sku| sku.0.clone()),
        None => format!("{:?}", part.sku),
    }
}

/// The ACS control word that a port holds now; nothing where it has no ACS.
fn acs_word(view: &View<'_>, function: &Function) -> Option<u16> {
    let at = acs_offset(function)?;
    let image = view.image(function);
    Some(u16::from_le_bytes([
        *image.get(at + 6)?,
        *image.get(at + 7)?,
    ]))
}

fn write_server(text: &mut String, view: &View<'_>) -> std::fmt::Result {
    let live = view.live();
    writeln!(
        text,
        "{}  boot {} ({})",
        view.server.name, live.boot, live.boot_id
    )?;
    for (index, function) in view.present() {
        let depth = view.loaded.world.upward(index).count();
        let what = describe(view, function);
        writeln!(
            text,
            "{:width$}{}  {what}",
            "",
            function.address,
            width = 2 * depth
        )?;
    }
    for path in &live.unplugged {
        writeln!(text, "  unplugged  {path}")?;
    }
    for (port, sku) in plug::unseen(live) {
        writeln!(
            text,
            "  plugged    {sku:?} card below {port}, on the bus after the next boot"
        )?;
    }
    for (soc, pid, name) in open_by(live, Depth::Whole) {
        writeln!(
            text,
            "  held       {}  by {name} (pid {pid})",
            named(view, &soc)
        )?;
    }
    writeln!(
        text,
        "  settings   control_resp_timeout_s={} vm.max_map_count={} qmonitor={}",
        live.control_timeout_s,
        live.max_map_count,
        if live.qmonitor_ms.is_some() {
            "running"
        } else {
            "stopped"
        }
    )?;
    if let Some(agent) = agent(view.server, live) {
        writeln!(
            text,
            "  agent      {} of the vendor's operator (pid {}, pod {})",
            agent.name, agent.pid, agent.pod
        )?;
    }
    for fault in &live.faults {
        writeln!(text, "  fault      {fault}")?;
    }
    Ok(())
}

fn named(view: &View<'_>, path: &PciPath) -> String {
    view.loaded.world.by_path.get(path).map_or_else(
        || path.to_string(),
        |&index| view.loaded.world.functions[index].address.to_string(),
    )
}

fn describe(view: &View<'_>, function: &Function) -> String {
    let id = format!(
        "{}:{}",
        &function.vendor.to_string()[2..],
        &function.device.to_string()[2..]
    );
    match &function.nature {
        Nature::Port(port) => {
            let acs = acs_word(view, function)
                .map_or_else(|| "no ACS".to_owned(), |word| format!("ACS 0x{word:04x}"));
            format!(
                "{id}  {:?} port  bus {:02x}-{:02x}  {acs}",
                port.kind, port.secondary, port.subordinate
            )
        }
        Nature::Soc(part) => {
            let soc = view.live().socs.get(&function.path);
            let phase = soc.map_or(Phase::Error, |soc| soc.phase(view.now));
            let mdp = if soc.is_some_and(|soc| soc.mdp) {
                "MDP+"
            } else {
                "MDP-"
            };
            let waiting = match soc.and_then(|soc| soc.requested) {
                Some(true) => ", on after its reset",
                Some(false) => ", off after its reset",
                None => "",
            };
            format!(
                "{id}  {} SoC  {phase:?}  {mdp}{waiting}  {} cores  BAR4 {} KiB  serial {}  driver {}",
                sold(function, part),
                part.cores,
                part.bar4_kib,
                part.serial,
                view.driver(function).unwrap_or("none")
            )
        }
        Nature::Other => format!("{id}  driver {}", view.driver(function).unwrap_or("none")),
    }
}
