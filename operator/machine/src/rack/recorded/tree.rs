//! The functions of a recording as the tree of a boot. Addresses stay what they were: nothing is enumerated anew.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    id::{MhiSerial, PciAddress, PciPath, Word},
    kind::rack::{Sku, SocState},
    snapshot::{
        Acs, BAR4, HardwareSnapshot, PciFunction, PortKind, Soc, SocPrerequisites, SocStatus,
    },
};

use super::gaps::bridges;
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
    let unread = bridges(snapshot)?;
    let mut recorded: Vec<&PciFunction> = snapshot.functions.iter().chain(&unread).collect();
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
    let index = Index::of(snapshot, &recorded);
    let functions = (0..recorded.len())
        .map(|at| index.make(at))
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
        by_address: index.by_address,
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

/// The functions of a recording, and what is looked up of each.
struct Index<'a> {
    recorded: &'a [&'a PciFunction],
    by_address: BTreeMap<PciAddress, usize>,
    /// Right below each bridge, in order.
    below: BTreeMap<PciAddress, Vec<usize>>,
    /// What each bridge is.
    kinds: Vec<Option<PortKind>>,
    /// The last bus of anything below each.
    last_bus: Vec<u8>,
    socs: BTreeMap<PciAddress, &'a Soc>,
    asked: BTreeMap<PciAddress, &'a SocPrerequisites>,
    held: BTreeSet<PciAddress>,
}

impl<'a> Index<'a> {
    fn of(snapshot: &'a HardwareSnapshot, recorded: &'a [&'a PciFunction]) -> Self {
        let by_address: BTreeMap<PciAddress, usize> = recorded
            .iter()
            .enumerate()
            .map(|(at, function)| (function.address, at))
            .collect();
        let above = |at: usize| by_address.get(&recorded[at].parent?).copied();
        let mut below: BTreeMap<PciAddress, Vec<usize>> = BTreeMap::new();
        for (at, function) in recorded.iter().enumerate() {
            if let Some(parent) = function.parent {
                below.entry(parent).or_default().push(at);
            }
        }
        // A path is longer than those of the bridges above it.
        let mut downward: Vec<usize> = (0..recorded.len()).collect();
        downward.sort_by_key(|&at| recorded[at].path.0.len());
        let mut kinds = vec![None; recorded.len()];
        for &at in &downward {
            kinds[at] = kind(recorded[at], above(at).and_then(|above| kinds[above]));
        }
        let mut last_bus = vec![0; recorded.len()];
        for &at in downward.iter().rev() {
            if let Some(above) = above(at) {
                last_bus[above] = last_bus[at]
                    .max(recorded[at].address.bus)
                    .max(last_bus[above]);
            }
        }
        let asked = snapshot.prerequisites.iter().flat_map(|asked| &asked.socs);
        Self {
            recorded,
            below,
            kinds,
            last_bus,
            socs: snapshot.socs.iter().map(|soc| (soc.address, soc)).collect(),
            asked: asked.map(|asked| (asked.address, asked)).collect(),
            held: snapshot.holders.iter().map(|holder| holder.soc).collect(),
            by_address,
        }
    }

    fn make(&self, at: usize) -> Result<Function, String> {
        let function = self.recorded[at];
        let address = function.address;
        let soc = self.socs.get(&address).copied();
        let nature = match (self.kinds[at], is_soc(function), soc) {
            (Some(kind), _, _) => Nature::Port(self.port(at, kind)),
            (None, true, Some(soc)) => Nature::Soc(part(function, soc)),
            (None, true, None) => {
                return Err(format!(
                    "its recording says nothing of the SoC at {address}"
                ));
            }
            (None, false, _) => Nature::Other,
        };
        let class = function
            .class
            .strip_prefix("0x")
            .filter(|digits| digits.len() == 6)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        Ok(Function {
            path: function.path.clone(),
            address,
            parent: function
                .parent
                .and_then(|parent| self.by_address.get(&parent).copied()),
            vendor: function.vendor,
            device: function.device,
            class: class.ok_or_else(|| {
                format!(
                    "class `{}` of {address} is not six hexadecimal digits after 0x",
                    function.class
                )
            })?,
            driver: function.driver.value.clone(),
            nature,
            shown: Some(Box::new(Shown {
                function: function.clone(),
                soc: soc.cloned(),
                asked: self.asked.get(&address).copied().cloned(),
                held: self.held.contains(&address),
            })),
        })
    }

    /// What hangs right below a bridge.
    fn below(&self, bridge: PciAddress) -> impl Iterator<Item = &'a PciFunction> + '_ {
        let below = self.below.get(&bridge).into_iter().flatten();
        below.map(|&at| self.recorded[at])
    }

    fn port(&self, at: usize, kind: PortKind) -> Port {
        let function = self.recorded[at];
        let first = self.below(function.address).next();
        let leads_to_socs = |port: &PciFunction| self.below(port.address).any(is_soc);
        let on_card = function.vendor == SWITCHTEC
            && match kind {
                PortKind::SwitchDownstream => leads_to_socs(function),
                PortKind::SwitchUpstream => self.below(function.address).any(leads_to_socs),
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
            secondary: first.map_or(0, |first| first.address.bus),
            subordinate: self.last_bus[at],
            on_card,
        }
    }
}

/// What a bridge is. Where its configuration space could not be read, what it stands below says it: below nothing it is
/// a root port, below one that leads out it leads into a switch, and below one that leads in it leads out again.
fn kind(function: &PciFunction, above: Option<PortKind>) -> Option<PortKind> {
    let kind = function.port?;
    if kind != PortKind::Bridge || function.acs.get().is_some() {
        return Some(kind);
    }
    Some(match above {
        None => PortKind::Root,
        Some(PortKind::SwitchUpstream) => PortKind::SwitchDownstream,
        Some(PortKind::Root | PortKind::SwitchDownstream | PortKind::Bridge) => {
            PortKind::SwitchUpstream
        }
    })
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
