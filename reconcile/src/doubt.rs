//! What of the bus could not be read, and about whom that leaves a doubt: nobody is taken for gone, or for absent, for it.
use crd::{
    id::PciAddress,
    snapshot::{HardwareSnapshot, SocIdentity},
};

use crate::view::View;

/// Below this the probe reads what is wired where.
const BUS: &str = "/sys/bus/pci/";

/// What to do about it.
pub(crate) const LOOK_AS_ROOT: &str = "look again, as root; if it stays so, see the kernel's log";

/// What a port does that is in no state to say anything, and what to do about it.
pub(crate) const PORT_IS_OFF: &str = "does not answer: its configuration space reads as ones, as where it fell off the bus or lost power";
pub(crate) const SEE_PORT: &str = "look again; if it stays so, see the kernel's log for its link (AER, DPC, hot-plug), and cycle the power of what it leads to";

/// What keeps the bus from being known whole: there may be functions that are not seen.
pub(crate) fn bus_in_doubt(snapshot: &HardwareSnapshot) -> Option<String> {
    let unread = unread_where(snapshot, |_| true);
    unread.or_else(|| nothing_listed(snapshot))
}

/// A kernel that lists nothing has not been asked.
fn nothing_listed(snapshot: &HardwareSnapshot) -> Option<String> {
    let nothing = snapshot.functions.is_empty();
    nothing.then(|| "the kernel lists no PCI function at all".to_owned())
}

/// The first part of the bus that could not be read and is there, or that may be anywhere.
fn unread_where(
    snapshot: &HardwareSnapshot,
    is_there: impl Fn(PciAddress) -> bool,
) -> Option<String> {
    let named = |path: &str| path.split('/').find_map(|part| part.parse().ok());
    let mut of_bus = (snapshot.unread.iter()).filter(|unread| unread.path.starts_with(BUS));
    let found = of_bus.find(|unread| named(&unread.path).is_none_or(&is_there))?;
    Some(format!("{}: {:?}", found.path, found.why))
}

/// Those of these SoCs that are off the bus, as far as it was read: nothing is wired where they were.
pub(crate) fn gone<'a>(
    socs: impl IntoIterator<Item = &'a SocIdentity>,
    snapshot: &HardwareSnapshot,
) -> Vec<PciAddress> {
    let is_gone = |soc: &&SocIdentity| {
        let near = |found: PciAddress| found.domain == soc.address.domain;
        let mut functions = snapshot.functions.iter();
        functions.all(|function| function.path != soc.path)
            && unread_where(snapshot, near).is_none()
            && nothing_listed(snapshot).is_none()
    };
    socs.into_iter()
        .filter(is_gone)
        .map(|soc| soc.address)
        .collect()
}

impl View<'_> {
    /// What keeps the bus where a function is, or was, from being known whole: what is not seen there is not gone for
    /// that. A function that cannot be read hides whatever is wired below it, so that its whole domain is in doubt.
    pub fn in_doubt(&self, function: PciAddress) -> Option<String> {
        let near = |found: PciAddress| found.domain == function.domain;
        let unread = unread_where(self.snapshot, near);
        unread.or_else(|| nothing_listed(self.snapshot))
    }

    /// What could not be read and may be wired below a bridge. Bus numbers of a bridge are those of everything below it and of
    /// nothing else: what stands elsewhere on a bus between says that it ended before.
    pub fn unread_below(&self, bridge: PciAddress) -> Option<String> {
        let ends = |found: PciAddress| {
            let between = |bus: u8| bridge.bus < bus && bus <= found.bus;
            let mut others = self.topology.functions().map(|other| other.address);
            others.any(|other| {
                other.domain == bridge.domain
                    && between(other.bus)
                    && !self.topology.is_below(other, bridge)
            })
        };
        unread_where(self.snapshot, |found| {
            found.domain == bridge.domain && found.bus > bridge.bus && !ends(found)
        })
    }
}
