//! Who listens on a TCP port of the host's network: the socket's inode from the kernel's tables, found again among the
//! descriptors of processes.
//!
//! Processes are looked into only while somebody listens. One that nobody's descriptors show is another pid namespace's, or
//! another user's: both are told as an error, never as nobody.
use crate::{
    access::{AccessError, Listener},
    linux::{Linux, failed, folder::Folder, holders::whole_host},
    vendor::{CgroupOwner, SOCKETS, listening, listens_on},
};

pub(crate) fn listener(linux: &Linux, port: u16) -> Result<Option<Listener>, AccessError> {
    let text = |path: &str| {
        let bytes = linux.read(path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    whole_host(linux)?;
    let mut tables: Vec<String> = Vec::new();
    let mut unread = None;
    for table in SOCKETS {
        match text(table) {
            Ok(table) => tables.push(table),
            // One of the two is absent where the kernel lacks that protocol.
            Err(error) => unread = Some(error),
        }
    }
    if let Some(error) = unread.take().filter(|_| tables.is_empty()) {
        return Err(error);
    }
    if !tables.iter().any(|table| listens_on(table, port)) {
        return Ok(None);
    }
    let sockets: Vec<String> = tables
        .iter()
        .flat_map(|table| listening(table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for pid in linux.list("/proc")? {
        let Ok(number) = pid.parse() else { continue };
        let folder = format!("/proc/{pid}/fd");
        let descriptors = match linux.list(&folder) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                // A process that ended meanwhile listens no more; of the others the first tells why nobody was seen.
                if error.source.kind() != std::io::ErrorKind::NotFound {
                    unread.get_or_insert(error);
                }
                continue;
            }
        };
        let links = Folder::of(linux, &folder);
        let listens = descriptors.iter().any(|descriptor| {
            let target = links.readlink(descriptor);
            target.is_ok_and(|target| sockets.contains(&target))
        });
        if listens {
            let said = |file: &str| text(&format!("/proc/{pid}/{file}")).unwrap_or_default();
            let Ok(CgroupOwner {
                unit,
                container,
                pod,
            }) = said("cgroup").parse();
            return Ok(Some(Listener {
                pid: number,
                name: said("comm").trim().to_owned(),
                unit,
                container,
                pod,
            }));
        }
    }
    let nobody = || {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        failed("finding who listens in", "/proc", gone)
    };
    Err(unread.unwrap_or_else(nobody))
}
