//! The functions of a recording as the tree of a boot. Addresses stay what they were: nothing is enumerated anew.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{MhiSerial, PciAddress, PciPath, Word},
    kind::rack::{Sku, SocState},
    snapshot::{Acs, BAR4, HardwareSnapshot, PciFunction, PortKind, Soc, SocStatus},
};

use crate::{
    probe::soc::is_soc,
    rack::world::{Function, Nature, Port, Shown, SocPart, World},
};

/// Vendor of the switch on an Ultra card.
const SWITCHTEC: Word = Word(0x11f8);
/// What ports that could not be read are taken to be able to do.
const ACS: Word = Word(0x007f);

/// The tree that a recording shows, what is out of its slot left out.
pub(crate) fn world(
    snapshot: &HardwareSnapshot,
    unplugged: Option<&BTreeSet<PciPath>>,
) -> Result<World, String> {
    let mut recorded: Vec<&PciFunction> = snapshot.functions.iter().collect();
    recorded.sort_by_key(|function| function.address);
    hangs_together(&recorded)?;
    let out = |path: &PciPath| {
        let is_above = |gone: &PciPath| {
            path == gone
                || path
                    .0
                    .strip_prefix(&gone.0)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        unplugged.is_some_and(|unplugged| unplugged.iter().any(is_above))
    };
    recorded.retain(|function| !out(&function.path));
    let by_address: BTreeMap<PciAddress, usize> = recorded
        .iter()
        .enumerate()
        .map(|(index, function)| (function.address, index))
        .collect();
    let functions = recorded
        .iter()
        .map(|function| make(snapshot, &recorded, &by_address, function))
        .collect::<Result<Vec<Function>, String>>()?;
    Ok(World {
        by_path: functions
            .iter()
            .enumerate()
            .map(|(index, function)| (function.path.clone(), index))
            .collect(),
        groups: recorded
            .iter()
            .enumerate()
            .filter_map(|(index, function)| Some((index, *function.iommu_group.get()?)))
            .collect(),
        functions,
        by_address,
        absent: BTreeSet::new(),
    })
}

/// Every function below a port that is there, at the path that leads to it: so no function is above itself.
fn hangs_together(recorded: &[&PciFunction]) -> Result<(), String> {
    let mut at: BTreeMap<PciAddress, &PciFunction> = BTreeMap::new();
    let mut paths = BTreeSet::new();
    for function in recorded {
        if at.insert(function.address, function).is_some() || !paths.insert(&function.path) {
            return Err(format!("its recording shows {} twice", function.address));
        }
    }
    for function in recorded {
        let address = function.address;
        let path = match function.parent {
            None => address.to_string(),
            Some(parent) => {
                let above = at
                    .get(&parent)
                    .filter(|above| above.port.is_some())
                    .ok_or_else(|| {
                        format!("its recording hangs {address} below {parent}, where no port is")
                    })?;
                format!(
                    "{}/{:02x}.{:x}",
                    above.path, address.device, address.function
                )
            }
        };
        if path != function.path.0 {
            return Err(format!(
                "its recording shows {address} at path {}, and its parents lead to {path}",
                function.path
            ));
        }
    }
    Ok(())
}

fn make(
    snapshot: &HardwareSnapshot,
    recorded: &[&PciFunction],
    by_address: &BTreeMap<PciAddress, usize>,
    function: &PciFunction,
) -> Result<Function, String> {
    let soc = snapshot
        .socs
        .iter()
        .find(|soc| soc.address == function.address);
    let nature = match (kind(recorded, function), is_soc(function), soc) {
        (Some(kind), _, _) => Nature::Port(port(recorded, function, kind)),
        (None, true, Some(soc)) => Nature::Soc(part(function, soc)),
        (None, true, None) => {
            return Err(format!(
                "its recording says nothing of the SoC at {}",
                function.address
            ));
        }
        (None, false, _) => Nature::Other,
    };
    let class = function
        .class
        .strip_prefix("0x")
        .filter(|digits| digits.len() == 6)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let asked = snapshot.prerequisites.as_ref();
    Ok(Function {
        path: function.path.clone(),
        address: function.address,
        parent: function
            .parent
            .and_then(|parent| by_address.get(&parent).copied()),
        vendor: function.vendor,
        device: function.device,
        class: class.ok_or_else(|| {
            format!(
                "class `{}` of {} is not six hexadecimal digits after 0x",
                function.class, function.address
            )
        })?,
        driver: function.driver.value.clone(),
        nature,
        shown: Some(Box::new(Shown {
            function: function.clone(),
            soc: soc.cloned(),
            asked: asked
                .and_then(|asked| {
                    asked
                        .socs
                        .iter()
                        .find(|soc| soc.address == function.address)
                })
                .cloned(),
            held: snapshot
                .holders
                .iter()
                .any(|holder| holder.soc == function.address),
        })),
    })
}

/// What a bridge is. Where its configuration space could not be read, what it stands below says it: below nothing it is
/// a root port, below one that leads out it leads into a switch, and below one that leads in it leads out again.
fn kind(recorded: &[&PciFunction], function: &PciFunction) -> Option<PortKind> {
    let kind = function.port?;
    if kind != PortKind::Bridge || function.acs.get().is_some() {
        return Some(kind);
    }
    let above = function
        .parent
        .and_then(|parent| recorded.iter().find(|other| other.address == parent));
    Some(match above.and_then(|above| self::kind(recorded, above)) {
        None => PortKind::Root,
        Some(PortKind::SwitchUpstream) => PortKind::SwitchDownstream,
        Some(PortKind::Root | PortKind::SwitchDownstream | PortKind::Bridge) => {
            PortKind::SwitchUpstream
        }
    })
}

fn port(recorded: &[&PciFunction], function: &PciFunction, kind: PortKind) -> Port {
    let below: Vec<&&PciFunction> = recorded
        .iter()
        .filter(|other| other.parent == Some(function.address))
        .collect();
    let buses = |other: &PciFunction| {
        let prefix = format!("{}/", function.path);
        other
            .path
            .0
            .starts_with(&prefix)
            .then_some(other.address.bus)
    };
    let secondary = below.first().map_or(0, |other| other.address.bus);
    let leads_to_socs = |port: &PciFunction| {
        let mut below = recorded
            .iter()
            .filter(|other| other.parent == Some(port.address));
        below.any(|other| is_soc(other))
    };
    let on_card = function.vendor == SWITCHTEC
        && match kind {
            PortKind::SwitchDownstream => leads_to_socs(function),
            PortKind::SwitchUpstream => below.iter().any(|port| leads_to_socs(port)),
            PortKind::Root | PortKind::Bridge => false,
        };
    Port {
        kind,
        acs_capability: match function.acs.get() {
            Some(Acs::Present { capability, .. }) => *capability,
            Some(Acs::None) => Word(0),
            None if kind == PortKind::SwitchUpstream => Word(0),
            None => ACS,
        },
        acs_at_boot: Word(0),
        acs_now: None,
        secondary,
        subordinate: recorded
            .iter()
            .filter_map(|other| buses(other))
            .max()
            .unwrap_or(secondary),
        on_card,
    }
}

fn part(function: &PciFunction, soc: &Soc) -> SocPart {
    let bar4 = function.bar(BAR4);
    let dram = soc.dram_mib.get().and_then(|mib| u32::try_from(*mib).ok());
    SocPart {
        serial: soc
            .serial
            .value
            .clone()
            .unwrap_or_else(|| MhiSerial(function.address.to_string())),
        board_serial: soc.board_serial.value.clone().unwrap_or_default(),
        sku: Sku::Pro,
        cores: soc.cores.value.unwrap_or(16),
        dram_mib: dram.unwrap_or(32768),
        // A register decodes at least a page, and always a power of two.
        bar4_kib: bar4.map_or(4, |bar| bar.size_kib.clamp(4, 1 << 26).next_power_of_two()),
        mdp: soc.mdp.value.unwrap_or(false),
        state: match &soc.status.value {
            Some(SocStatus::Initializing) => SocState::Stuck,
            Some(SocStatus::Error) => SocState::Error,
            Some(SocStatus::Ready | SocStatus::Other(_)) | None => SocState::Ready,
        },
    }
}
