//! How a new rack's SoCs are numbered: whoever computes a QID from an address must be found out on some of them.
use crd::{
    id::PciAddress,
    kind::rack::{QidOrder, Server},
};

use crate::rack::{draw::shuffle, enumerate::enumerate, tools::decimal_key, world::Nature};

/// The first bus number whose decimal text is longer, and so sorts before those below it.
const LONGER: u8 = 100;
/// A root port this far below it still has SoCs on both sides, whatever stands between.
const REACH: u8 = 16;

/// How a rack of this seed numbers its SoCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// By address: all orders agree.
    Plain,
    /// By the decimal text of buses which sorts otherwise than their numbers.
    Decimal,
    /// At random.
    Shuffled,
    /// At random, on such buses.
    Both,
}

impl Numbering {
    pub(super) fn of(seed: u32) -> Self {
        match seed % 4 {
            1 => Self::Plain,
            2 => Self::Decimal,
            3 => Self::Shuffled,
            _ => Self::Both,
        }
    }

    pub(super) fn qid_order(self) -> Option<QidOrder> {
        match self {
            Self::Plain | Self::Decimal => None,
            Self::Shuffled | Self::Both => Some(QidOrder::Shuffled),
        }
    }

    /// The server, its lowest root bus moved to where the two orders of its SoCs' addresses differ. It stays where they
    /// differ already, and where its buses would not suffice.
    pub(super) fn place(self, server: Server, seed: u32) -> Server {
        match self {
            Self::Plain | Self::Shuffled => return server,
            Self::Decimal | Self::Both => {}
        }
        if orders_differ(&server, seed) {
            return server;
        }
        let lowest = server.root_ports.iter().map(|port| port.address.bus).min();
        let tries = shuffle(seed, "rack new/buses", usize::from(REACH));
        tries
            .into_iter()
            .filter_map(|below| u8::try_from(below).ok())
            .map(|below| {
                let mut moved = server.clone();
                for port in &mut moved.root_ports {
                    if Some(port.address.bus) == lowest {
                        port.address.bus = LONGER - 1 - below;
                    }
                }
                moved
            })
            .find(|moved| orders_differ(moved, seed))
            .unwrap_or(server)
    }
}

/// Whether addresses of SoCs sort otherwise as decimal text than as numbers.
fn orders_differ(server: &Server, seed: u32) -> bool {
    let Ok(world) = enumerate(seed, server, None) else {
        return false;
    };
    let functions = world.functions.iter();
    let mut socs: Vec<PciAddress> = functions
        .filter(|function| matches!(function.nature, Nature::Soc(_)))
        .map(|function| function.address)
        .collect();
    socs.sort();
    !socs.is_sorted_by_key(|&at| decimal_key(at))
}
