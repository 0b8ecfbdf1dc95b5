//! Whose SoCs are, where pods may have them: what the machine shows, joined with what the kubelet says.
//!
//! A process tells its pod's uid, the kubelet a pod's name; only the API server knows which are one. A device whose id names
//! no SoC may be any of them: then every SoC counts as held, by somebody who cannot be told.
use crd::{
    Unknown,
    id::PciAddress,
    snapshot::{HardwareSnapshot, Holder, HolderKind, PodName, Soc},
};

/// Resources and drivers that SoCs are given under: the vendor's device plugin's, and ours.
const OURS: [&str; 2] = ["qualcomm.com", "shardplane.dev"];

/// Who else may hold SoCs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tenants {
    /// Strangers: a pod's process is anybody else, for nobody here may evict it.
    #[default]
    Strangers,
    /// Pods, which the cluster's controller may evict.
    Pods(Word),
}

/// What a kubelet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// There is none: a virtual node.
    NotAsked,
    /// Who has which device.
    Said(Vec<Allotment>),
    /// It gives no answer, for this reason.
    Silent(String),
}

/// A device that a pod has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allotment {
    /// The pod.
    pub pod: PodName,
    /// The resource, or the driver that gave it.
    pub of: String,
    /// The device, as its plugin or driver calls it.
    pub device: String,
}

impl Tenants {
    /// Adds to a snapshot who holds its SoCs.
    pub fn join(&self, snapshot: &mut HardwareSnapshot) {
        let Self::Pods(word) = self else {
            return;
        };
        for holder in &mut snapshot.holders {
            if holder.kind == HolderKind::Foreign && holder.pod.is_some() {
                holder.kind = HolderKind::Pod { named: None };
            }
        }
        let said = match word {
            Word::NotAsked => Vec::new(),
            Word::Silent(why) => everywhere(snapshot, Unknown::ReadFailed, why),
            Word::Said(allotments) => allotted(snapshot, allotments),
        };
        snapshot.holders.extend(said);
        snapshot.holders.sort();
        snapshot.holders.dedup();
    }
}

/// Whether SoCs are given under this name.
pub fn is_of_socs(of: &str) -> bool {
    let domain = of.split('/').next().unwrap_or_default();
    OURS.iter().any(|ours| {
        let before = domain.strip_suffix(ours);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

fn allotted(snapshot: &HardwareSnapshot, allotments: &[Allotment]) -> Vec<Holder> {
    let mut holders = Vec::new();
    let mut nameless = Vec::new();
    for allotment in allotments.iter().filter(|one| is_of_socs(&one.of)) {
        let Allotment { pod, of, device } = allotment;
        match snapshot.socs.iter().find(|soc| names(device, soc)) {
            Some(soc) => holders.push(Holder {
                kind: HolderKind::Pod {
                    named: Some(pod.clone()),
                },
                ..nobody(soc.address, pod.to_string())
            }),
            None => nameless.push(format!("pod {pod} has `{device}` of {of}")),
        }
    }
    if let Some(first) = nameless.first() {
        let more = match nameless.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let why = format!("{first}, which names no SoC{more}");
        holders.extend(everywhere(snapshot, Unknown::Malformed, &why));
    }
    holders
}

/// Somebody who cannot be told may hold any SoC.
fn everywhere(snapshot: &HardwareSnapshot, why: Unknown, name: &str) -> Vec<Holder> {
    let socs = snapshot.socs.iter();
    socs.map(|soc| Holder {
        kind: HolderKind::Unseen { why },
        ..nobody(soc.address, name.to_owned())
    })
    .collect()
}

fn nobody(soc: PciAddress, name: String) -> Holder {
    Holder {
        soc,
        kind: HolderKind::Foreign,
        pid: None,
        name,
        unit: None,
        container: None,
        pod: None,
    }
}

/// Whether a device's id names a SoC beyond doubt: by PCI address, serial, or accel node. A bare number would be one of four
/// numberings.
fn names(device: &str, soc: &Soc) -> bool {
    let device = device.to_ascii_lowercase();
    let address = soc.address.to_string();
    let serial = soc
        .serial
        .get()
        .map(|serial| serial.to_string().to_ascii_lowercase());
    let plain = |text: &str| text.strip_prefix("0x").unwrap_or(text).to_owned();
    let node = soc.accel.get().map(|minor| format!("accel{}", minor.0));
    contains(&device, &address)
        || serial.is_some_and(|serial| plain(&serial) == plain(&device))
        || node.is_some_and(|node| device == node || device == format!("/dev/accel/{node}"))
}

/// Whether a text has an address in it, and not as part of a longer one.
fn contains(text: &str, address: &str) -> bool {
    text.match_indices(address).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + address.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_hexdigit() || c == ':')
            && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}
