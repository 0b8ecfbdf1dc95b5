//! Which SoCs share a card: by the switch above them, never by a serial.
use std::collections::BTreeMap;

use crd::{
    id::PciAddress,
    snapshot::{PciFunction, PortKind},
};

use super::Topology;

/// Vendor id of the switch on an Ultra card.
const SWITCHTEC: u16 = 0x11f8;
/// An Ultra card carries four SoCs; no card carries more.
pub const SOCS_PER_CARD: usize = 4;

/// One card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Upstream port of the card's own switch; absent for a card with one SoC.
    pub switch: Option<PciAddress>,
    /// Its SoCs, ordered by address.
    pub socs: Vec<PciAddress>,
}

impl Topology<'_> {
    /// The cards of the node, ordered by their first SoC.
    ///
    /// A host switch with single-SoC cards in its slots looks like a card switch. It is one when its SoCs say that they
    /// are of a kind with several on a card (`Ultra`), or, where none says anything, when it is the switch that such
    /// cards carry and nothing else hangs below it.
    pub fn cards(&self) -> Vec<Card> {
        let mut by_switch: BTreeMap<PciAddress, Vec<PciAddress>> = BTreeMap::new();
        let mut cards = Vec::new();
        for soc in &self.snapshot().socs {
            match self.nearest_switch(soc.address) {
                Some(switch) => by_switch.entry(switch).or_default().push(soc.address),
                None => cards.push(single(soc.address)),
            }
        }
        for (switch, mut socs) in by_switch {
            socs.sort_unstable();
            if self.is_card_switch(switch, &socs) {
                cards.push(Card {
                    switch: Some(switch),
                    socs,
                });
            } else {
                cards.extend(socs.into_iter().map(single));
            }
        }
        cards.sort_by(|a, b| a.socs.cmp(&b.socs));
        cards
    }

    fn nearest_switch(&self, soc: PciAddress) -> Option<PciAddress> {
        let line = self.ancestry(soc)?;
        let (port, above) = (line.get(1)?, line.get(2)?);
        let in_switch = port.port == Some(PortKind::SwitchDownstream)
            && above.port == Some(PortKind::SwitchUpstream);
        in_switch.then_some(above.address)
    }

    fn is_card_switch(&self, switch: PciAddress, socs: &[PciAddress]) -> bool {
        let skus: Vec<&str> = self
            .snapshot()
            .socs
            .iter()
            .filter(|soc| socs.contains(&soc.address))
            .filter_map(|soc| soc.sku.get().map(|sku| sku.0.as_str()))
            .collect();
        if !skus.is_empty() {
            return socs.len() <= SOCS_PER_CARD && skus.iter().all(|sku| sku.contains("Ultra"));
        }
        let is_port = |f: &&PciFunction| f.port.is_some();
        let strangers = self
            .functions()
            .filter(|f| !is_port(f) && f.address != switch && self.is_below(f.address, switch))
            .any(|f| !socs.contains(&f.address) && f.vendor.0 != SWITCHTEC);
        let ours = self
            .function(switch)
            .is_some_and(|f| f.vendor.0 == SWITCHTEC);
        ours && !strangers && socs.len() <= SOCS_PER_CARD
    }
}

fn single(soc: PciAddress) -> Card {
    Card {
        switch: None,
        socs: vec![soc],
    }
}
