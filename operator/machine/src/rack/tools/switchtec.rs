//! `switchtec`: the card switch's own management interface, which reaches registers that configuration writes may not.
use std::fmt::Write;

use crd::{kind::rack::Fault, snapshot::PortKind};

use super::{complained, said};
use crate::{
    access::ToolOutput,
    rack::{
        RackError, RackServer,
        files::View,
        registers::{SIZE, written},
        world::Nature,
    },
};

/// First port function's configuration image in the switch's register space; one page each (Linux `switchtec.h`).
pub(crate) const PAGES: usize = 0x13_4000;

pub(super) fn run(server: &RackServer, arguments: &[String]) -> Result<ToolOutput, RackError> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => server.with(|view| {
            let mut lines = String::new();
            for (number, index) in switches(view).into_iter().enumerate() {
                let address = view.loaded.world.functions[index].address;
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "switchtec{number}\tPFX 52XG4\t{address}");
            }
            said(&lines, 0)
        }),
        ["gas", "read", device, "-a", address] => server.with(|view| {
            let Some((function, at)) = place(view, device, address) else {
                return complained("gas read: no such address\n", 1);
            };
            let image = view.image(&view.loaded.world.functions[function]);
            let mut word = [0; 4];
            if let Some(bytes) = image.get(at..at + 4) {
                word.copy_from_slice(bytes);
            }
            let digits = address.trim_start_matches("0x").to_uppercase();
            said(
                &format!("{digits} - 0x{:08X}\n", u32::from_le_bytes(word)),
                0,
            )
        }),
        ["gas", "write", device, "-a", address, "-v", value, "--yes"] => {
            let Some(value) = number(value).and_then(|value| u32::try_from(value).ok()) else {
                return Ok(complained("gas write: bad value\n", 1));
            };
            let target = server.with(|view| {
                let (function, at) = place(view, device, address)?;
                let now = view.image(&view.loaded.world.functions[function]);
                let left = written(
                    &view.loaded.world.functions[function],
                    &now,
                    at,
                    &value.to_le_bytes(),
                );
                // A port that ignores writes ignores them from everywhere; one that drops configuration writes does not.
                let address = view.loaded.world.functions[function].address;
                let deaf = view.live().faults.contains(&Fault::WriteIgnored(address));
                view.is_root()
                    .then_some((function, if deaf { Vec::new() } else { left }))
            })?;
            let Some((function, left)) = target else {
                return Ok(complained("gas write: no such address\n", 1));
            };
            server.store.transact(|live, world| {
                let path = world.functions[function].path.clone();
                live.written.entry(path).or_default().extend(left);
                Ok(())
            })?;
            Ok(said("", 0))
        }
        _ => Ok(complained(
            "usage: switchtec list | gas read | gas write\n",
            1,
        )),
    }
}

/// Upstream ports of card switches, in enumeration order: `/dev/switchtecN`.
fn switches(view: &View<'_>) -> Vec<usize> {
    view.present()
        .filter(|(_, function)| match &function.nature {
            Nature::Port(port) => port.on_card && port.kind == PortKind::SwitchUpstream,
            Nature::Soc(_) | Nature::Other => false,
        })
        .map(|(index, _)| index)
        .collect()
}

/// The port function and the offset in its image that an address means: page 0 is the upstream port, from page 2 on the
/// downstream ports in slot order, where the vendor's own script looks for them.
fn place(view: &View<'_>, device: &str, address: &str) -> Option<(usize, usize)> {
    let number_of: usize = device.rsplit("switchtec").next()?.parse().ok()?;
    let &upstream = switches(view).get(number_of)?;
    let address = number(address).and_then(|address| usize::try_from(address).ok())?;
    let inside = address.checked_sub(PAGES)?;
    let (page, at) = (inside / SIZE, inside % SIZE);
    if at % 4 != 0 {
        return None;
    }
    let function = match page {
        0 => upstream,
        1 => return None,
        _ => view.loaded.world.children(upstream).nth(page - 2)?,
    };
    Some((function, at))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
