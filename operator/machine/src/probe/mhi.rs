//! MHI controllers, the kernel's link to a SoC's firmware: which SoC each is of, its number, and the serial that it tells.
//!
//! Format: `mhiN` is documented (the kernel's ABI: sysfs-bus-mhi); `a100_02.01.00` of older drivers is observed in published
//! issues, and numbers nothing.
use std::collections::BTreeMap;

use crd::{
    Fact, Unknown,
    id::{MhiId, MhiSerial, PciAddress},
};

use super::reach::reason;
use crate::machine::Machine;

/// Where the kernel lists MHI controllers.
const MHI_DEVICES: &str = "/sys/bus/mhi/devices";

/// The controllers' names, by the address of the function that each hangs below.
pub(crate) struct Controllers {
    names: BTreeMap<PciAddress, String>,
    /// Why a SoC that is not among them has none.
    otherwise: Unknown,
}

impl Controllers {
    pub(crate) fn list(machine: &Machine) -> Self {
        let names = match machine.list(MHI_DEVICES) {
            Ok(names) => names,
            Err(error) => {
                return Self {
                    names: BTreeMap::new(),
                    otherwise: reason(&error),
                };
            }
        };
        let of = |name: &String| {
            let target = machine.readlink(&format!("{MHI_DEVICES}/{name}")).ok()?;
            // Channels (`mhi0_QAIC_CONTROL`) are devices too, below their controller.
            let above = target.rsplit('/').nth(1)?;
            Some((above.parse().ok()?, name.clone()))
        };
        Self {
            names: names.iter().filter_map(of).collect(),
            otherwise: Unknown::Absent,
        }
    }

    fn name(&self, soc: PciAddress) -> Result<&str, Unknown> {
        self.names
            .get(&soc)
            .map(String::as_str)
            .ok_or(self.otherwise)
    }

    /// The number of a SoC's controller.
    pub(crate) fn id(&self, soc: PciAddress) -> Fact<MhiId> {
        let number = |name: &str| name.strip_prefix("mhi")?.parse().ok();
        match self.name(soc).map(number) {
            Ok(Some(id)) => Fact::known(MhiId(id), MHI_DEVICES),
            // The name of an older driver has none.
            Ok(None) => Fact::unknown(Unknown::Absent, MHI_DEVICES),
            Err(why) => Fact::unknown(why, MHI_DEVICES),
        }
    }

    /// `Serial Number: 12345` in the kernel's words.
    pub(crate) fn serial(&self, machine: &Machine, soc: PciAddress) -> Fact<MhiSerial> {
        let name = match self.name(soc) {
            Ok(name) => name,
            Err(why) => return Fact::unknown(why, MHI_DEVICES),
        };
        let path = format!("{MHI_DEVICES}/{name}/serialnumber");
        match machine.read_text(&path) {
            Ok(text) => {
                let serial = text.rsplit(':').next().unwrap_or_default().trim();
                if serial.is_empty() || serial.len() > 64 {
                    return Fact::unknown(Unknown::Malformed, path);
                }
                // What the kernel shows before firmware has told one, and for firmware that never does: no two SoCs are one for it.
                if serial.bytes().all(|digit| digit == b'0') {
                    return Fact::unknown(Unknown::Absent, path);
                }
                Fact::known(MhiSerial(serial.to_owned()), path)
            }
            Err(error) => Fact::unknown(reason(&error), path),
        }
    }
}
