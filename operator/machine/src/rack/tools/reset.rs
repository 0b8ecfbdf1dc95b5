//! `qaic-util -s [-p ADDRESS]`: SoC reset, of one or of all, with an exit code of 0 whatever comes of it.
use std::fmt::Write;

use crd::{id::PciAddress, kind::rack::Fault};

use super::{after, complained, phase, reachable, said};
use crate::{
    access::ToolOutput,
    rack::{RackError, RackServer, soc_live::Phase},
};

pub(super) fn run(server: &RackServer, arguments: &[String]) -> Result<ToolOutput, RackError> {
    let one = match after(arguments, "-p").map(str::parse::<PciAddress>) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(error)) => return Ok(complained(&format!("{error}\n"), 255)),
    };
    let (targets, root) = server.with(|view| {
        let socs: Vec<(PciAddress, bool)> = view
            .socs()
            .map(|(_, function, _, _)| function.address)
            .filter(|&address| one.is_none_or(|one| one == address))
            .map(|address| {
                let refuses = view.live().faults.contains(&Fault::ResetFails(address));
                let there = reachable(view, address)
                    && phase(view, address).is_some_and(|phase| phase != Phase::Resetting);
                (address, there && !refuses)
            })
            .collect();
        (socs, view.is_root())
    })?;
    if !root {
        return Ok(complained("Failed to reset: Permission denied\n", 0));
    }
    if let (Some(address), true) = (one, targets.is_empty()) {
        return Ok(complained(&format!("Device {address} invalid\n"), 255));
    }
    let mut text = String::new();
    for (address, works) in targets {
        let outcome = if works {
            server.store.transact(|live, world| {
                if let Some(&index) = world.by_address.get(&address) {
                    let now = server.rack_ms(live);
                    live.reset_soc(world, index, now, &server.times);
                }
                Ok(())
            })?;
            "success"
        } else {
            "failed"
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "Resetting {address}:\n\t{address} {outcome}\n");
    }
    Ok(said(&text, 0))
}
