//! Configuration space as bytes: header, capability lists, port type and ACS, with every offset and step bounded.
//!
//! Format: documented (PCI Local Bus and PCI Express Base specifications); real images were seen inside the kernel lab alone.
use crd::{
    Unknown,
    id::Word,
    snapshot::{Acs, PortKind},
};

/// Standard header; all that an unprivileged reader gets.
const HEADER: usize = 64;
/// Conventional configuration space.
const CONVENTIONAL: usize = 256;
/// PCI Express capability id.
const PCIE: u8 = 0x10;
/// Access Control Services extended capability id.
const ACS: u16 = 0x000d;
/// Extended capabilities that Linux looks at (`pci_find_next_ext_capability`): eight bytes each is the least.
const MOST_STEPS: usize = (WHOLE - CONVENTIONAL) / 8;

/// Bytes of a configuration space; more is none of it.
const WHOLE: usize = 4096;

/// As much of a configuration space as [`ConfigSpace`] looks at: the conventional part and, of the extended one, the headers on the
/// way to ACS and that. Each word costs the processor a wait for the device, and there are a thousand.
///
/// `read` gives up to so many bytes from an offset; fewer are its end, after which nothing is.
pub fn needed<E>(mut read: impl FnMut(usize, usize) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let mut bytes = read(0, CONVENTIONAL)?;
    bytes.truncate(CONVENTIONAL);
    let express = matches!(ConfigSpace(&bytes).capability(PCIE), Ok(Some(_)));
    if bytes.len() < CONVENTIONAL || !express || ConfigSpace(&bytes).answers().is_err() {
        return Ok(bytes);
    }
    let mut at = CONVENTIONAL;
    for _ in 0..MOST_STEPS {
        if !take(&mut bytes, at, &read(at, 4)?) {
            break;
        }
        let header = ConfigSpace(&bytes).double(at).unwrap_or_default();
        if (header & 0xffff) as u16 == ACS && header != u32::MAX {
            take(&mut bytes, at + 4, &read(at + 4, 4)?);
            break;
        }
        at = (header >> 20) as usize & 0xffc;
        if header == u32::MAX || at < CONVENTIONAL {
            break;
        }
    }
    Ok(bytes)
}

/// Puts four bytes in their place; says whether all were there. Where they were not, all ends with them.
fn take(bytes: &mut Vec<u8>, at: usize, word: &[u8]) -> bool {
    let end = at + word.len().min(4);
    bytes.resize(
        if word.len() < 4 {
            end
        } else {
            bytes.len().max(end)
        },
        0,
    );
    bytes[at..end].copy_from_slice(&word[..end - at]);
    word.len() >= 4
}

/// One function's configuration space as far as it could be read.
#[derive(Clone, Copy, Debug)]
pub struct ConfigSpace<'a>(pub &'a [u8]);

impl ConfigSpace<'_> {
    fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).filter(|_| at < WHOLE).copied()
    }

    fn word(self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }

    fn double(self, at: usize) -> Option<u32> {
        Some(u32::from(self.word(at)?) | u32::from(self.word(at + 2)?) << 16)
    }

    /// Whether the function answers at all: one that fell off the bus reads as ones, and one that is still coming up as the
    /// vendor 0x0001 (PCI Express: configuration request retry). No vendor is 0: such bytes are no function's.
    fn answers(self) -> Result<(), Unknown> {
        match self.word(0) {
            None => Err(Unknown::ShortRead),
            Some(0xffff | 0x0001) => Err(Unknown::NotReady),
            Some(0) => Err(Unknown::Malformed),
            Some(_) => Ok(()),
        }
    }

    /// Whether the header is a bridge's; absent when it cannot be read.
    pub fn is_bridge(self) -> Option<bool> {
        self.answers().ok()?;
        Some(self.byte(0x0e)? & 0x7f == 1)
    }

    /// Offset of a conventional capability. `Ok(None)`: the list was read to its end and does not hold it.
    fn capability(self, id: u8) -> Result<Option<usize>, Unknown> {
        let status = self.word(0x06).ok_or(Unknown::ShortRead)?;
        if status & 0x10 == 0 {
            return Ok(None);
        }
        let mut at = usize::from(self.byte(0x34).ok_or(Unknown::ShortRead)? & 0xfc);
        for _ in 0..CONVENTIONAL / 4 {
            if at == 0 {
                return Ok(None);
            }
            if at < HEADER {
                return Err(Unknown::Malformed);
            }
            match self.byte(at).ok_or_else(|| self.too_short())? {
                found if found == id => return Ok(Some(at)),
                // No capability has this number: the byte did not come.
                u8::MAX => return Err(Unknown::NotReady),
                _ => {}
            }
            at = usize::from(self.byte(at + 1).ok_or_else(|| self.too_short())? & 0xfc);
        }
        Err(Unknown::Malformed)
    }

    /// Offset of an extended capability. The list is a chain in any order; it is followed, never searched. As for Linux
    /// (`pci_find_next_ext_capability`) it ends where none comes next, and at a header of zeroes: that is a last capability which
    /// was hidden (Null Extended Capability, PCI Express base specification), and not a list that leads nowhere. Linux takes a
    /// next one inside the header, and a list that leads round, for ends as well; such a list was not read to its end, so that
    /// what is not in it is unknown here, and so are bytes that did not come or came as ones.
    fn extended(self, id: u16) -> Result<Option<usize>, Unknown> {
        let mut at = CONVENTIONAL;
        for _ in 0..MOST_STEPS {
            let header = self.double(at).ok_or(Unknown::ShortRead)?;
            if header == u32::MAX {
                return Err(Unknown::NotReady);
            }
            if (header & 0xffff) as u16 == id {
                return Ok(Some(at));
            }
            at = (header >> 20) as usize & 0xffc;
            if at == 0 {
                return Ok(None);
            }
            if at < CONVENTIONAL {
                return Err(Unknown::Malformed);
            }
        }
        Err(Unknown::Malformed)
    }

    /// Why bytes are missing. The kernel gives readers without `CAP_SYS_ADMIN` exactly the header.
    fn too_short(self) -> Unknown {
        if self.0.len() == HEADER {
            Unknown::NoPermission
        } else {
            Unknown::ShortRead
        }
    }

    /// What kind of port a bridge is; `Bridge` where its PCI Express capability cannot be read. Absent for an endpoint.
    pub fn port_kind(self) -> Option<PortKind> {
        if !self.is_bridge()? {
            return None;
        }
        let flags = match self.capability(PCIE) {
            Ok(Some(at)) => self.word(at + 2),
            Ok(None) | Err(_) => None,
        };
        Some(match flags.map(|flags| flags >> 4 & 0xf) {
            Some(4) => PortKind::Root,
            Some(5) => PortKind::SwitchUpstream,
            Some(6) => PortKind::SwitchDownstream,
            Some(_) | None => PortKind::Bridge,
        })
    }

    /// The function's ACS: absent for certain, present, or unknown.
    pub fn acs(self) -> Result<Acs, Unknown> {
        self.answers()?;
        if self.0.len() < CONVENTIONAL {
            return Err(self.too_short());
        }
        let Some(_) = self.capability(PCIE)? else {
            // Conventional PCI has no extended space, so no ACS.
            return Ok(Acs::None);
        };
        let Some(offset) = self.extended(ACS)? else {
            return Ok(Acs::None);
        };
        let capability = self.word(offset + 4).ok_or(Unknown::ShortRead)?;
        let control = self.word(offset + 6).ok_or(Unknown::ShortRead)?;
        // The kernel reads a word after the other: a function that goes in between answers the rest with ones.
        if (capability, control) == (u16::MAX, u16::MAX) {
            return Err(Unknown::NotReady);
        }
        Ok(Acs::Present {
            offset: u16::try_from(offset).map_err(|_| Unknown::Malformed)?,
            capability: Word(capability),
            control: Word(control),
        })
    }
}

#[cfg(test)]
mod tests;
