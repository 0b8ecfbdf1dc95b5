//! Vendor tools of a rack server: doubles that print what the real ones are known to print, exit codes that lie included.
mod compiler;
mod qmonitor;
mod query;
mod reset;
mod runner;
mod switchtec;

pub use compiler::COMPILER_MARKER;

use std::{collections::BTreeMap, time::Duration};

use crd::{
    id::{PciAddress, Qid},
    kind::rack::{Fault, QidOrder, VendorTool},
};

use super::{
    RackServer,
    draw::draw,
    files::View,
    host::{TOOLS, place, platform},
    soc_live::Phase,
};
use crate::access::{Invocation, ToolError, ToolOutput};

/// Runs a tool. Each run takes its time; a fault may kill or hang it.
pub(crate) fn run(
    server: &RackServer,
    invocation: &Invocation,
    arguments: &[String],
) -> Result<ToolOutput, ToolError> {
    let program = invocation.program.as_str();
    let missing = || ToolError::Missing {
        program: program.to_owned(),
    };
    // The service manager is there with both of its commands or with none.
    let asked = match program {
        "systemctl" => "systemd-run",
        other => other,
    };
    let tool = TOOLS
        .into_iter()
        .find(|&tool| place(&server.store.server, tool) == Some(asked))
        .ok_or_else(missing)?;
    let word = program.rsplit('/').next().unwrap_or(program);
    let broken = |source: super::RackError| ToolError::Start {
        program: program.to_owned(),
        source: std::io::Error::other(source),
    };

    let (killed, hangs, idle, badly) = server
        .with(|view| {
            let faults = &view.live().faults;
            (
                faults.contains(&Fault::ToolKilled(word.to_owned())),
                faults.contains(&Fault::ToolHangs(word.to_owned())),
                faults.contains(&Fault::ToolIdle(word.to_owned())),
                faults.contains(&Fault::ToolEndsBadly(word.to_owned())),
            )
        })
        .map_err(broken)?;
    if killed {
        return Ok(ToolOutput {
            status: None,
            stdout: String::new(),
            stderr: String::new(),
            timed_out: false,
            files: Vec::new(),
        });
    }
    if idle {
        return Ok(said("", 0));
    }
    let takes = Duration::from_millis(server.times.tool);
    if hangs || takes > invocation.deadline {
        server.pass(invocation.deadline).map_err(broken)?;
        return Ok(ToolOutput {
            status: None,
            stdout: String::new(),
            stderr: String::new(),
            timed_out: true,
            files: Vec::new(),
        });
    }
    let asks = tool == VendorTool::QueryTool && !arguments.iter().any(|argument| argument == "-s");
    if !asks {
        // A query takes no time, so that looking never writes: readers take no lock.
        server.pass(takes).map_err(broken)?;
    }
    let done = match tool {
        VendorTool::QueryTool if arguments.iter().any(|argument| argument == "-s") => {
            reset::run(server, arguments)
        }
        VendorTool::QueryTool => server.with(|view| query::run(view, server.store.seed, arguments)),
        VendorTool::QaicMonitorJson => qmonitor::request(server, arguments),
        VendorTool::SystemdRun if program == "systemctl" => qmonitor::unit(server, arguments),
        VendorTool::SystemdRun => qmonitor::start(server, arguments),
        VendorTool::QaicMonitorGrpcServer => Ok(said(
            "qaic-monitor-grpc-server: stays in the foreground; start it as a unit\n",
            1,
        )),
        VendorTool::QaicRunner => {
            server.with(|view| runner::run(view, server.store.seed, arguments))
        }
        VendorTool::QaicExec | VendorTool::QaicCompile => {
            compiler::run(server, program, invocation, arguments)
        }
        VendorTool::VersionTool => Ok(said(
            &format!("AIC.{}\n", platform(&server.store.server)),
            0,
        )),
        VendorTool::Switchtec => switchtec::run(server, arguments),
        VendorTool::P2PTest | VendorTool::QmonitorFirmware => return Err(missing()),
    };
    let mut done = done.map_err(broken)?;
    if badly {
        done.status = Some(3);
    }
    Ok(done)
}

fn said(text: &str, status: i32) -> ToolOutput {
    ToolOutput {
        status: Some(status),
        stdout: text.to_owned(),
        stderr: String::new(),
        timed_out: false,
        files: Vec::new(),
    }
}

fn complained(text: &str, status: i32) -> ToolOutput {
    ToolOutput {
        status: Some(status),
        stdout: String::new(),
        stderr: text.to_owned(),
        timed_out: false,
        files: Vec::new(),
    }
}

/// What follows a flag.
fn after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).map(String::as_str)
}

/// QIDs of every SoC on the bus, as the vendor's runtime gives them to a process that starts now.
fn qids(view: &View<'_>, seed: u32) -> BTreeMap<PciAddress, Qid> {
    let recorded: BTreeMap<PciAddress, Qid> = view
        .socs()
        .filter_map(|(_, function, _, _)| {
            Some((function.address, *function.recorded_soc()?.qid.get()?))
        })
        .collect();
    if !recorded.is_empty() {
        return recorded;
    }
    let mut keyed: Vec<(String, PciAddress)> = view
        .socs()
        .map(|(_, function, _, _)| {
            let at = function.address;
            let key = match view.server.qid_order.unwrap_or_default() {
                QidOrder::DecimalString => decimal_key(at),
                QidOrder::Shuffled => {
                    format!(
                        "{:020}",
                        draw(seed, &format!("{}/qid/{at}", view.server.name))
                    )
                }
            };
            (key, at)
        })
        .collect();
    keyed.sort();
    (0..)
        .map(Qid)
        .zip(keyed)
        .map(|(qid, (_, at))| (at, qid))
        .collect()
}

/// The vendor's own key of an address: decimal, and no wider than it happens to be.
pub(crate) fn decimal_key(at: PciAddress) -> String {
    format!(
        "{:04}{:02}{:02}{:02}",
        at.domain, at.bus, at.device, at.function
    )
}

/// Whether the vendor's driver can reach the SoC at all.
fn reachable(view: &View<'_>, address: PciAddress) -> bool {
    view.function(address)
        .is_some_and(|(_, function)| view.driver(function) == Some("qaic"))
}

/// A SoC's phase by address.
fn phase(view: &View<'_>, address: PciAddress) -> Option<Phase> {
    view.socs()
        .find(|(_, function, _, _)| function.address == address)
        .map(|(_, _, _, phase)| phase)
}
