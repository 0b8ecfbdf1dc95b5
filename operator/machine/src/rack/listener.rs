//! Who listens where qmonitor does on a rack's server: the vendor's operator's agent, qmonitor, or nobody.
use std::io;

use crd::{
    Unknown,
    kind::rack::{Server, VendorAgent},
    snapshot::PortOwner,
};
use nix::errno::Errno;

use super::{
    RackServer,
    files::{View, errno},
    host::QMONITOR_PORT,
    live::{Live, Times},
};
use crate::{
    access::{AccessError, Listener},
    linux::failed,
};

/// What qmonitor is called: a command's name ends after fifteen characters.
const QMONITOR: &str = "qaic-monitor-gr";
/// The unit that the vendor's guide starts it as.
const UNIT: &str = "qmonitor-proxy.service";
/// Its process, which nothing else of a rack has.
const PID: u32 = 31_415;

impl RackServer {
    pub(crate) fn listener(&self, port: u16) -> Result<Option<Listener>, AccessError> {
        let refused = |source| failed("listing", "/proc", source);
        self.with(|view| {
            if port != QMONITOR_PORT || !answers(view) {
                return Ok(None);
            }
            if let Some(agent) = agent(view.server, view.live()) {
                return Ok(Some(Listener {
                    pid: agent.pid,
                    name: agent.name,
                    unit: None,
                    container: None,
                    pod: Some(agent.pod),
                }));
            }
            match recorded(view) {
                Some(found) => found.map(Some).map_err(refused),
                // Descriptors of other people's processes are root's to see.
                None if !view.is_root() => Err(refused(errno(Errno::EACCES))),
                None => Ok(Some(Listener {
                    pid: PID,
                    name: QMONITOR.to_owned(),
                    unit: Some(UNIT.to_owned()),
                    container: None,
                    pod: None,
                })),
            }
        })
        .map_err(|error| refused(io::Error::other(error)))?
    }
}

/// Whether somebody listens there: the agent at once, qmonitor when it is warm.
pub(crate) fn answers(view: &View<'_>) -> bool {
    let warm = |started: u64| view.now >= started + Times::of(view.server).qmonitor;
    agent(view.server, view.live()).is_some() || view.live().qmonitor_ms.is_some_and(warm)
}

/// The vendor's agent, where it runs: a boot starts the one that the file has, and somebody may start or stop it.
pub(crate) fn agent(server: &Server, live: &Live) -> Option<VendorAgent> {
    let declared = server.vendor_agent.clone();
    match live.vendor_agent {
        Some(false) => None,
        None => declared,
        Some(true) => Some(declared.unwrap_or_else(|| VendorAgent {
            name: "qaic-device-age".to_owned(),
            pid: PID + 1,
            pod: "6d2f3c1a-0b7e-4f6a-9c55-1f0e62472000".to_owned(),
        })),
    }
}

/// What a recording says of whoever listened, in the boot that was recorded.
fn recorded(view: &View<'_>) -> Option<Result<Listener, io::Error>> {
    let recorded = view.server.recorded.as_deref()?;
    let fact = recorded.tools.qmonitor_owner.as_ref()?;
    if view.live().boot > 1 {
        return None;
    }
    match (fact.get(), fact.unknown) {
        (
            Some(PortOwner::Process {
                pid,
                name,
                unit,
                container,
            }),
            _,
        ) => Some(Ok(Listener {
            pid: *pid,
            name: name.clone(),
            unit: unit.clone(),
            container: container.clone(),
            pod: None,
        })),
        (Some(PortOwner::Nobody | PortOwner::Pod { .. }), _) => None,
        (None, why) => Some(Err(match why {
            Some(Unknown::NoPermission | Unknown::Lockdown) => errno(Errno::EACCES),
            Some(Unknown::Absent | Unknown::ToolMissing) | None => errno(Errno::ENOENT),
            Some(
                Unknown::ShortRead
                | Unknown::Malformed
                | Unknown::ToolFailed
                | Unknown::TooLong
                | Unknown::NotReady
                | Unknown::ReadFailed,
            ) => errno(Errno::EIO),
        })),
    }
}
