//! One device type as a line of text: `NAME BASE VENDOR:DEVICE [class=CCCCCC] [acs=OFFSET:CAPABILITY] [bar=INDEX:SIZE:FLAGS]…`, numbers in hexadecimal.
use std::ffi::{CStr, CString};

/// What QEMU has already that a type is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// A root port.
    Root,
    /// A switch's upstream port.
    Upstream,
    /// A switch's downstream port.
    Downstream,
    /// An endpoint with nothing behind its BARs.
    Endpoint,
    /// QEMU's NVMe controller, to which a kernel binds its driver.
    Nvme,
}

impl Base {
    /// QEMU's own type.
    pub(crate) fn parent(self) -> &'static CStr {
        match self {
            Self::Root => c"pcie-root-port",
            Self::Upstream => c"x3130-upstream",
            Self::Downstream => c"xio3130-downstream",
            Self::Endpoint => c"pci-device",
            Self::Nvme => c"nvme",
        }
    }
}

/// One base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) index: u8,
    pub(crate) size: u64,
    /// The register's low bits: 4 for 64 bits, 8 for prefetchable.
    pub(crate) flags: u8,
}

/// Where ACS stands in a port's extended configuration space, and what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acs {
    pub(crate) offset: u16,
    pub(crate) capability: u16,
}

/// A device type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceType {
    pub(crate) base: Base,
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    /// Class of 24 bits; absent keeps the base's own.
    pub(crate) class: Option<u32>,
    pub(crate) acs: Option<Acs>,
    pub(crate) bars: Vec<Bar>,
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Result<(CString, DeviceType), String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(base), Some(ids)) = (words.next(), words.next(), words.next()) else {
        return Err("give a name, a base and VENDOR:DEVICE".to_owned());
    };
    let base = match base {
        "root" => Base::Root,
        "upstream" => Base::Upstream,
        "downstream" => Base::Downstream,
        "endpoint" => Base::Endpoint,
        "nvme" => Base::Nvme,
        _ => return Err(format!("`{base}` is no base")),
    };
    let (vendor, device) = pair(ids)?;
    let mut of = DeviceType {
        base,
        vendor: short(vendor)?,
        device: short(device)?,
        class: None,
        acs: None,
        bars: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("class", class)) => of.class = Some(number(class)? as u32),
            Some(("acs", acs)) => {
                let (offset, capability) = pair(acs)?;
                of.acs = Some(Acs {
                    offset: short(offset)?,
                    capability: short(capability)?,
                });
            }
            Some(("bar", bar)) => {
                let (index, rest) = bar.split_once(':').ok_or_else(|| bad(bar))?;
                let (size, flags) = pair(rest)?;
                of.bars.push(Bar {
                    index: short(number(index)?)? as u8,
                    size,
                    flags: short(flags)? as u8,
                });
            }
            Some(_) | None => return Err(bad(word)),
        }
    }
    let name = CString::new(name).map_err(|_| bad(name))?;
    Ok((name, of))
}

fn bad(word: &str) -> String {
    format!("`{word}` means nothing")
}

fn number(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|_| format!("`{text}` is no hexadecimal number"))
}

fn short(number: u64) -> Result<u16, String> {
    u16::try_from(number).map_err(|_| format!("{number:x} is wider than 16 bits"))
}

fn pair(text: &str) -> Result<(u64, u64), String> {
    let (one, other) = text.split_once(':').ok_or_else(|| bad(text))?;
    Ok((number(one)?, number(other)?))
}
