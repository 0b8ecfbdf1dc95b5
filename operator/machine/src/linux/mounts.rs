//! Which open files may be looked at: to ask a file system on another server that does not answer is to wait for ever.
//!
//! Format: documented (`mountinfo`, proc(5)); seen on real kernels.
use std::collections::HashMap;

use super::Linux;

/// File systems whose files are not this kernel's own. A device node on one of them is told by its name alone.
const REMOTE: [&str; 13] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "virtiofs",
    "wekafs",
];

/// The mounts of each mount namespace that was met.
#[derive(Debug, Default)]
pub(super) struct Mounts(HashMap<String, Table>);

/// Mount points and whether they are remote, the longest first; empty where none is.
type Table = Vec<(String, bool)>;

impl Mounts {
    /// Whether a file that a process has open lies on this machine, as far as its mounts can be read.
    pub(super) fn is_local(&mut self, linux: &Linux, pid: u32, path: &str) -> bool {
        let Ok(namespace) = linux.readlink(&format!("/proc/{pid}/ns/mnt")) else {
            return true;
        };
        let table = self.0.entry(namespace).or_insert_with(|| {
            let bytes = linux.read(&format!("/proc/{pid}/mountinfo"));
            table(&String::from_utf8_lossy(&bytes.unwrap_or_default()))
        });
        let on = table.iter().find(|(point, _)| below(path, point));
        on.is_none_or(|(_, remote)| !remote)
    }
}

fn below(path: &str, point: &str) -> bool {
    let Some(rest) = path.strip_prefix(point) else {
        return false;
    };
    rest.is_empty() || rest.starts_with('/') || point.ends_with('/')
}

/// `mountinfo`, of whose fields the fifth is the mount point, and the first behind the lone dash the type (proc(5)).
fn table(mountinfo: &str) -> Table {
    let mut table: Table = mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            let kind = kind.split(' ').next()?;
            let remote = REMOTE.contains(&kind) || kind.starts_with("fuse");
            Some((unescaped(point), remote))
        })
        .collect();
    if !table.iter().any(|(_, remote)| *remote) {
        return Table::new();
    }
    // The kernel lists in the order of mounting: of two at one point the later one hides the other.
    table.reverse();
    table.sort_by_key(|(point, _)| std::cmp::Reverse(point.len()));
    table
}

/// A mount point whose spaces, tabs, line ends and backslashes stand as three octal digits.
fn unescaped(point: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(point.to_owned(), |text, (escape, meant)| {
        text.replace(escape, meant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let table = table(
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             22 21 0:40 / /home\\040of\\040all rw,relatime shared:1 - nfs4 server:/home rw\n\
             23 22 0:5 / /home\\040of\\040all/dev rw - devtmpfs dev rw\n\
             24 21 0:41 / /over rw - nfs server:/a rw\n\
             25 24 0:42 / /over rw - tmpfs tmpfs rw\n\
             26 21 0:43 / /f rw - fuse.sshfs a:/ rw\n\
             garbage\n",
        );
        for (path, remote) in [
            ("/dev/accel/accel0", false),
            ("/home of all/x", true),
            ("/home of all", true),
            ("/home of allx", false),
            ("/home of all/dev/accel0", false),
            ("/over/x", false),
            ("/f/x", true),
        ] {
            let on = table.iter().find(|(point, _)| below(path, point));
            assert_eq!(on.is_some_and(|(_, remote)| *remote), remote, "{path}");
        }
        assert_eq!(super::table("1 0 8:1 / / rw - ext4 a rw\n"), []);
    }
}
