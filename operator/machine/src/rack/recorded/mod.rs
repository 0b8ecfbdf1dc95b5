//! A server made of a recording: its tree, registers, tools and files say what the recording says, and then live as a
//! built server's do.
//!
//! `tree` makes the functions, those that could not be read by `gaps`, `seed` the registers of the first boot, `paths` answers what a file says, `query` what the
//! vendor's tool prints; `losses` names what a rack cannot show.
mod device;
mod gaps;
mod losses;
mod paths;
mod query;
mod seed;
mod tree;

use super::files::View;
use crate::vendor::CgroupOwner;
use crd::{
    Fact, Unknown,
    id::PciAddress,
    kind::rack::{
        Access, Fault, NodeSettings, Sdk, Server, Tenant, VendorAgent, VendorTool, VirtualHost,
    },
    snapshot::{HardwareSnapshot, HolderKind, LedgerTarget, PortOwner},
};

pub(crate) use device::device;
pub use losses::losses;
pub(crate) use paths::entry;
pub(crate) use query::block;
pub(crate) use seed::seed;
pub(crate) use tree::world;

/// Names of the driver's timeout and the parts of a second that each counts in.
const PARAMETERS: [(&str, u64); 2] = [
    ("control_resp_timeout_s", 1),
    ("control_resp_timeout", 1000),
];

/// The server as the rest of the rack knows servers: what a recording says stands where a file would say it.
pub(crate) fn plain(server: &Server) -> Result<Server, String> {
    let Some(snapshot) = &server.recorded else {
        return Ok(server.clone());
    };
    let given = [
        (!server.root_ports.is_empty(), "rootPorts"),
        (!server.labels.is_empty(), "labels"),
        (server.host.is_some(), "host"),
        (server.sdk.is_some(), "sdk"),
        (server.settings.is_some(), "settings"),
        (!server.tenants.is_empty(), "tenants"),
        (server.vendor_agent.is_some(), "vendorAgent"),
    ];
    if let Some((_, what)) = given.iter().find(|(given, _)| *given) {
        return Err(format!(
            "it has `recorded`, which says what `{what}` would; keep one of the two"
        ));
    }
    if snapshot.metadata.name != server.name {
        return Err(format!(
            "its name is {}, and its recording is of {}",
            server.name, snapshot.metadata.name
        ));
    }
    let access = access(snapshot);
    let mut faults = server.faults.clone();
    if access == Access::Root {
        // Where whoever recorded could read other functions, these alone end early.
        faults.extend(
            snapshot
                .functions
                .iter()
                .filter(|function| is_short(function.acs.unknown))
                .map(|function| Fault::ShortReads(function.address)),
        );
    }
    let settings = &snapshot.settings;
    let count = settings.sysctl.get("vm.max_map_count");
    Ok(Server {
        labels: snapshot.metadata.labels.clone(),
        host: Some(VirtualHost {
            kernel: snapshot.host.kernel.value.clone(),
            command_line: snapshot.host.command_line.value.clone(),
            lockdown: snapshot.host.lockdown.value,
            access: Some(access),
            ..VirtualHost::default()
        }),
        sdk: Some(Sdk {
            platform: snapshot.tools.platform_sdk.value.clone(),
            apps: snapshot.tools.apps_sdk.value.clone(),
            missing: missing(snapshot),
        }),
        settings: Some(NodeSettings {
            control_response_timeout_seconds: parameter(snapshot).and_then(|(name, unit)| {
                let target = LedgerTarget::Driver { name: name.into() };
                let value = after_boot(snapshot, &target, settings.driver.get(name))?;
                u32::try_from(value / unit).ok()
            }),
            max_map_count: after_boot(
                snapshot,
                &LedgerTarget::Sysctl {
                    name: "vm.max_map_count".into(),
                },
                count,
            )
            .and_then(|count| u32::try_from(count).ok()),
        }),
        tenants: tenants(snapshot),
        vendor_agent: vendor_agent(snapshot),
        faults,
        ..server.clone()
    })
}

/// What a setting is after a boot: what stood there before we wrote it, where we did; else what was seen.
fn after_boot(
    snapshot: &HardwareSnapshot,
    target: &LedgerTarget,
    now: Option<&Fact<u64>>,
) -> Option<u64> {
    let mut entries = snapshot.ledger.entries.iter();
    let ours = entries.find(|entry| entry.target == *target);
    ours.and_then(|entry| entry.pre_image.parse().ok())
        .or_else(|| now?.get().copied())
}

/// Whether a reason is that configuration space ended early.
fn is_short(reason: Option<Unknown>) -> bool {
    matches!(reason, Some(Unknown::NoPermission | Unknown::ShortRead))
}

/// As whom the recording was made.
fn access(snapshot: &HardwareSnapshot) -> Access {
    let all_short = !snapshot.functions.is_empty()
        && snapshot
            .functions
            .iter()
            .all(|function| is_short(function.acs.unknown));
    let reader = snapshot.prerequisites.as_ref().map(|asked| &asked.reader);
    // Rights that the reader said it had not, and used all the same, it had.
    let had_rights = reader.and_then(|reader| reader.sys_admin.get()) == Some(&true);
    if all_short && !had_rights {
        Access::Unprivileged
    } else {
        Access::Root
    }
}

/// The driver's timeout parameter, under the name that was recorded.
pub(crate) fn parameter(snapshot: &HardwareSnapshot) -> Option<(&'static str, u64)> {
    let known = &snapshot.settings.driver;
    PARAMETERS
        .into_iter()
        .find(|(name, _)| known.contains_key(*name))
}

/// Tools that were not there.
fn missing(snapshot: &HardwareSnapshot) -> Vec<VendorTool> {
    let mut missing = Vec::new();
    let unheard = |soc: &crd::snapshot::Soc| soc.status.unknown == Some(Unknown::ToolMissing);
    if !snapshot.socs.is_empty() && snapshot.socs.iter().all(unheard) {
        missing.push(VendorTool::QueryTool);
    }
    if snapshot.tools.compiler.unknown == Some(Unknown::ToolMissing) {
        missing.extend([VendorTool::QaicExec, VendorTool::QaicCompile]);
    }
    let told = [&snapshot.tools.platform_sdk, &snapshot.tools.apps_sdk];
    if told.iter().any(|sdk| sdk.get().is_none()) {
        // Where the tool had been there to say it, it would have.
        missing.push(VendorTool::VersionTool);
    }
    missing.extend(snapshot.tools.missing.keys());
    let Some(asked) = &snapshot.prerequisites else {
        return sorted(missing);
    };
    if asked.switchtec.get().is_none() {
        missing.push(VendorTool::Switchtec);
    }
    let files = [
        ("tools/qaic-util", VendorTool::QueryTool),
        ("tools/qaic-monitor-json", VendorTool::QaicMonitorJson),
        (
            "tools/qaic-monitor-grpc-server",
            VendorTool::QaicMonitorGrpcServer,
        ),
        ("firmware/fw2_swe.json", VendorTool::QmonitorFirmware),
        ("exec/qaic-runner", VendorTool::QaicRunner),
        (
            "test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
            VendorTool::P2PTest,
        ),
    ];
    if let Some(installed) = asked.installed.get() {
        let lacking = files
            .iter()
            .filter(|(file, _)| !installed.iter().any(|there| there == file));
        missing.extend(lacking.map(|(_, tool)| *tool));
    }
    sorted(missing)
}

fn sorted(mut missing: Vec<VendorTool>) -> Vec<VendorTool> {
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Whose a recorded process was that held a SoC.
pub(crate) fn whose(view: &View<'_>, soc: PciAddress, pid: u32) -> Option<CgroupOwner> {
    let recorded = view.server.recorded.as_deref()?;
    let mut holders = recorded.holders.iter();
    let known = holders.find(|holder| holder.soc == soc && holder.pid == Some(pid))?;
    Some(CgroupOwner {
        unit: known.unit.clone(),
        container: known.container.clone(),
        pod: known.pod.clone(),
    })
}

/// Foreign processes that held SoCs.
fn tenants(snapshot: &HardwareSnapshot) -> Vec<Tenant> {
    snapshot
        .holders
        .iter()
        .filter(|holder| holder.kind == HolderKind::Foreign)
        .filter_map(|holder| {
            Some(Tenant {
                name: holder.name.clone(),
                pid: holder.pid?,
                holds: vec![holder.soc],
                mapped: None,
            })
        })
        .collect()
}

/// The vendor's operator's agent, where it ran.
fn vendor_agent(snapshot: &HardwareSnapshot) -> Option<VendorAgent> {
    match snapshot.tools.qmonitor_owner.as_ref()?.get()? {
        PortOwner::Pod { pid, name, uid } => Some(VendorAgent {
            name: name.clone(),
            pid: *pid,
            pod: uid.clone(),
        }),
        PortOwner::Nobody | PortOwner::Process { .. } => None,
    }
}
