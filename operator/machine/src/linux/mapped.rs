//! Who has a SoC's node mapped, though the file that was mapped is closed: the mapping keeps the device open all the same.
//!
//! Every mapping of every process is read for it, which takes too long to be done at each look. It is done before a SoC is reset.
//!
//! Format: documented (`maps` and `map_files`, proc(5)); seen as files alone.
use crd::id::PciAddress;

use super::{
    Linux,
    holders::{Gone, handle, present, processes},
    mounts::Mounts,
    nodes::Nodes,
};
use crate::access::OpenHandles;

pub(crate) fn mapped(linux: &Linux, socs: &[PciAddress]) -> OpenHandles {
    let mut seen = OpenHandles::default();
    let nodes = Nodes::of(linux, socs, &mut seen.unseen_of);
    if nodes.is_empty() {
        return seen;
    }
    let mut mounts = Mounts::default();
    for pid in processes(linux, &mut seen.unseen) {
        let path = format!("/proc/{pid}/maps");
        let Some(bytes) = present(linux.read(&path), &mut seen.unseen, Gone::Ended) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut last = "";
        for (range, path) in text.lines().filter_map(shared) {
            // One file is mapped in many pieces, one after another.
            if path == last {
                continue;
            }
            last = path;
            let local = mounts.is_local(linux, pid, path);
            let link = format!("/proc/{pid}/map_files/{range}");
            let number = local.then(|| linux.device_number(&link)).flatten();
            if let Some(soc) = nodes.soc(path, number) {
                seen.open.push(handle(linux, pid, soc));
            }
        }
    }
    seen.open.sort();
    seen.open.dedup();
    seen
}

/// The range and the path of a line of `maps` (proc(5)) that maps a file for others to see; a device lets itself be mapped in no
/// other way, and libraries are mapped otherwise.
fn shared(line: &str) -> Option<(String, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (rights, rest) = rest.split_once(' ')?;
    if rights.as_bytes().get(3) != Some(&b's') {
        return None;
    }
    let path = &rest[rest.find('/')?..];
    let (from, to) = range.split_once('-')?;
    // The names in `map_files` are not filled up with zeroes.
    let plain = |end: &str| end.trim_start_matches('0').to_owned();
    Some((format!("{}-{}", plain(from), plain(to)), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_mappings_of_files_count() {
        for (line, expected) in [
            (
                "7f10a0000000-7f10a0100000 rw-s 100000000 00:06 612                        /dev/accel/accel4",
                Some(("7f10a0000000-7f10a0100000", "/dev/accel/accel4")),
            ),
            (
                "00400000-00452000 rw-s 0 00:06 9 /dev/accel/a b (deleted)",
                Some(("400000-452000", "/dev/accel/a b (deleted)")),
            ),
            (
                "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus",
                None,
            ),
            ("7f10a0000000-7f10a0100000 rw-s 00000000 00:01 5", None),
            ("7ffd1000-7ffd2000 rw-p 00000000 00:00 0 [stack]", None),
            ("garbage", None),
            ("", None),
        ] {
            let found = shared(line);
            let found = found.as_ref().map(|(range, path)| (range.as_str(), *path));
            assert_eq!(found, expected, "{line}");
        }
    }
}
