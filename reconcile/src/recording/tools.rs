//! Pseudonyms in what is known of tools: versions stay, and whoever listens where qmonitor does is somebody.
use crd::{
    Fact,
    snapshot::{PortOwner, Tools},
};

use super::Pseudonyms;

impl Pseudonyms {
    pub(super) fn tools(&self, tools: Tools) -> Tools {
        let Tools {
            platform_sdk,
            apps_sdk,
            compiler,
            qmonitor_running,
            qmonitor_owner,
            qmonitor_masked,
            missing,
            worker,
        } = tools;
        Tools {
            platform_sdk,
            apps_sdk,
            compiler,
            qmonitor_running,
            qmonitor_owner: qmonitor_owner.map(|fact| Fact::map(fact, |owner| self.owner(owner))),
            qmonitor_masked,
            missing,
            worker,
        }
    }

    fn owner(&self, owner: PortOwner) -> PortOwner {
        match owner {
            PortOwner::Nobody => PortOwner::Nobody,
            PortOwner::Process {
                pid,
                name,
                unit,
                container,
            } => PortOwner::Process {
                pid: self.pid(pid),
                name: self.name("command", &name),
                unit: unit.map(|unit| self.name("unit", &unit)),
                container: container.map(|id| self.name("container", &id)),
            },
            PortOwner::Pod { pid, name, uid } => PortOwner::Pod {
                pid: self.pid(pid),
                name: self.name("command", &name),
                uid: self.name("pod", &uid),
            },
        }
    }
}
