//! The machine that we run on, through folders given as values: the kernel's files, vendor tools and processes.
pub(crate) mod clock;
pub(crate) mod folder;
mod holders;
mod listener;
mod mapped;
mod mounts;
mod nodes;
pub mod opened;
pub(crate) mod process;
pub mod running;
mod uevents;
mod whole_file;

use std::{
    fs, io,
    os::unix::fs::{FileExt, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crd::id::{NodeName, PciAddress};
use nix::{
    errno::Errno,
    sys::{
        stat::{SFlag, major, minor, stat},
        statvfs::statvfs,
    },
};

use crate::{
    access::{
        AccessError, Depth, EventCursor, Invocation, Listener, MachineEvent, OpenHandles,
        ToolError, ToolOutput,
    },
    time::Timestamp,
};
use opened::For;
use uevents::Uevents;

/// Where the kernel's and the vendor's files are. The defaults are the real places; tests pass others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Stands for `/sys`.
    pub sys: PathBuf,
    /// Stands for `/proc`.
    pub proc: PathBuf,
    /// Stands for `/dev`.
    pub dev: PathBuf,
    /// Stands for `/opt`.
    pub opt: PathBuf,
    /// Stands for `/var`.
    pub var: PathBuf,
    /// Stands for `/etc`.
    pub etc: PathBuf,
    /// Stands for `/run`.
    pub run: PathBuf,
    /// Stands for `/usr`.
    pub usr: PathBuf,
    /// Where programs without a path are looked for, in order.
    pub search: Vec<PathBuf>,
    /// The node's name; absent means the host name.
    pub node: Option<NodeName>,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            dev: "/dev".into(),
            opt: "/opt".into(),
            var: "/var".into(),
            etc: "/etc".into(),
            run: "/run".into(),
            usr: "/usr".into(),
            search: [
                "/usr/local/sbin",
                "/usr/local/bin",
                "/usr/sbin",
                "/usr/bin",
                "/sbin",
                "/bin",
            ]
            .map(PathBuf::from)
            .into(),
            node: None,
        }
    }
}

/// The machine that we run on.
#[derive(Debug)]
pub struct Linux {
    roots: Roots,
    /// Opened when somebody first asks for events; nothing where the kernel lets nobody listen.
    uevents: OnceLock<Option<Uevents>>,
}

/// A host's name as a node's, by which a folder is named too: what no host's name has leads nowhere else.
fn as_name(host: &str) -> String {
    let plain = |sign: char| {
        if sign.is_ascii_alphanumeric() || ".-_".contains(sign) {
            sign
        } else {
            '-'
        }
    };
    let name: String = host
        .trim()
        .trim_start_matches('.')
        .chars()
        .map(plain)
        .collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

impl Linux {
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            roots,
            uevents: OnceLock::new(),
        }
    }

    /// The ear for what the kernel tells of. Other roots than the kernel's own have none.
    fn uevents(&self) -> Option<&Uevents> {
        let open = || {
            Uevents::open()
                .ok()
                .filter(|_| self.roots.sys == Path::new("/sys"))
        };
        self.uevents.get_or_init(open).as_ref()
    }

    pub(crate) fn cursor(&self) -> EventCursor {
        // Whatever happens from here on is heard.
        let _ = self.uevents();
        EventCursor::default()
    }

    /// Events until a deadline: all that came together is one.
    pub(crate) fn events(
        &self,
        cursor: &mut EventCursor,
        deadline: Timestamp,
    ) -> Vec<MachineEvent> {
        let Some(ear) = self.uevents() else {
            self.wait_until(deadline);
            return Vec::new();
        };
        loop {
            let left = self.now().until(deadline);
            if let Some(what) = uevents::happening(&ear.wait(left)) {
                cursor.0 += 1;
                return vec![MachineEvent {
                    sequence: cursor.0,
                    what,
                }];
            }
            if left.is_zero() {
                return Vec::new();
            }
        }
    }

    pub(crate) fn name(&self) -> NodeName {
        if let Some(name) = &self.roots.node {
            return name.clone();
        }
        let name = self.read("/proc/sys/kernel/hostname").ok();
        let name = name.and_then(|bytes| String::from_utf8(bytes).ok());
        NodeName(as_name(name.as_deref().unwrap_or_default()))
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, AccessError> {
        let names = || -> io::Result<Vec<String>> {
            let mut names = fs::read_dir(self.place(path))?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        };
        names().map_err(|source| failed("listing", path, source))
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, AccessError> {
        opened::read(&self.place(path), For::Reading)
            .map_err(|source| failed("reading", path, source))
    }

    /// Every line of a file that may be of any length.
    fn lines(&self, path: &str, each: impl FnMut(&str)) -> Result<(), AccessError> {
        opened::lines(&self.place(path), For::Reading, each)
            .map_err(|source| failed("reading", path, source))
    }

    pub(crate) fn readlink(&self, path: &str) -> Result<String, AccessError> {
        fs::read_link(self.place(path))
            .map(|target| target.to_string_lossy().into_owned())
            .map_err(|source| failed("following", path, source))
    }

    pub(crate) fn pread(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, AccessError> {
        let bytes = || {
            let file = opened::regular(&self.place(path), For::Reading)?;
            folder::pread(&file, offset, length)
        };
        bytes().map_err(|source| failed("reading", path, source))
    }

    pub(crate) fn pwrite(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let write = || -> io::Result<()> {
            let file = opened::regular(&self.place(path), For::Writing)?;
            whole(file.write_at(bytes, offset)?, bytes.len())
        };
        write().map_err(|source| failed("writing", path, source))
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), AccessError> {
        use std::io::Write as _;
        let write = || -> io::Result<()> {
            let mut file = opened::regular(&self.place(path), For::Writing)?;
            whole(file.write(text.as_bytes())?, text.len())
        };
        write().map_err(|source| failed("writing", path, source))
    }

    pub(crate) fn replace(&self, path: &str, text: &str) -> Result<(), AccessError> {
        whole_file::replace(&self.place(path), text)
            .map_err(|source| failed("writing", path, source))
    }

    pub(crate) fn remove(&self, path: &str) -> Result<(), AccessError> {
        whole_file::remove(&self.place(path)).map_err(|source| failed("removing", path, source))
    }

    pub(crate) fn sweep(&self, path: &str) -> Result<(), AccessError> {
        whole_file::sweep(&self.place(path))
            .map_err(|source| failed("sweeping beside", path, source))
    }

    pub(crate) fn run(&self, invocation: &Invocation) -> Result<ToolOutput, ToolError> {
        process::run(&self.roots, invocation)
    }

    /// Where a program is found.
    pub(crate) fn locate(&self, program: &str) -> Option<PathBuf> {
        process::find(&self.roots, program)
    }

    pub(crate) fn is_program(&self, path: &str) -> Option<bool> {
        match fs::metadata(self.place(path)) {
            Ok(found) => Some(found.is_file() && found.permissions().mode() & 0o111 != 0),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Some(false),
                Some(_) | None => None,
            },
        }
    }

    /// Size in bytes of the file system that a path lies on.
    pub(crate) fn capacity(&self, path: &str) -> Result<u64, AccessError> {
        statvfs(&self.place(path))
            .map(|found| found.blocks().saturating_mul(found.fragment_size()))
            .map_err(|errno| failed("measuring", path, errno.into()))
    }

    pub(crate) fn listener(&self, port: u16) -> Result<Option<Listener>, AccessError> {
        listener::listener(self, port)
    }

    /// Major and minor number of the character device that a file is; nothing where it is none or cannot be asked.
    fn device_number(&self, path: &str) -> Option<nodes::Number> {
        let found = stat(&self.place(path)).ok()?;
        let is_device = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        (is_device == SFlag::S_IFCHR).then(|| (major(found.st_rdev), minor(found.st_rdev)))
    }

    pub(crate) fn whole_host(&self) -> Result<(), AccessError> {
        holders::whole_host(self)
    }

    pub(crate) fn holders(&self, socs: &[PciAddress], depth: Depth) -> OpenHandles {
        holders::holders(self, socs, depth)
    }

    #[expect(
        clippy::unused_self,
        reason = "the clock is this machine's, though the kernel has but one"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        clock::now()
    }

    #[expect(
        clippy::unused_self,
        reason = "the clock is this machine's, though the kernel has but one"
    )]
    pub(crate) fn wait_until(&self, moment: Timestamp) {
        clock::wait_until(moment);
    }

    /// The real place of one of the kernel's or the vendor's paths.
    fn place(&self, path: &str) -> PathBuf {
        place(&self.roots, path)
    }
}

fn place(roots: &Roots, path: &str) -> PathBuf {
    let known = [
        ("/sys", &roots.sys),
        ("/proc", &roots.proc),
        ("/dev", &roots.dev),
        ("/opt", &roots.opt),
        ("/var", &roots.var),
        ("/etc", &roots.etc),
        ("/run", &roots.run),
        ("/usr", &roots.usr),
    ];
    for (prefix, root) in known {
        if let Ok(rest) = Path::new(path).strip_prefix(prefix) {
            return root.join(rest);
        }
    }
    PathBuf::from(path)
}

/// The kernel takes a register or setting in one write or not at all; a part of it is an error.
fn whole(written: usize, wanted: usize) -> io::Result<()> {
    if written == wanted {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::WriteZero,
        format!("{written} of {wanted} bytes were taken"),
    ))
}

pub(crate) fn failed(doing: &'static str, path: &str, source: io::Error) -> AccessError {
    AccessError {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::as_name;

    #[test]
    fn a_hosts_name_leads_nowhere_else() {
        for (host, name) in [
            ("aic-01\n", "aic-01"),
            ("aic-01.example.com", "aic-01.example.com"),
            ("../../escaped", "-..-escaped"),
            ("..", "localhost"),
            ("", "localhost"),
            ("a b/c", "a-b-c"),
        ] {
            assert_eq!(as_name(host), name, "{host}");
        }
    }
}
