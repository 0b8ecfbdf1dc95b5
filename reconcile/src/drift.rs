//! What moved under us since the ledger was written, and its cause where it can be told.
use std::collections::BTreeMap;

use crd::{
    id::{MhiSerial, PciAddress, Word},
    plan::ReportReason,
    snapshot::{Acs, HardwareSnapshot, LedgerEntry, LedgerTarget, SocIdentity},
    step::ACS_REDIRECT_MASK,
};

use crate::{topology::identity, view::is_rebooted};

/// One thing that moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// The cause, where it can be told; else what moved.
    pub reason: ReportReason,
    /// The functions that it is about.
    pub functions: Vec<PciAddress>,
    /// One sentence: what moved, and why as far as we know.
    pub message: String,
}

/// SoCs and ports whose address, path and serial disagree with the ledger, and SoCs that are not told apart by theirs. Where there is one, nothing on the node is
/// touched: an address that names another device is how the wrong one gets reset.
///
/// A SoC that is simply gone does not disagree.
pub fn renumbered(snapshot: &HardwareSnapshot) -> Vec<Drift> {
    let socs = snapshot
        .ledger
        .identities
        .iter()
        .filter_map(|known| moved_soc(known, snapshot));
    let ports = snapshot
        .ledger
        .entries
        .iter()
        .filter_map(|entry| match &entry.target {
            LedgerTarget::Acs { port, path } => {
                let at = snapshot.functions.iter().find(|f| f.address == *port);
                let led = snapshot.functions.iter().find(|f| f.path == *path);
                match (at, led) {
                    (Some(at), _) if at.path != *path => Some(renumbering(
                        *port,
                        format!("port {port} was at path {path} and is now at {}", at.path),
                    )),
                    (None, Some(led)) => Some(renumbering(
                        *port,
                        format!(
                            "the port at path {path} was {port} and is now {}",
                            led.address
                        ),
                    )),
                    (Some(_) | None, _) => None,
                }
            }
            LedgerTarget::Mdp { soc: _ }
            | LedgerTarget::Driver { name: _ }
            | LedgerTarget::Sysctl { name: _ }
            | LedgerTarget::File { file: _ } => None,
        });
    socs.chain(ports).chain(shared_serials(snapshot)).collect()
}

/// SoCs that show one serial: a serial is an identity, so that none of them is known to be the one that the ledger, or a
/// declaration, means by it.
pub fn shared_serials(snapshot: &HardwareSnapshot) -> Vec<Drift> {
    let mut socs_of: BTreeMap<&MhiSerial, Vec<PciAddress>> = BTreeMap::new();
    for soc in &snapshot.socs {
        if let Some(serial) = soc.serial.get() {
            socs_of.entry(serial).or_default().push(soc.address);
        }
    }
    let shared = socs_of.into_iter().filter(|(_, socs)| socs.len() > 1);
    let drift = |(serial, socs): (&MhiSerial, Vec<PciAddress>)| Drift {
        reason: ReportReason::Renumbered,
        message: format!(
            "serial {serial} is shown by {} SoCs, {}, and must tell one from every other",
            socs.len(),
            socs.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        functions: socs,
    };
    shared.map(drift).collect()
}

fn moved_soc(known: &SocIdentity, snapshot: &HardwareSnapshot) -> Option<Drift> {
    let same_serial = |other: &SocIdentity| match (&known.serial, &other.serial) {
        (Some(a), Some(b)) => a == b,
        // Unreadable now or then: the serial neither agrees nor disagrees.
        (None, _) | (_, None) => true,
    };
    for found in snapshot.socs.iter().map(identity) {
        let by_serial = known.serial.is_some() && known.serial == found.serial;
        let touches = found.address == known.address || found.path == known.path || by_serial;
        let agrees =
            found.address == known.address && found.path == known.path && same_serial(&found);
        if touches && !agrees {
            return Some(renumbering(
                known.address,
                format!(
                    "SoC {} was serial {} at path {}; now {} is serial {} at path {}",
                    known.address,
                    serial(known),
                    known.path,
                    found.address,
                    serial(&found),
                    found.path
                ),
            ));
        }
    }
    None
}

fn serial(soc: &SocIdentity) -> &str {
    soc.serial
        .as_ref()
        .map_or("unknown", |serial| serial.as_str())
}

fn renumbering(function: PciAddress, message: String) -> Drift {
    Drift {
        reason: ReportReason::Renumbered,
        functions: vec![function],
        message,
    }
}

/// What stands differently from what we left there.
pub fn drifted(snapshot: &HardwareSnapshot) -> Vec<Drift> {
    let mut drifts: Vec<Drift> = snapshot
        .ledger
        .entries
        .iter()
        .filter_map(|entry| entry_drift(entry, snapshot))
        .collect();
    drifts.extend(missing(snapshot));
    drifts.sort();
    drifts
}

fn missing(snapshot: &HardwareSnapshot) -> impl Iterator<Item = Drift> + '_ {
    snapshot.ledger.identities.iter().filter_map(|known| {
        let here = snapshot.socs.iter().any(|soc| soc.address == known.address);
        (!here).then(|| Drift {
            reason: ReportReason::MemberMissing,
            functions: vec![known.address],
            message: format!("SoC {} (serial {}) is gone", known.address, serial(known)),
        })
    })
}

fn entry_drift(entry: &LedgerEntry, snapshot: &HardwareSnapshot) -> Option<Drift> {
    let rebooted = is_rebooted(&entry.boot_id, snapshot);
    match &entry.target {
        LedgerTarget::Acs { port, path: _ } => {
            let function = snapshot.functions.iter().find(|f| f.address == *port)?;
            let Acs::Present { control, .. } = function.acs.get()? else {
                return None;
            };
            let written: Word = entry.written.parse().ok()?;
            let back = control.0 & !written.0 & ACS_REDIRECT_MASK;
            if back == 0 {
                return None;
            }
            let as_before = entry.pre_image == control.to_string();
            let cause = match (rebooted, as_before) {
                (true, _) => "the machine booted since, which sets it again",
                (false, true) => {
                    "the word is the one from before our change: a bus reset, an error recovery or a resume set it again"
                }
                (false, false) => "the word is neither ours nor the one before: somebody wrote it",
            };
            Some(Drift {
                reason: if rebooted {
                    ReportReason::Rebooted
                } else {
                    ReportReason::AcsChanged
                },
                functions: vec![*port],
                message: format!(
                    "ACS control of {port} was left at {written} and is {control}: {cause}"
                ),
            })
        }
        LedgerTarget::Mdp { soc } => {
            let found = snapshot.socs.iter().find(|found| found.address == *soc)?;
            let now = *found.mdp.get()?;
            // What has no owner any more was asked to go back, by us.
            if entry.written == now.to_string() || entry.owners.is_empty() {
                return None;
            }
            let cause = if rebooted {
                "the machine booted since; installing a Platform SDK does this too"
            } else {
                "in the same boot: the reset that it waits for did not come about, an SDK was installed, or somebody switched it"
            };
            Some(Drift {
                reason: ReportReason::MdpLost,
                functions: vec![*soc],
                message: format!(
                    "partitioning of {soc} was left {} and is {}: {cause}",
                    on_off(entry.written == "true"),
                    on_off(now)
                ),
            })
        }
        LedgerTarget::Driver { name } => {
            setting(entry, name, snapshot.settings.driver.get(name), rebooted)
        }
        LedgerTarget::Sysctl { name } => {
            setting(entry, name, snapshot.settings.sysctl.get(name), rebooted)
        }
        LedgerTarget::File { file } => {
            let kept = snapshot.settings.kept.get(file)?.get()?;
            let message = match kept.image.to_string() {
                now if now == entry.written => return None,
                now if now == entry.pre_image => {
                    format!("{file} is as before our write: somebody put it back")
                }
                _ => format!("{file} is not as we left it: somebody wrote or removed it"),
            };
            Some(Drift {
                reason: ReportReason::SettingChanged,
                functions: Vec::new(),
                message,
            })
        }
    }
}

fn setting(
    entry: &LedgerEntry,
    name: &str,
    fact: Option<&crd::Fact<u64>>,
    rebooted: bool,
) -> Option<Drift> {
    let now = fact?.get()?;
    if entry.written == now.to_string() {
        return None;
    }
    let (reason, cause) = if rebooted {
        (ReportReason::Rebooted, "the machine booted since")
    } else {
        (
            ReportReason::SettingChanged,
            "somebody wrote it, or the driver was loaded again",
        )
    };
    Some(Drift {
        reason,
        functions: Vec::new(),
        message: format!("{name} was left at {} and is {now}: {cause}", entry.written),
    })
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
