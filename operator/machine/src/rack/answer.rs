//! What a rack's server answers to reads, writes and tool calls, and who it says holds a SoC.
use std::{io, sync::Arc};

use crd::{id::PciAddress, kind::rack::Fault, snapshot::Lockdown};
use nix::errno::Errno;

use super::{
    RackServer, etc,
    files::{Entry, View, by_mhi, entry, errno},
    host::timeout_parameter,
    live::Live,
    recorded,
    registers::{SIZE, written},
    server::open_by,
    store::Loaded,
    tools,
};
use crate::{
    access::{AccessError, Depth, Invocation, OpenHandle, OpenHandles, ToolError, ToolOutput},
    linux::{
        failed,
        process::{materialise, results},
    },
};

impl RackServer {
    fn entry(&self, doing: &'static str, path: &str) -> Result<Entry, AccessError> {
        self.with(|view| entry(view, path))
            .map_err(|error| failed(doing, path, io::Error::other(error)))?
            .ok_or_else(|| failed(doing, path, errno(Errno::ENOENT)))
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, AccessError> {
        match self.entry("listing", path)? {
            Entry::Folder(names) => Ok(names),
            Entry::File(_) | Entry::WriteOnly | Entry::Link(_) => {
                Err(failed("listing", path, errno(Errno::ENOTDIR)))
            }
        }
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, AccessError> {
        let lost = self.with(|view| {
            let (name, live) = (setting(path), view.live());
            name.is_some_and(|name| live.lost.contains(&name) && is_lost(live, &name))
        });
        if lost.is_ok_and(|lost| lost) {
            return Err(failed("reading", path, errno(Errno::EIO)));
        }
        match self.entry("reading", path)? {
            Entry::File(bytes) => Ok(bytes),
            Entry::Folder(_) | Entry::Link(_) => Err(failed("reading", path, errno(Errno::EISDIR))),
            Entry::WriteOnly => Err(failed("reading", path, errno(Errno::EACCES))),
        }
    }

    pub(crate) fn readlink(&self, path: &str) -> Result<String, AccessError> {
        match self.entry("following", path)? {
            Entry::Link(target) => Ok(target),
            Entry::File(_) | Entry::WriteOnly | Entry::Folder(_) => {
                Err(failed("following", path, errno(Errno::EINVAL)))
            }
        }
    }

    pub(crate) fn pread(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, AccessError> {
        let bytes = self.read(path)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    pub(crate) fn pwrite(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let refused = |number| Err(failed("writing", path, errno(number)));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let ["sys", "bus", "pci", "devices", address, "config"] = parts.as_slice() else {
            let text = String::from_utf8_lossy(bytes);
            return self.write(path, &text);
        };
        let Ok(address) = address.parse::<PciAddress>() else {
            return refused(Errno::ENOENT);
        };
        let outcome = self.change(path, |view, live| {
            let Some((_, function)) = view.function(address) else {
                return Err(Errno::ENOENT);
            };
            if !view.is_root() {
                return Err(Errno::EACCES);
            }
            if view.lockdown() != Lockdown::None {
                return Err(Errno::EPERM);
            }
            if live.faults.contains(&Fault::WriteForbidden(address)) {
                return Err(Errno::EPERM);
            }
            if live.faults.contains(&Fault::WriteRefused(address)) {
                return Err(Errno::EIO);
            }
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            if offset.saturating_add(bytes.len()) > SIZE {
                return Err(Errno::EINVAL);
            }
            let dropped = live.faults.contains(&Fault::WriteIgnored(address))
                || live.faults.contains(&Fault::ConfigWritesDropped(address));
            if !dropped {
                let now = view.image(function);
                let bytes = if live.faults.contains(&Fault::WritePartial(address)) {
                    &lowest_bit(&now, offset, bytes)
                } else {
                    bytes
                };
                let left = written(function, &now, offset, bytes);
                live.written
                    .entry(function.path.clone())
                    .or_default()
                    .extend(left);
            }
            lose(live, path);
            Ok(())
        })?;
        outcome.or_else(refused)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), AccessError> {
        let refused = |number| Err(failed("writing", path, errno(number)));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let number = text.trim().parse::<u64>();
        let outcome = self.change(path, |view, live| {
            if !view.is_root() {
                return Err(Errno::EACCES);
            }
            let forbids = |name| live.faults.contains(&Fault::SettingForbidden(name));
            if setting(path).is_some_and(forbids) {
                return Err(Errno::EROFS);
            }
            lose(live, path);
            match parts.as_slice() {
                ["sys", "module", "qaic", "parameters", name] => {
                    let (known, unit) = timeout_parameter(view.server, 1);
                    if *name != known {
                        return Err(Errno::ENOENT);
                    }
                    live.control_timeout_s = number.map_err(|_| Errno::EINVAL)? / unit;
                    Ok(())
                }
                ["proc", "sys", "vm", "max_map_count"] => {
                    live.max_map_count = number.map_err(|_| Errno::EINVAL)?;
                    Ok(())
                }
                ["sys", "bus", "mhi", "devices", node, "soc_reset"] => {
                    let id: u32 = node
                        .strip_prefix("mhi")
                        .and_then(|id| id.parse().ok())
                        .ok_or(Errno::ENOENT)?;
                    let index = by_mhi(view, id).ok_or(Errno::ENOENT)?;
                    live.reset_soc(&view.loaded.world, index, view.now, &self.times);
                    Ok(())
                }
                _ => Err(Errno::ENOENT),
            }
        })?;
        outcome.or_else(refused)
    }

    pub(crate) fn replace(&self, path: &str, text: &str) -> Result<(), AccessError> {
        self.configure(path, Some(text))
    }

    pub(crate) fn remove(&self, path: &str) -> Result<(), AccessError> {
        self.configure(path, None)
    }

    /// Puts a configuration file there, or takes it away.
    fn configure(&self, path: &str, text: Option<&str>) -> Result<(), AccessError> {
        let outcome = self.change(path, |view, live| {
            if !view.is_root() {
                return Err(Errno::EACCES);
            }
            if !etc::is_configuration(path) {
                return Err(Errno::ENOENT);
            }
            match text {
                Some(text) => live.files.insert(path.to_owned(), text.to_owned()),
                None => live.files.remove(path),
            };
            Ok(())
        })?;
        outcome.map_err(|number| failed("writing", path, errno(number)))
    }

    /// Changes registers in one transaction; nothing is changed where `change` refuses.
    fn change<R>(
        &self,
        path: &str,
        change: impl FnOnce(&View<'_>, &mut Live) -> Result<R, Errno>,
    ) -> Result<Result<R, Errno>, AccessError> {
        let mut outcome = Err(Errno::EIO);
        self.store
            .transact(|live, world| {
                let before = Loaded::view_of(live.clone(), Arc::clone(world));
                let view = View {
                    server: &self.store.server,
                    loaded: &before,
                    now: self.rack_ms(live),
                };
                outcome = change(&view, live);
                Ok(())
            })
            .map_err(|error| failed("writing", path, io::Error::other(error)))?;
        Ok(outcome)
    }

    pub(crate) fn run(&self, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
        let start = |source| ToolError::Start {
            program: invocation.program.clone(),
            source,
        };
        if invocation.files.is_empty() && invocation.results.is_empty() {
            // A call that brings and leaves no files needs no folder: looking works where nothing can be written.
            return tools::run(self, invocation, &invocation.arguments);
        }
        let (folder, arguments) = materialise(invocation).map_err(start)?;
        let mut output = tools::run(self, invocation, &arguments)?;
        output.files = results(invocation, folder.path());
        Ok(output)
    }

    pub(crate) fn holders(
        &self,
        socs: &[PciAddress],
        depth: Depth,
    ) -> Result<OpenHandles, AccessError> {
        self.with(|view| {
            let mut held: Vec<OpenHandle> = Vec::new();
            for (soc, pid, name) in open_by(view.live(), depth) {
                if let Some(&index) = view.loaded.world.by_path.get(&soc) {
                    let soc = view.loaded.world.functions[index].address;
                    if socs.contains(&soc) && view.function(soc).is_some() {
                        let whose = recorded::whose(view, soc, pid).unwrap_or_default();
                        held.push(OpenHandle {
                            soc,
                            pid: Some(pid),
                            name,
                            unit: whose.unit,
                            container: whose.container,
                            pod: whose.pod,
                        });
                    }
                }
            }
            held.sort();
            // Descriptors of other people's processes are root's to see.
            let unseen = (!view.is_root() && !socs.is_empty())
                .then(|| failed("listing", "/proc/1/fd", errno(Errno::EACCES)));
            OpenHandles {
                open: held,
                unseen,
                ..OpenHandles::default()
            }
        })
        .map_err(|error| failed("listing", "/proc", io::Error::other(error)))
    }
}

/// What faults call a file: a function by its address, a driver or kernel setting by its name.
fn setting(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["sys", "module", _, "parameters", name] => Some((*name).to_owned()),
        ["proc", "sys", name @ ..] => Some(name.join(".")),
        ["sys", "bus", "pci", "devices", address, "config"] => Some((*address).to_owned()),
        _ => None,
    }
}

fn is_lost(live: &Live, name: &str) -> bool {
    let fault = |fault: &Fault| matches!(fault, Fault::LostOnceWritten(what) if what == name);
    live.faults.iter().any(fault)
}

/// Remembers a write after which reads fail.
fn lose(live: &mut Live, path: &str) {
    if let Some(name) = setting(path).filter(|name| is_lost(live, name)) {
        live.lost.insert(name);
    }
}

/// What is there, with the lowest bit alone of those that a write would change.
fn lowest_bit(now: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let there = now.iter().skip(offset).copied().chain(std::iter::repeat(0));
    let mut left: Vec<u8> = there.take(bytes.len()).collect();
    let mut changed = left
        .iter_mut()
        .zip(bytes)
        .filter(|(was, asked)| was != asked);
    if let Some((was, asked)) = changed.next() {
        let differs = *was ^ asked;
        *was ^= differs & differs.wrapping_neg();
    }
    left
}
