//! A machine as text: its PCI tree with what matters for peer traffic, its SoCs, its settings.
use std::fmt::Write as _;

use crd::{
    Fact,
    id::PciAddress,
    snapshot::{
        Acs, BAR4, HardwareSnapshot, HolderKind, Link, PciFunction, PortKind, Soc, SocStatus,
    },
};

use super::{plan::Detail, words};
use crate::console::{Paint, Tone};

/// Every machine, one after the other.
pub fn text(snapshots: &[HardwareSnapshot], detail: Detail, paint: Paint) -> String {
    let mut out = String::new();
    for (at, snapshot) in snapshots.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one(&mut out, snapshot, detail, paint);
    }
    out
}

fn one(out: &mut String, snapshot: &HardwareSnapshot, detail: Detail, paint: Paint) {
    let boot = said(&snapshot.boot_id, |boot| {
        boot.as_str().chars().take(8).collect()
    });
    let _ = writeln!(
        out,
        "{}   boot {boot}",
        paint.tone(
            Tone::Strong,
            format_args!("Node {}", snapshot.metadata.name)
        )
    );
    let host = &snapshot.host;
    let _ = writeln!(
        out,
        "  kernel {}   {} CPUs   {} GiB   lockdown {}",
        said(&host.kernel, Clone::clone),
        said(&host.cpus, ToString::to_string),
        said(&host.memory_mib, |mib| (mib / 1024).to_string()),
        said(&host.lockdown, |level| format!("{level:?}")),
    );
    let tools = &snapshot.tools;
    let _ = writeln!(
        out,
        "  platform SDK {}   compiler {}   worker {}",
        said(&tools.platform_sdk, Clone::clone),
        said(&tools.compiler, |compiler| format!(
            "{} {}",
            compiler.program, compiler.version
        )),
        said(&tools.worker, |worker| format!(
            "{} ({})",
            worker.version, worker.instruction_set
        )),
    );
    for (name, value) in snapshot
        .settings
        .driver
        .iter()
        .chain(&snapshot.settings.sysctl)
    {
        let _ = writeln!(out, "  {name} = {}", said(value, ToString::to_string));
    }
    let _ = writeln!(
        out,
        "\n  {}",
        paint.tone(Tone::Strong, words::counted(snapshot.socs.len(), "SoC"))
    );
    for soc in &snapshot.socs {
        soc_line(out, soc, snapshot, detail, paint);
    }
    let _ = writeln!(out, "\n  {}", paint.tone(Tone::Strong, "PCI tree"));
    for root in snapshot
        .functions
        .iter()
        .filter(|function| function.parent.is_none())
    {
        if detail == Detail::Wide || leads_to_soc(root.address, snapshot) {
            branch(out, root, snapshot, 2, (detail, paint));
        }
    }
    let hidden = snapshot
        .functions
        .iter()
        .filter(|f| f.parent.is_none() && !leads_to_soc(f.address, snapshot))
        .count();
    if detail == Detail::Normal && hidden > 0 {
        let _ = writeln!(
            out,
            "    {} that lead to no SoC (-o wide lists them)",
            words::counted(hidden, "function")
        );
    }
    if !snapshot.unread.is_empty() {
        let _ = writeln!(out, "\n  {}", paint.tone(Tone::Strong, "Not read"));
    }
    for unread in &snapshot.unread {
        let _ = writeln!(out, "    {} ({:?})", unread.path, unread.why);
    }
}

/// Who holds a SoC, or may.
fn holders(soc: PciAddress, snapshot: &HardwareSnapshot) -> String {
    let held: Vec<String> = snapshot
        .holders
        .iter()
        .filter(|holder| holder.soc == soc)
        .map(|holder| match &holder.kind {
            HolderKind::Unseen { why } => {
                format!(
                    "somebody who cannot be seen, perhaps ({}: {why:?})",
                    holder.name
                )
            }
            HolderKind::Worker { .. } | HolderKind::Pod { .. } | HolderKind::Foreign => {
                holder.name.clone()
            }
        })
        .collect();
    if held.is_empty() {
        String::new()
    } else {
        format!("   held by {}", held.join(", "))
    }
}

fn soc_line(
    out: &mut String,
    soc: &Soc,
    snapshot: &HardwareSnapshot,
    detail: Detail,
    paint: Paint,
) {
    let status = said(&soc.status, |status| match status {
        SocStatus::Ready => "Ready".to_owned(),
        SocStatus::Initializing => "Initializing".to_owned(),
        SocStatus::Error => "Error".to_owned(),
        SocStatus::Other(word) => word.clone(),
    });
    let tone = if soc.status.get() == Some(&SocStatus::Ready) {
        Tone::Create
    } else {
        Tone::Delete
    };
    let held = holders(soc.address, snapshot);
    let _ = writeln!(
        out,
        "    {}  {}  MDP {}  {} cores  {} MiB  {}{held}",
        soc.address,
        paint.tone(tone, format_args!("{status:<12}")),
        said(&soc.mdp, |on| if *on { "on " } else { "off" }.to_owned()),
        said(&soc.cores, ToString::to_string),
        said(&soc.dram_mib, ToString::to_string),
        said(&soc.sku, |sku| sku.0.clone()),
    );
    if detail == Detail::Wide {
        let _ = writeln!(
            out,
            "      QID {}  mhi{}  accel{}  serial {}  path {}",
            said(&soc.qid, ToString::to_string),
            said(&soc.mhi, ToString::to_string),
            said(&soc.accel, ToString::to_string),
            said(&soc.serial, ToString::to_string),
            soc.path,
        );
        more(out, soc.address, snapshot);
    }
}

/// Its node, its link beside what it could be, and whose each of its holders is.
fn more(out: &mut String, soc: PciAddress, snapshot: &HardwareSnapshot) {
    let function = snapshot.functions.iter().find(|f| f.address == soc);
    let asked = snapshot.prerequisites.iter().flat_map(|asked| &asked.socs);
    let node = asked
        .filter(|asked| asked.address == soc)
        .find_map(|asked| asked.node.as_ref());
    if let (Some(function), Some(node)) = (function, node) {
        let link = |link: &Link| format!("{} x{}", link.speed, link.width);
        let _ = writeln!(
            out,
            "      node {}  link {} of {}  NUMA {}",
            said(node, Clone::clone),
            said(&function.link, link),
            said(&function.max_link, link),
            said(&function.numa_node, ToString::to_string),
        );
    }
    for holder in snapshot.holders.iter().filter(|holder| holder.soc == soc) {
        let whose = [
            ("unit", &holder.unit),
            ("container", &holder.container),
            ("pod", &holder.pod),
        ];
        let whose: Vec<String> = whose
            .into_iter()
            .filter_map(|(what, of)| Some(format!("  {what} {}", of.as_ref()?)))
            .collect();
        if let Some(pid) = holder.pid {
            let _ = writeln!(
                out,
                "      held by pid {pid} ({}){}",
                holder.name,
                whose.concat()
            );
        }
    }
}

fn branch(
    out: &mut String,
    function: &PciFunction,
    snapshot: &HardwareSnapshot,
    depth: usize,
    how: (Detail, Paint),
) {
    let (detail, paint) = how;
    let kind = match function.port {
        Some(PortKind::Root) => "root port",
        Some(PortKind::SwitchUpstream) => "switch upstream",
        Some(PortKind::SwitchDownstream) => "switch downstream",
        Some(PortKind::Bridge) => "bridge",
        None if is_soc(function.address, snapshot) => "SoC",
        None => "device",
    };
    let acs = match (&function.acs.value, function.acs.unknown) {
        (Some(Acs::Present { control, .. }), _) => format!("  ACS {control}"),
        (Some(Acs::None), _) if function.port.is_some() => "  no ACS".to_owned(),
        (Some(Acs::None), _) => String::new(),
        (None, reason) => paint.tone(
            Tone::Update,
            format!(
                "  ACS unknown ({})",
                reason.map_or_else(String::new, |r| format!("{r:?}"))
            ),
        ),
    };
    let bar = function
        .bar(BAR4)
        .filter(|_| is_soc(function.address, snapshot));
    let bar = bar.map_or_else(String::new, |bar| format!("  BAR4 {}", size(bar.size_kib)));
    let group = function
        .iommu_group
        .get()
        .map_or_else(String::new, |group| format!("  IOMMU group {group}"));
    let driver = function
        .driver
        .get()
        .map_or_else(String::new, |driver| format!("  driver {driver}"));
    let _ = writeln!(
        out,
        "{:indent$}{}  {kind}{acs}{bar}{group}{driver}",
        "",
        function.address,
        indent = depth * 2
    );
    for child in snapshot
        .functions
        .iter()
        .filter(|child| child.parent == Some(function.address))
    {
        if detail == Detail::Wide || leads_to_soc(child.address, snapshot) {
            branch(out, child, snapshot, depth + 1, how);
        }
    }
}

fn is_soc(address: PciAddress, snapshot: &HardwareSnapshot) -> bool {
    snapshot.socs.iter().any(|soc| soc.address == address)
}

/// Whether a SoC lies at or below a function. Parents only point up, and each function has one, so this ends.
fn leads_to_soc(address: PciAddress, snapshot: &HardwareSnapshot) -> bool {
    snapshot.socs.iter().any(|soc| {
        let mut at = Some(soc.address);
        for _ in 0..=snapshot.functions.len() {
            match at {
                Some(here) if here == address => return true,
                Some(here) => {
                    at = snapshot
                        .functions
                        .iter()
                        .find(|f| f.address == here)
                        .and_then(|f| f.parent);
                }
                None => return false,
            }
        }
        false
    })
}

fn size(kib: u64) -> String {
    match kib {
        kib if kib >= 1 << 20 && kib % (1 << 20) == 0 => format!("{} GiB", kib >> 20),
        kib if kib >= 1 << 10 && kib % (1 << 10) == 0 => format!("{} MiB", kib >> 10),
        kib => format!("{kib} KiB"),
    }
}

fn said<T>(fact: &Fact<T>, text: impl FnOnce(&T) -> String) -> String {
    match (fact.get(), fact.unknown) {
        (Some(value), _) => text(value),
        (None, Some(reason)) => format!("? ({reason:?})"),
        (None, None) => "?".to_owned(),
    }
}
