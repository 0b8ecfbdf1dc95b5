//! Goals whose steps would call what is known not to be there: they are blocked, and nothing of them is begun. What cannot be
//! told may be there, and is found out by the step.
use crd::{
    id::{ObjectRef, PciAddress},
    kind::rack::VendorTool,
    plan::ReportReason,
    snapshot::Tools,
};

use super::socs;
use crate::{placement::Obstacle, view::View};

/// What the request for partitioning of one SoC takes: the tool that sends it, and a server that hears it or can be started.
pub(crate) fn for_request(
    view: &View<'_>,
    soc: PciAddress,
    object: &ObjectRef,
) -> impl Iterator<Item = Obstacle> {
    let tools = &view.snapshot.tools;
    let sends = named(tools, VendorTool::QaicMonitorJson).map(|lacking| {
        let message = format!("partitioning of {soc} is requested by {lacking}");
        (message, "install the Platform SDK")
    });
    let stopped = tools.qmonitor_running.get() == Some(&false);
    let starts = stopped.then(|| for_qmonitor(tools)).flatten();
    let starts = starts.map(|(lacking, hint)| {
        let message = format!(
            "partitioning of {soc} is switched through qmonitor, which is stopped: {lacking}"
        );
        (message, hint)
    });
    let found: Vec<_> = sends.into_iter().chain(starts).collect();
    found
        .into_iter()
        .map(move |(message, hint)| socs::of(object, ReportReason::ToolMissing, soc, message, hint))
}

/// What is missing to start qmonitor, and what to do about it.
pub(crate) fn for_qmonitor(tools: &Tools) -> Option<(String, &'static str)> {
    if let Some(mask) = &tools.qmonitor_masked {
        let lacking =
            format!("its unit is masked ({mask}), so that the service manager starts none");
        return Some((lacking, UNMASK_QMONITOR));
    }
    let started = |tool| Some(format!("it is started by {}", named(tools, tool)?));
    let server = started(VendorTool::QaicMonitorGrpcServer)
        .map(|lacking| (lacking, "install the Platform SDK, or start qmonitor"));
    let firmware = || {
        let lacking = named(tools, VendorTool::QmonitorFirmware)?;
        Some((
            format!("it reads {lacking}"),
            "install the Platform SDK, or start qmonitor",
        ))
    };
    server.or_else(firmware).or_else(|| {
        let lacking = started(VendorTool::SystemdRun)?;
        Some((lacking, START_QMONITOR))
    })
}

/// What is missing to prove P2P, in words; nothing where all is there or may be.
pub(crate) fn for_proof(tools: &Tools) -> Option<String> {
    let lacking = [VendorTool::QaicRunner, VendorTool::P2PTest]
        .into_iter()
        .find_map(|tool| named(tools, tool))?;
    Some(format!("P2P is proven by {lacking}"))
}

/// What to do where it is.
pub(crate) const FOR_PROOF: &str = "install the Apps SDK with its test data, or declare `verification: { mode: None }` to go without a proof";

/// What to do where systemd does not run the machine.
pub(crate) const START_QMONITOR: &str = "start qmonitor in the way of this machine: `/opt/qti-aic/tools/qaic-monitor-grpc-server`, which stays in the foreground";

/// What to do where its unit is masked.
const UNMASK_QMONITOR: &str = "`systemctl unmask qmonitor-proxy.service` (with `--runtime` for a mask below /run), or start qmonitor in another way";

/// A missing tool and where it was looked for.
fn named(tools: &Tools, tool: VendorTool) -> Option<String> {
    let looked = tools.missing.get(&tool)?;
    let name = tool.name();
    Some(if looked == name {
        format!("`{name}`, which is not installed")
    } else if looked.ends_with(&format!("/{name}")) {
        format!("`{name}`, and {looked} is no program that may be run")
    } else if looked.starts_with("/run/") {
        format!(
            "`{name}`, which works under systemd alone, and systemd does not run this machine ({looked} is not there)"
        )
    } else {
        format!("`{name}`, which is not installed (not in {looked})")
    })
}
