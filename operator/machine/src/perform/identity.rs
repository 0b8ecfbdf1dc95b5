//! Making sure that an address still means the SoC that was planned for: by path, and by serial where it can be read.
use crd::{
    id::{MhiSerial, PciAddress, Qid},
    snapshot::{SocIdentity, SocStatus},
};

use super::StepError;
use crate::{
    machine::Machine,
    probe::{
        mhi::Controllers,
        pci::{DEVICES, place},
        soc::{Answer, QUERY_TOOL, query},
    },
    vendor::Device,
};

/// What the vendor's tool says now about every SoC that it shows, or the failure that it is.
pub(super) struct Roll(Answer);

impl Roll {
    /// Asks for these SoCs.
    pub(super) fn call(machine: &Machine, expected: &[PciAddress]) -> Self {
        Self(query(machine, expected))
    }

    /// The block of one SoC, where the tool shows it.
    pub(super) fn device(&self, soc: PciAddress) -> Result<Option<&Device>, StepError> {
        match &self.0 {
            Ok(joined) => Ok(joined.devices.get(&soc)),
            Err(why) => Err(StepError::ToolFailed {
                tool: QUERY_TOOL.to_owned(),
                what: format!("gave no answer ({why:?})"),
            }),
        }
    }

    /// A SoC's state in words; `missing` where the tool does not show it.
    pub(super) fn state(&self, soc: PciAddress) -> Result<String, StepError> {
        Ok(match self.device(soc)?.and_then(Device::status) {
            None => "missing".to_owned(),
            Some(SocStatus::Ready) => "Ready".to_owned(),
            Some(SocStatus::Initializing) => "Initializing".to_owned(),
            Some(SocStatus::Error) => "Error".to_owned(),
            Some(SocStatus::Other(word)) => word,
        })
    }

    /// What the tool says of a SoC's cores and cannot be believed: two things, or something that is no number of them.
    pub(super) fn cores_in_doubt(&self, soc: PciAddress) -> Option<&'static str> {
        let joined = self.0.as_ref().ok()?;
        let device = joined.devices.get(&soc)?;
        let read = [
            ("Nsp Total", device.cores()),
            ("Nsp Free", device.cores_free()),
        ];
        read.into_iter().find_map(|(key, value)| {
            let none = device.says(key) && value.is_none();
            let denied = joined.contradicted.contains(&(soc, key.to_owned()));
            (none || denied || device.is_ambiguous(key)).then_some(key)
        })
    }

    /// Every SoC that the tool shows, with its number.
    pub(super) fn qids(&self) -> impl Iterator<Item = (PciAddress, Qid)> {
        let joined = self.0.iter();
        let devices = joined.flat_map(|joined| &joined.devices);
        let told = devices.filter(|(_, device)| !device.doubtful);
        told.map(|(at, device)| (*at, device.qid))
    }

    /// The number of a SoC that is Ready.
    pub(super) fn ready_qid(&self, soc: PciAddress) -> Result<Qid, StepError> {
        let state = self.state(soc)?;
        match self.device(soc)? {
            Some(device) if device.status() == Some(SocStatus::Ready) => Ok(device.qid),
            Some(_) | None => Err(StepError::Expectation {
                expected: format!("{soc} Ready"),
                found: state,
            }),
        }
    }
}

/// Fails where the function at the SoC's address is wired elsewhere, or shows another serial.
pub(super) fn confirm(machine: &Machine, soc: &SocIdentity) -> Result<(), StepError> {
    let wrong = |found: String| StepError::Expectation {
        expected: describe(soc),
        found,
    };
    let target = machine
        .readlink(&format!("{DEVICES}/{}", soc.address))
        .map_err(|_| wrong(format!("nothing at {}", soc.address)))?;
    match place(&target, soc.address) {
        Some((path, _)) if path == soc.path => {}
        Some((path, _)) => return Err(wrong(format!("{} wired at {path}", soc.address))),
        None => return Err(wrong(target)),
    }
    let Some(wanted) = &soc.serial else {
        return Ok(());
    };
    // A SoC in reset shows no serial; then its path has to do.
    match serial(machine, soc.address) {
        Some(found) if found != *wanted => Err(wrong(format!("serial {found}"))),
        Some(_) | None => Ok(()),
    }
}

fn serial(machine: &Machine, soc: PciAddress) -> Option<MhiSerial> {
    Controllers::list(machine).serial(machine, soc).value
}

fn describe(soc: &SocIdentity) -> String {
    let serial = soc
        .serial
        .as_ref()
        .map_or_else(String::new, |serial| format!(" with serial {serial}"));
    format!("{} wired at {}{serial}", soc.address, soc.path)
}
