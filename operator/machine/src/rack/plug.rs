//! Cards that somebody adds to a server after its file was written: where one may go, and the tree that holds it.
//!
//! Firmware gives bus numbers at a boot alone: until then an added card is in its slot and nobody sees it.
use std::collections::BTreeMap;

use crd::{
    id::{PciAddress, PciPath},
    kind::rack::{Card, HostSwitch, RootPort, Server, Sku},
};

use super::{
    RackError, RackServer,
    generate::{SKUS, sku},
    live::Live,
    verbs::is_slot,
    world::World,
};

impl RackServer {
    /// Adds a card below an empty port, or in a slot whose root port firmware hides while nothing is in it. It is on the
    /// bus after the next boot, and shifts the bus numbers of what comes after it. The ledger and the journal stay.
    pub fn plug(&self, at: PciAddress, card: &str) -> Result<(), RackError> {
        let sku = sku(card)
            .ok_or_else(|| self.refused(format!("`{card}` is no card; give one of {SKUS}")))?;
        if self.store.server.recorded.is_some() {
            return Err(self.refused(
                "it is made of a recording and holds what was recorded; plug cards into a rack of `rack new`".to_owned(),
            ));
        }
        self.store.transact(|live, world| {
            let port = self.free_port(live, world, at)?;
            live.out_at_boot.insert(card_below(&port));
            live.added.insert(port, sku);
            // What could not be numbered is refused now, not at the boot.
            let mut booted = live.clone();
            booted.out_at_boot.clone_from(&booted.unplugged);
            self.store.enumerate(Some(&booted)).map(drop)
        })
    }

    /// The path of the port at an address, where a card may be put below it.
    fn free_port(&self, live: &Live, world: &World, at: PciAddress) -> Result<PciPath, RackError> {
        let is_free = |index: usize| {
            let path = &world.functions[index].path;
            let card = card_below(path);
            is_slot(world, index)
                && world.children(index).next().is_none()
                && !live.unplugged.contains(&card)
                && !live.added.contains_key(path)
        };
        let hidden = PciPath(at.to_string());
        match world.by_address.get(&at) {
            Some(&index) if is_free(index) => return Ok(world.functions[index].path.clone()),
            None if self.has_root_bus(at) && !live.added.contains_key(&hidden) => {
                return Ok(hidden);
            }
            Some(_) | None => {}
        }
        let empty: Vec<String> = (0..world.functions.len())
            .filter(|&index| is_free(index))
            .map(|index| world.functions[index].address.to_string())
            .collect();
        let empty = match empty.as_slice() {
            [] => "none is empty".to_owned(),
            ports => format!("empty are {}", ports.join(", ")),
        };
        Err(self.refused(format!(
            "a card cannot be put below {at}: give an empty port ({empty}), or an address on a root bus ({}) where no port is",
            self.root_buses().join(", ")
        )))
    }

    fn has_root_bus(&self, at: PciAddress) -> bool {
        let mut ports = self.store.server.root_ports.iter();
        ports.any(|port| (port.address.domain, port.address.bus) == (at.domain, at.bus))
    }

    fn root_buses(&self) -> Vec<String> {
        let ports = self.store.server.root_ports.iter();
        let mut buses: Vec<String> = ports
            .map(|port| format!("{:04x}:{:02x}", port.address.domain, port.address.bus))
            .collect();
        buses.sort();
        buses.dedup();
        buses
    }
}

/// Added cards that nobody sees before the next boot.
pub(crate) fn unseen(live: &Live) -> impl Iterator<Item = (&PciPath, &Sku)> {
    live.added.iter().filter(|(port, _)| {
        let card = card_below(port);
        live.out_at_boot.contains(&card) && !live.unplugged.contains(&card)
    })
}

/// The server as a boot found it, added cards in their slots.
pub(crate) fn with_added(server: &Server, live: &Live) -> Server {
    let mut server = server.clone();
    let seen = |port: &&PciPath| !live.out_at_boot.contains(&card_below(port));
    for port in live.added.keys().filter(seen) {
        put(&mut server, port, &live.added);
    }
    server
}

fn put(server: &mut Server, port: &PciPath, added: &BTreeMap<PciPath, Sku>) {
    let card = added.get(port).map(|sku| Card {
        sku: *sku,
        presence: None,
        board_serial: None,
        socs: Vec::new(),
    });
    let mut slots = port.0.split('/');
    let Some(Ok(root)) = slots.next().map(str::parse::<PciAddress>) else {
        return;
    };
    let at = server
        .root_ports
        .iter()
        .position(|port| port.address == root);
    let at = at.unwrap_or_else(|| {
        server.root_ports.push(RootPort {
            address: root,
            acs: None,
            acs_capability: None,
            switch: None,
            card: None,
            device: None,
        });
        server.root_ports.len() - 1
    });
    let root = &mut server.root_ports[at];
    let (mut below, mut place): (Option<&mut HostSwitch>, &mut Option<Card>) =
        (root.switch.as_mut(), &mut root.card);
    // Below a port comes its switch's upstream port, which is always the first function, then one of the ports below.
    while let (Some(_upstream), Some(slot)) = (slots.next(), slots.next()) {
        let ports = below.into_iter().flat_map(|switch| switch.ports.iter_mut());
        let Some(port) = ports.into_iter().find(|port| port.slot.to_string() == slot) else {
            return;
        };
        (below, place) = (port.switch.as_mut(), &mut port.card);
    }
    *place = card;
}

/// Where a card's first function sits below a port.
fn card_below(port: &PciPath) -> PciPath {
    PciPath(format!("{port}/00.0"))
}
