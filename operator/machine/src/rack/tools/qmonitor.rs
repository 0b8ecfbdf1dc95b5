//! qmonitor: started as a transient unit, warm after a while, and asked through `qaic-monitor-json`.
use crd::{
    id::PciAddress,
    kind::rack::{Fault, VendorTool},
};
use serde::Deserialize;

use super::{after, complained, qids, said};
use crate::{
    access::ToolOutput,
    linux::opened::{self, For},
    rack::{RackError, RackServer, files::View, host::place, listener::answers, live::EventLive},
};

/// Requests as the client's file holds them; what else is in it is ignored, as the real client does.
#[derive(Deserialize)]
struct Requests {
    request: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    qid: i64,
    dev_config: DeviceConfig,
}

#[derive(Deserialize)]
struct DeviceConfig {
    update_multi_device_partition_config_request: Option<Partitioning>,
}

#[derive(Deserialize)]
struct Partitioning {
    enable: bool,
}

/// `systemd-run --unit=qmonitor-proxy <server>`. A second start while the unit is loaded fails.
pub(super) fn start(server: &RackServer, arguments: &[String]) -> Result<ToolOutput, RackError> {
    let unit = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--unit="))
        .unwrap_or("run-u1");
    let program = arguments.iter().find(|argument| argument.starts_with('/'));
    let known = place(&server.store.server, VendorTool::QaicMonitorGrpcServer);
    if program.map(String::as_str) != known || known.is_none() {
        return Ok(complained(
            "Failed to find executable: No such file or directory\n",
            1,
        ));
    }
    let root = server.with(|view: &View<'_>| view.is_root())?;
    if !root {
        return Ok(complained(
            "Failed to start transient service unit: Access denied\n",
            1,
        ));
    }
    let masked = masked(server);
    server.store.transact(|live, _| {
        if live.qmonitor_ms.is_some() || masked.is_some() {
            return Ok(complained(
                &format!(
                    "Failed to start transient service unit: Unit {unit}.service was already loaded or has a fragment file.\n"
                ),
                1,
            ));
        }
        // Without what it reads the server ends before it listens, and the unit with it.
        if place(&server.store.server, VendorTool::QmonitorFirmware).is_some() {
            live.qmonitor_ms = Some(server.rack_ms(live));
        }
        Ok(complained(&format!("Running as unit: {unit}.service\n"), 0))
    })
}

/// The file that masked the unit of a recorded server.
fn masked(server: &RackServer) -> Option<&str> {
    let recorded = server.store.server.recorded.as_ref()?;
    recorded.tools.qmonitor_masked.as_deref()
}

/// `systemctl show UNIT`, and `reset-failed`: a unit that was started runs until the next boot.
pub(super) fn unit(server: &RackServer, arguments: &[String]) -> Result<ToolOutput, RackError> {
    let loaded = server.with(|view| view.live().qmonitor_ms.is_some())?;
    Ok(match (arguments.first().map(String::as_str), loaded) {
        (Some("show"), true) => said(
            "LoadState=loaded\nActiveState=active\nFragmentPath=/run/systemd/transient/qmonitor-proxy.service\n",
            0,
        ),
        (Some("show"), false) if masked(server).is_some() => {
            said("LoadState=masked\nActiveState=inactive\nFragmentPath=\n", 0)
        }
        (Some("show"), false) => said(
            "LoadState=not-found\nActiveState=inactive\nFragmentPath=\n",
            0,
        ),
        (Some("reset-failed"), true) => said("", 0),
        (Some("reset-failed"), false) => complained(
            "Failed to reset failed state of unit: Unit not loaded.\n",
            1,
        ),
        (Some(_) | None, _) => complained("Unknown command verb.\n", 1),
    })
}

/// `qaic-monitor-json -i FILE`. What it answers is not public; its exit code says nothing.
pub(super) fn request(server: &RackServer, arguments: &[String]) -> Result<ToolOutput, RackError> {
    let Some(file) = after(arguments, "-i") else {
        return Ok(complained("usage: qaic-monitor-json -i FILE\n", 255));
    };
    let Ok(text) = opened::read(file.as_ref(), For::Reading) else {
        return Ok(complained(&format!("cannot open {file}\n"), 255));
    };
    let requests: Requests = match serde_json::from_slice(&text) {
        Ok(requests) => requests,
        Err(error) => return Ok(complained(&format!("parse error: {error}\n"), 0)),
    };
    leave(server)?;
    let (warm, root, qids) = server.with(|view| {
        let warm = answers(view);
        (warm, view.is_root(), qids(view, server.store.seed))
    })?;
    if !root || !warm {
        return Ok(complained("failed to connect to 127.0.0.1:62472\n", 0));
    }
    server.store.transact(|live, world| {
        for request in &requests.request {
            let Some(partitioning) = &request
                .dev_config
                .update_multi_device_partition_config_request
            else {
                continue;
            };
            for (address, qid) in &qids {
                if request.qid != -1 && request.qid != i64::from(qid.0) {
                    continue;
                }
                let lost = live.faults.contains(&Fault::MdpMissing(*address));
                let path = world
                    .by_address
                    .get(address)
                    .map(|&index| &world.functions[index].path);
                if let (Some(path), false) = (path, lost)
                    && let Some(soc) = live.socs.get_mut(path)
                {
                    soc.requested = Some(partitioning.enable);
                }
            }
        }
        Ok(said("{\"response\":\"accepted\"}\n", 0))
    })
}

/// Who was told to leave the bus when a request is made does, and numbers move.
fn leave(server: &RackServer) -> Result<(), RackError> {
    let leaves = |fault: &Fault| match fault {
        Fault::LeavesWhenAsked(address) => Some(*address),
        _ => None,
    };
    let told = |view: &View<'_>| {
        view.live()
            .faults
            .iter()
            .any(|fault| leaves(fault).is_some())
    };
    if !server.with(told)? {
        return Ok(());
    }
    server.store.transact(|live, world| {
        let told: Vec<PciAddress> = live.faults.iter().filter_map(leaves).collect();
        for address in told {
            if let Some(&index) = world.by_address.get(&address) {
                let path = world.functions[index].path.clone();
                live.had_address.insert(path.clone(), address);
                live.unplugged.insert(path.clone());
                live.event(EventLive::Unplugged { path });
            }
        }
        Ok(())
    })
}
