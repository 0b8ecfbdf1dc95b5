//! Parts of a rack file, each by itself: what is below a port, and what no part can be, wherever it stands.
use crd::{
    id::PciPath,
    kind::rack::{Card, Device, HostSwitch, RackSoc, RootPort, Slot, SwitchPort},
};

/// A device right below a link sits at device 0, function 0.
pub(super) const FIRST: Slot = Slot {
    device: 0,
    function: 0,
};

/// What a file has below a port: at most one of them.
#[derive(Clone, Copy)]
pub(super) struct Below<'a> {
    pub(super) switch: Option<&'a HostSwitch>,
    pub(super) card: Option<&'a Card>,
    pub(super) device: Option<&'a Device>,
}

impl<'a> From<&'a RootPort> for Below<'a> {
    fn from(port: &'a RootPort) -> Self {
        Self {
            switch: port.switch.as_ref(),
            card: port.card.as_ref(),
            device: port.device.as_ref(),
        }
    }
}

impl<'a> From<&'a SwitchPort> for Below<'a> {
    fn from(port: &'a SwitchPort) -> Self {
        Self {
            switch: port.switch.as_ref(),
            card: port.card.as_ref(),
            device: port.device.as_ref(),
        }
    }
}

impl Below<'_> {
    /// That there is more than one.
    pub(super) fn too_many(self, path: &str) -> Option<String> {
        let parts = [
            self.switch.is_some(),
            self.card.is_some(),
            self.device.is_some(),
        ];
        let many = parts.iter().filter(|there| **there).count() > 1;
        many.then(|| {
            format!(
                "the port {path} has more than one of switch, card and device below it; keep one"
            )
        })
    }
}

/// Whether a card has as many SoCs as its SKU.
pub(super) fn fits(card: &Card, path: &PciPath) -> Result<(), String> {
    let (listed, most) = (card.socs.len(), card.sku.soc_count());
    if listed <= most {
        return Ok(());
    }
    Err(format!(
        "the card at {path} lists {listed} SoCs and its SKU {:?} has {most}",
        card.sku
    ))
}

/// The size of a SoC's BAR 4.
pub(super) fn bar4_kib(soc: &RackSoc, path: &PciPath) -> Result<u64, String> {
    let size = soc.bar4_kib.unwrap_or(2 << 20);
    if size.is_power_of_two() {
        return Ok(size);
    }
    Err(format!("bar4Kib of {path} is {size}, no power of two"))
}

/// A class of 24 bits.
pub(super) fn class(text: &str, path: &PciPath) -> Result<u32, String> {
    text.strip_prefix("0x")
        .filter(|digits| digits.len() == 6)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("class `{text}` of {path} is not six hexadecimal digits after 0x"))
}
