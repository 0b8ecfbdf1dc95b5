//! Files of a rack server that are about the machine around the cards: `/proc`, driver parameters, SDK versions, tools.
use crd::{
    kind::rack::{Server, VendorTool},
    snapshot::{Lockdown, parameters},
};

use super::{
    files::{Entry, View, sorted, text},
    listener::answers,
    recorded,
};

/// TCP port of qmonitor's server (vendor's own).
pub(crate) const QMONITOR_PORT: u16 = 62472;

/// Command line of a server whose file gives none.
const COMMAND_LINE: &str =
    "BOOT_IMAGE=/boot/vmlinuz root=/dev/nvme0n1p2 ro intel_iommu=on iommu=pt";

/// The vendor's software generations that differ in what a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// Up to 1.9: no accel class, driver parameters in milliseconds, `Number of devices:`.
    First,
    /// 1.10 to 1.19: `Number of devices queried:`, keys indented by tabs, memory in MB.
    Second,
    /// From 1.20: memory in KB, SKU and capabilities on lines of their own.
    Third,
}

impl Generation {
    pub(crate) fn of(server: &Server) -> Self {
        match minor(platform(server)) {
            ..=9 => Self::First,
            10..=19 => Self::Second,
            20.. => Self::Third,
        }
    }
}

/// Whether the driver has an accel class.
pub(crate) fn has_accel_class(server: &Server) -> bool {
    match &server.recorded {
        Some(recorded) => recorded.socs.iter().any(|soc| soc.accel.get().is_some()),
        None => Generation::of(server) != Generation::First,
    }
}

/// The minor number of `1.<minor>…`; large where the version is not of that form.
pub(crate) fn minor(version: &str) -> u32 {
    version
        .strip_prefix("1.")
        .and_then(|rest| rest.split('.').next())
        .and_then(|minor| minor.parse().ok())
        .unwrap_or(u32::MAX)
}

/// The kernel's release.
pub(crate) fn kernel(server: &Server) -> &str {
    let host = server.host.as_ref();
    host.and_then(|host| host.kernel.as_deref())
        .unwrap_or("6.8.0-45-generic")
}

/// The kernel's command line.
pub(crate) fn command_line(server: &Server) -> &str {
    let host = server.host.as_ref();
    host.and_then(|host| host.command_line.as_deref())
        .unwrap_or(COMMAND_LINE)
}

/// How far the command line locks the kernel down, where the file does not say it of the host.
pub(crate) fn lockdown_at_boot(server: &Server) -> Lockdown {
    let levels = parameters(command_line(server)).filter(|(name, _)| *name == "lockdown");
    // The kernel goes no way back: the first holds, unless a later one is stricter.
    levels.fold(Lockdown::None, |level, (_, asked)| match (level, asked) {
        (_, Some("confidentiality")) => Lockdown::Confidentiality,
        (Lockdown::None, Some("integrity")) => Lockdown::Integrity,
        _ => level,
    })
}

/// Whether the kernel reaches configuration space beyond its first 256 bytes: `pci=nommconf` leaves it the old way alone. What
/// was recorded of a server says itself what could be read.
pub(crate) fn reaches_extended_space(server: &Server) -> bool {
    let mut options = parameters(command_line(server))
        .filter(|(name, _)| *name == "pci")
        .flat_map(|(_, options)| options.unwrap_or_default().split(','));
    server.recorded.is_some() || !options.any(|option| option == "nommconf")
}

pub(crate) fn platform(server: &Server) -> &str {
    server
        .sdk
        .as_ref()
        .and_then(|sdk| sdk.platform.as_deref())
        .unwrap_or("1.21.0")
}

fn apps(server: &Server) -> &str {
    server
        .sdk
        .as_ref()
        .and_then(|sdk| sdk.apps.as_deref())
        .unwrap_or_else(|| platform(server))
}

/// Where a tool lies, and whether this server has it.
pub(crate) fn place(server: &Server, tool: VendorTool) -> Option<&'static str> {
    let missing = server
        .sdk
        .as_ref()
        .is_some_and(|sdk| sdk.missing.contains(&tool));
    if missing {
        return None;
    }
    match tool {
        VendorTool::QueryTool => Some("/opt/qti-aic/tools/qaic-util"),
        VendorTool::QaicMonitorJson => Some("/opt/qti-aic/tools/qaic-monitor-json"),
        VendorTool::QaicMonitorGrpcServer => Some("/opt/qti-aic/tools/qaic-monitor-grpc-server"),
        VendorTool::QmonitorFirmware => Some("/opt/qti-aic/firmware/fw2_swe.json"),
        VendorTool::VersionTool => Some("/opt/qti-aic/tools/qaic-version-util"),
        VendorTool::QaicRunner => Some("/opt/qti-aic/exec/qaic-runner"),
        // One compiler took the other's place with Apps SDK 1.21.
        VendorTool::QaicExec => {
            (minor(apps(server)) <= 20).then_some("/opt/qti-aic/exec/qaic-exec")
        }
        VendorTool::QaicCompile => {
            (minor(apps(server)) > 20).then_some("/opt/qti-aic/exec/qaic-compile")
        }
        VendorTool::Switchtec => Some("switchtec"),
        VendorTool::SystemdRun => Some("systemd-run"),
        VendorTool::P2PTest => Some(
            "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
        ),
    }
}

/// Every tool that a server may have and that can be run.
pub(crate) const TOOLS: [VendorTool; 9] = [
    VendorTool::QueryTool,
    VendorTool::QaicMonitorJson,
    VendorTool::QaicMonitorGrpcServer,
    VendorTool::VersionTool,
    VendorTool::QaicRunner,
    VendorTool::QaicExec,
    VendorTool::QaicCompile,
    VendorTool::Switchtec,
    VendorTool::SystemdRun,
];

/// The driver's timeout parameter: its name, and the value in that parameter's unit (seconds, or milliseconds of old).
#[must_use]
pub fn timeout_parameter(server: &Server, seconds: u64) -> (&'static str, u64) {
    if let Some((name, unit)) = server.recorded.as_deref().and_then(recorded::parameter) {
        return (name, seconds * unit);
    }
    match Generation::of(server) {
        Generation::First => ("control_resp_timeout", seconds * 1000),
        Generation::Second | Generation::Third => ("control_resp_timeout_s", seconds),
    }
}

pub(crate) fn entry(view: &View<'_>, parts: &[&str]) -> Option<Entry> {
    let server = view.server;
    let host = server.host.clone().unwrap_or_default();
    match parts {
        ["sys", "module", "qaic", "parameters"] => Some(Entry::Folder(vec![
            timeout_parameter(server, 0).0.to_owned(),
        ])),
        ["sys", "module", "qaic", "parameters", name] => {
            let (known, value) = timeout_parameter(server, view.live().control_timeout_s);
            if *name == known {
                text(&value.to_string())
            } else {
                None
            }
        }
        ["sys", "kernel", "security", "lockdown"] => text(match view.lockdown() {
            Lockdown::None => "[none] integrity confidentiality",
            Lockdown::Integrity => "none [integrity] confidentiality",
            Lockdown::Confidentiality => "none integrity [confidentiality]",
        }),
        ["proc", "sys", "vm", "max_map_count"] => text(&view.live().max_map_count.to_string()),
        ["proc", "sys", "kernel", "random", "boot_id"] => text(view.live().boot_id.as_str()),
        ["proc", "sys", "kernel", "hostname"] => text(server.name.as_str()),
        ["proc", "sys", "kernel", "osrelease"] => text(kernel(server)),
        ["proc", "cmdline"] => text(command_line(server)),
        ["proc", "meminfo"] => {
            let kib = u64::from(host.memory_gib.unwrap_or(1024)) << 20;
            text(&format!(
                "MemTotal:       {kib} kB\nMemFree:        {} kB\nMemAvailable:   {} kB\n",
                kib / 4 * 3,
                kib / 10 * 9
            ))
        }
        ["proc", "self", "status"] => {
            let last = host.cpus.unwrap_or(64).saturating_sub(1);
            text(&format!(
                "Name:\tshardplane\nCpus_allowed_list:\t0-{last}\n"
            ))
        }
        ["proc", "cpuinfo"] => {
            let ordinary = ["avx2", "fma", "avx512f", "avx512_vnni"].map(str::to_owned);
            let features = if host.cpu_features.is_empty() {
                &ordinary[..]
            } else {
                &host.cpu_features[..]
            };
            text(&format!(
                "processor\t: 0\nflags\t\t: fpu sse2 {}\n",
                features.join(" ")
            ))
        }
        ["proc", "1", "net", "tcp"] => text(LISTENERS),
        ["proc", "1", "net", "tcp6"] => {
            let answers = answers(view);
            let line = format!(
                "   0: 00000000000000000000000000000000:{QMONITOR_PORT:04X} 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31415 1\n"
            );
            text(&format!("{LISTENERS}{}", if answers { &line } else { "" }))
        }
        ["opt", "qti-aic", "versions", "platform.xml"] => text(&versions(platform(server))),
        ["opt", "qti-aic", "versions", "apps.xml"] => text(&versions(apps(server))),
        ["opt", "qti-aic", folder @ ("tools" | "exec")] => {
            let prefix = format!("/opt/qti-aic/{folder}/");
            Some(Entry::Folder(sorted(TOOLS.iter().filter_map(|&tool| {
                Some(place(server, tool)?.strip_prefix(&prefix)?.to_owned())
            }))))
        }
        ["etc", rest @ ..] => super::etc::entry(view, rest),
        _ => None,
    }
}

/// The head of the kernel's socket tables.
const LISTENERS: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// The SDK's own record of its version: the build number stands apart.
fn versions(version: &str) -> String {
    let (base, build) = match version.rsplit_once('.') {
        Some((base, build)) if base.contains('.') => (base, build),
        Some(_) | None => (version, "0"),
    };
    format!(
        "<versions><ci_build><base_name>AIC</base_name><base_version>{base}</base_version><build_id>{build}</build_id></ci_build></versions>\n"
    )
}
