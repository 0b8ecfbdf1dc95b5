//! New racks from a short recipe: `shardplane rack new --cards ultra:2,pro:4 --switches 1`.
mod numbering;

use std::collections::BTreeMap;

use crd::{
    id::{NodeName, PciAddress},
    kind::{
        API_VERSION, RACK_KIND, Rack,
        rack::{Card, HostSwitch, RackMetadata, RackSpec, RootPort, Server, Sku, Slot, SwitchPort},
    },
};

use self::numbering::Numbering;
use super::{RackError, impossible};

/// Root buses that a server's root ports are spread over, as on real servers.
const ROOT_BUSES: [u8; 6] = [0x20, 0x80, 0x40, 0xa0, 0x60, 0xc0];
/// Downstream ports of one switch.
const MOST_PORTS: usize = 32;

/// What `shardplane rack new` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The rack's name.
    pub name: String,
    /// Cards of each server, in order; [`Recipe::cards`] parses `ultra:2,pro:4`.
    pub cards: Vec<(Sku, u32)>,
    /// Host switches of each server, over which the cards are spread; with none every card has a root port of its own.
    pub switches: u32,
    /// Servers.
    pub servers: u32,
    /// Seed of serials and, counted by fours, of how the vendor's tool numbers SoCs: 1 in order of address, 2 by buses whose
    /// decimal text sorts otherwise than their numbers, 3 at random, 4 both.
    pub seed: u32,
}

impl Recipe {
    /// Parses `ultra:2,pro:4`; a SKU without a number stands for one card.
    pub fn cards(text: &str) -> Result<Vec<(Sku, u32)>, RackError> {
        text.split(',')
            .map(|part| {
                let (sku, count) = part.split_once(':').unwrap_or((part, "1"));
                let bad = || {
                    impossible(
                        "new",
                        "any",
                        &format!("`{part}` is no card and number; write ultra:2,pro:4 ({SKUS})"),
                    )
                };
                let sku = self::sku(sku).ok_or_else(bad)?;
                let count = count.trim().parse().map_err(|_| bad())?;
                if !(1..=64).contains(&count) {
                    return Err(bad());
                }
                Ok((sku, count))
            })
            .collect()
    }
}

/// The words for cards.
pub(crate) const SKUS: &str = "standard, pro, ultra, standard080, ultra080";

/// The card that a word stands for.
pub(crate) fn sku(word: &str) -> Option<Sku> {
    match word.trim().to_ascii_lowercase().as_str() {
        "standard" => Some(Sku::Standard),
        "pro" => Some(Sku::Pro),
        "ultra" => Some(Sku::Ultra),
        "standard080" => Some(Sku::Standard080),
        "ultra080" => Some(Sku::Ultra080),
        _ => None,
    }
}

/// Makes a rack of a recipe. The same recipe makes the same rack.
pub fn generate(recipe: &Recipe) -> Result<Rack, RackError> {
    let wrong = |what: &str| impossible(&recipe.name, "any", what);
    if !(1..=64).contains(&recipe.servers) {
        return Err(wrong("a rack has 1 to 64 servers"));
    }
    let cards: Vec<Card> = recipe
        .cards
        .iter()
        .flat_map(|&(sku, count)| (0..count).map(move |_| card(sku)))
        .collect();
    let most = ROOT_BUSES.len() * 8;
    if cards.is_empty() || recipe.switches as usize > most {
        return Err(wrong(
            "a server has at least one card and at most 48 switches",
        ));
    }
    if recipe.switches == 0 && cards.len() > most {
        return Err(wrong("without a switch a server has at most 48 cards"));
    }
    let root_ports = if recipe.switches == 0 {
        cards
            .into_iter()
            .enumerate()
            .map(|(number, card)| RootPort {
                card: Some(card),
                ..root_port(number)
            })
            .collect()
    } else {
        let switches = recipe.switches as usize;
        let each = cards.len().div_ceil(switches);
        if each > MOST_PORTS {
            return Err(wrong(
                "a switch has at most 32 ports; ask for more switches",
            ));
        }
        let mut cards = cards.into_iter();
        (0..switches)
            .map(|number| RootPort {
                switch: Some(switch(cards.by_ref().take(each))),
                ..root_port(number)
            })
            .collect::<Vec<_>>()
    };
    let numbering = Numbering::of(recipe.seed);
    let server = Server {
        name: NodeName("aic".to_owned()),
        labels: BTreeMap::new(),
        host: None,
        sdk: None,
        settings: None,
        qid_order: numbering.qid_order(),
        durations: None,
        tenants: Vec::new(),
        vendor_agent: None,
        faults: Vec::new(),
        recorded: None,
        root_ports,
    };
    let server = numbering.place(server, recipe.seed);
    Ok(Rack {
        api_version: API_VERSION.to_owned(),
        kind: RACK_KIND.to_owned(),
        metadata: RackMetadata {
            name: recipe.name.clone(),
        },
        spec: RackSpec {
            seed: recipe.seed,
            speedup: None,
            servers: (1..=recipe.servers)
                .map(|number| Server {
                    name: NodeName(format!("aic-{number:02}")),
                    ..server.clone()
                })
                .collect(),
        },
    })
}

fn card(sku: Sku) -> Card {
    Card {
        sku,
        presence: None,
        board_serial: None,
        socs: Vec::new(),
    }
}

/// The root port of this number: round the root buses first, then the next device on each.
fn root_port(number: usize) -> RootPort {
    let bus = ROOT_BUSES[number % ROOT_BUSES.len()];
    let device = u8::try_from(number / ROOT_BUSES.len() + 1).unwrap_or(u8::MAX);
    RootPort {
        address: PciAddress {
            domain: 0,
            bus,
            device,
            function: 0,
        },
        acs: None,
        acs_capability: None,
        switch: None,
        card: None,
        device: None,
    }
}

fn switch(cards: impl Iterator<Item = Card>) -> HostSwitch {
    let mut ports: Vec<SwitchPort> = cards
        .enumerate()
        .map(|(number, card)| SwitchPort {
            card: Some(card),
            ..switch_port(number)
        })
        .collect();
    if ports.is_empty() {
        ports.push(switch_port(0));
    }
    HostSwitch {
        vendor: None,
        device: None,
        ports,
    }
}

fn switch_port(number: usize) -> SwitchPort {
    SwitchPort {
        slot: Slot {
            device: u8::try_from(number).unwrap_or(u8::MAX),
            function: 0,
        },
        acs: None,
        acs_capability: None,
        switch: None,
        card: None,
        device: None,
    }
}
