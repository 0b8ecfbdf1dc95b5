//! The same relaxation at boot, for those who prefer the kernel's command line: which parameter names exactly the ports
//! that the declared groups need, and what it does beyond that. What is said of kernels was seen in emulated machines with
//! Debian's 6.1 and 7.3, ports named by path behind a switch; that some versions misread a list is in the kernel's history.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    declaration::{Declaration, Declared},
    id::{NodeName, PciAddress, PciPath, Word},
    kind::P2PGroupSpec,
    plan::ReportReason,
    snapshot::{Acs, HardwareSnapshot, LedgerTarget, parameters},
    step::ACS_REDIRECT_MASK,
};
use serde::Serialize;

use super::{
    groups::{Assessed, assess},
    ports,
};
use crate::{
    drift,
    placement::place,
    view::{self, View},
};

/// The oldest kernels that know each parameter (kernel's admin guide).
const DISABLE_ACS_REDIR: (u32, u32) = (4, 20);
const CONFIG_ACS: (u32, u32) = (6, 11);
/// Bits that `config_acs` has, `DT` to `SV`.
const CONFIG_BITS: u16 = 7;
/// What an x86 kernel keeps of its command line.
const COMMAND_LINE_LIMIT: usize = 2048;

/// What one node's kernel command line would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootParameters {
    /// The node.
    pub node: NodeName,
    /// Its kernel's release, where known.
    pub kernel: Option<String>,
    /// The ports, ordered by path; empty where no group needs one.
    pub ports: Vec<BootPort>,
    /// `pci=disable_acs_redir=…`, for kernels from 4.20.
    pub disable_acs_redir: Option<String>,
    /// `pci=config_acs=…`, for kernels from 6.11. Keeps every bit that is not a redirect bit as the port has it now.
    pub config_acs: Option<String>,
    /// Which of the two this node's kernel knows.
    pub known: Vec<&'static str>,
    /// What to know before one of them is used.
    pub caveats: Vec<String>,
    /// Groups whose ports are left out, each with why.
    pub left_out: Vec<String>,
    /// Why there are no ports though no group was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none_because: Option<String>,
}

/// A port to be relaxed at boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootPort {
    /// Its path from the root port, which is how the kernel finds it whatever its bus number.
    pub path: PciPath,
    /// Its address now.
    pub address: PciAddress,
    /// The word that `config_acs` leaves there.
    pub word: Word,
}

/// Works them out for one node. It cannot fail: what stands against a group leaves its ports out, with why.
pub fn boot_parameters(declaration: &Declaration, snapshot: &HardwareSnapshot) -> BootParameters {
    let snapshot = view::read(snapshot);
    let view = View::of(&snapshot, declaration);
    let mut left_out: Vec<String> = Vec::new();
    let mut ports = BTreeSet::new();
    let mut placed_groups = 0;
    if drift::renumbered(&snapshot).is_empty() {
        let mut groups: Vec<&Declared<P2PGroupSpec>> = declaration.groups.iter().collect();
        groups.sort_by(|a, b| a.object.cmp(&b.object));
        let placement = place(&view, &groups);
        left_out.extend(placement.missing.into_iter().map(|missing| missing.message));
        for placed in &placement.groups {
            placed_groups += 1;
            let group = assess(&view, placed, false);
            match in_the_way(&view, &group) {
                Some(why) => left_out.push(why),
                None => ports.extend(needed(&view, &group)),
            }
        }
    } else {
        left_out.push(
            "ports or SoCs are not where the ledger knows them, or not told apart by their serials"
                .into(),
        );
    }
    let ports: Vec<BootPort> = ports.into_iter().collect();
    let nothing = ports.is_empty() && left_out.is_empty();
    let none_because = nothing.then(|| none_needed(&view, declaration, placed_groups));
    let list = |entry: &dyn Fn(&BootPort) -> String| {
        let entries: Vec<String> = ports.iter().map(entry).collect();
        (!entries.is_empty()).then(|| entries.join(";"))
    };
    let disable_acs_redir = list(&|port| port.path.to_string())
        .map(|entries| format!("pci=disable_acs_redir={entries}"));
    let config_acs = list(&|port| format!("{}@{}", flags(port.word), port.path))
        .map(|entries| format!("pci=config_acs={entries}"));
    let kernel = snapshot.host.kernel.get().cloned();
    let caveats = if ports.is_empty() {
        Vec::new()
    } else {
        caveats(&view, [&disable_acs_redir, &config_acs])
    };
    BootParameters {
        node: view.node().clone(),
        known: known(kernel.as_deref()),
        kernel,
        ports,
        disable_acs_redir,
        config_acs,
        caveats,
        left_out,
        none_because,
    }
}

/// Why a group's ports are not named: a plan would not relax them either, or they would be open to a stranger. What only
/// keeps SoCs from being used now is no reason for ports that are relaxed: they stay so.
fn in_the_way(view: &View<'_>, group: &Assessed<'_>) -> Option<String> {
    let closed = ports::obstacles(view, std::slice::from_ref(group));
    let relaxed = is_relaxed(view, group);
    group
        .obstacles
        .iter()
        .chain(&closed)
        .find(|obstacle| match about(obstacle.reason) {
            About::Writing => false,
            About::SoCs => !relaxed,
            About::Ports => true,
        })
        .map(|obstacle| obstacle.message.clone())
}

/// Whether each of a group's ports lets peers pass now, or did by our doing and will again.
fn is_relaxed(view: &View<'_>, group: &Assessed<'_>) -> bool {
    let entries = &view.snapshot.ledger.entries;
    let is_ours = |port: PciAddress| {
        entries.iter().any(|entry| match &entry.target {
            LedgerTarget::Acs {
                port: known,
                path: _,
            } => *known == port,
            LedgerTarget::Mdp { soc: _ }
            | LedgerTarget::Driver { name: _ }
            | LedgerTarget::Sysctl { name: _ }
            | LedgerTarget::File { file: _ } => false,
        })
    };
    let is_clear = |port: PciAddress| {
        let function = view.topology.function(port);
        match function.and_then(|function| function.acs.get()) {
            Some(Acs::None) => true,
            Some(Acs::Present { control, .. }) => control.0 & ACS_REDIRECT_MASK == 0,
            None => false,
        }
    };
    let mut ports = group.ports.iter().map(|port| port.address);
    ports.all(|port| is_ours(port) || is_clear(port))
}

/// What stands against a group.
enum About {
    /// Who may write the word now: a boot is another way.
    Writing,
    /// In which state its SoCs are, or whether they may be worked on.
    SoCs,
    /// Its ports, or that there is no such group.
    Ports,
}

fn about(reason: ReportReason) -> About {
    match reason {
        ReportReason::AcsUnmanaged | ReportReason::Lockdown => About::Writing,
        ReportReason::HeldByForeign
        | ReportReason::VendorAgent
        | ReportReason::Initializing
        | ReportReason::NotReady
        | ReportReason::MdpUnknown
        | ReportReason::MdpOff
        | ReportReason::SdkTooOld
        | ReportReason::ToolMissing
        | ReportReason::BudgetTooSmall => About::SoCs,
        _ => About::Ports,
    }
}

/// Why there is nothing to name though nothing stands against any group.
fn none_needed(view: &View<'_>, declaration: &Declaration, groups: usize) -> String {
    let node = view.node();
    if declaration.groups.is_empty() {
        "no P2PGroup is declared".to_owned()
    } else if view.selection.policies.is_empty() {
        format!("no CardPolicy selects {node}, so no group has a place on it")
    } else if groups == 0 {
        format!("no declared P2PGroup selects {node}, or has a member on it")
    } else {
        "between the members of the declared groups no port has ACS, so none redirects".to_owned()
    }
}

/// The group's divergence ports that have ACS, with the word that each is to have.
fn needed(view: &View<'_>, group: &Assessed<'_>) -> Vec<BootPort> {
    let recorded: BTreeMap<PciAddress, Word> = view
        .snapshot
        .ledger
        .entries
        .iter()
        .filter_map(|entry| match &entry.target {
            LedgerTarget::Acs { port, path: _ } => Some((*port, entry.pre_image.parse().ok()?)),
            LedgerTarget::Mdp { soc: _ }
            | LedgerTarget::Driver { name: _ }
            | LedgerTarget::Sysctl { name: _ }
            | LedgerTarget::File { file: _ } => None,
        })
        .collect();
    let word = |port: PciAddress| match view.topology.function(port)?.acs.get()? {
        Acs::None => None,
        Acs::Present { control, .. } => {
            let before = recorded.get(&port).copied().unwrap_or(*control);
            Some(Word(before.0 & !ACS_REDIRECT_MASK))
        }
    };
    group
        .ports
        .iter()
        .filter_map(|port| {
            Some(BootPort {
                path: port.path.clone(),
                address: port.address,
                word: word(port.address)?,
            })
        })
        .collect()
}

/// `config_acs`'s flags, most significant bit first: redirect bits cleared, bits that stand kept, the rest left alone.
fn flags(word: Word) -> String {
    (0..CONFIG_BITS)
        .rev()
        .map(|bit| match 1 << bit {
            bit if ACS_REDIRECT_MASK & bit != 0 => '0',
            bit if word.0 & bit != 0 => '1',
            _ => 'x',
        })
        .collect()
}

/// The last list that a command line gives a `pci` parameter.
fn on_the_line<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let options = parameters(line).filter(|(parameter, _)| *parameter == "pci");
    let options = options.filter_map(|(_, options)| options);
    options
        .flat_map(|options| options.split(','))
        .filter_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        .last()
}

fn ends_with(parameter: Option<&String>, list: &str) -> bool {
    let list = format!("={list}");
    parameter.is_some_and(|ours| ours.ends_with(&list))
}

/// The parameters that a kernel release has.
fn known(release: Option<&str>) -> Vec<&'static str> {
    let mut numbers = release.unwrap_or_default().split(['.', '-']);
    let mut number = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    let Some(version) = number().zip(number()) else {
        return Vec::new();
    };
    [
        (DISABLE_ACS_REDIR, "disable_acs_redir"),
        (CONFIG_ACS, "config_acs"),
    ]
    .into_iter()
    .filter(|(since, _)| version >= *since)
    .map(|(_, parameter)| parameter)
    .collect()
}

fn caveats(view: &View<'_>, parameters: [&Option<String>; 2]) -> Vec<String> {
    let mut caveats: Vec<String> = [
        "give one of the two, and quote it where a boot loader's file is a shell's: it holds semicolons",
        "the kernel then counts all that lies below these ports into one IOMMU group, so none of it can be given away alone",
        "disable_acs_redir clears more on newer kernels: 6.1 left 0x0011 (SV and UF stay), 7.3 left 0x0000",
        "config_acs starts from what firmware left, which is why the bits to be kept are named: 7.3 left 0x0011 with x0100x1; kernels before 6.11 refuse it, and some from 6.11 on take its first port alone",
        "a port that a path does not find is passed over in silence: after moving a card, ask for these lines again",
        "only ACS is set at boot; partitioning, settings and the proof of P2P are still Shardplane's to do",
    ]
    .map(str::to_owned)
    .into();
    let line = view.snapshot.host.command_line.get();
    for (name, ours) in ["disable_acs_redir", "config_acs"]
        .into_iter()
        .zip(parameters)
    {
        // The kernel keeps one list of each.
        let theirs = line.and_then(|line| on_the_line(line, name));
        if let Some(theirs) = theirs.filter(|theirs| !ends_with(ours.as_ref(), theirs)) {
            caveats.push(format!(
                "the command line has {name}={theirs} already, and the kernel keeps the last list of each alone: make one list of it and of ours, without ports that nobody wants any more"
            ));
        }
    }
    let line = line.map_or(0, String::len);
    let longest = parameters.into_iter().flatten().map(String::len).max();
    if let Some(length) = longest.map(|length| line + 1 + length)
        && length >= COMMAND_LINE_LIMIT
    {
        caveats.push(format!(
            "the command line would have {length} characters, and an x86 kernel keeps {COMMAND_LINE_LIMIT}"
        ));
    }
    caveats
}
