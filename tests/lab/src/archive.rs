//! A `newc` archive, as the kernel unpacks one into its first root: files and folders, nothing compressed.
//!
//! Uncompressed, because an emulated processor takes longer to inflate than the host to copy.
use std::fmt::Write;

/// An archive being written.
#[derive(Debug)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

/// Alignment of everything in the format.
const ALIGNMENT: usize = 4;
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;

impl Archive {
    /// An archive with nothing but its root, which everyone may enter: a root of mode 0700 keeps unprivileged programs out.
    pub(crate) fn new() -> Self {
        let mut archive = Self {
            bytes: Vec::new(),
            inode: 0,
        };
        archive.folder(".");
        archive
    }

    /// A folder; what contains it must be there already.
    pub(crate) fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, &[]);
    }

    /// A file with these permission bits.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, FILE | mode, content);
    }

    /// The whole; another archive may follow it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let name = path.trim_start_matches('/');
        let mut header = String::from("070701");
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check.
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            content.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0,
        ];
        for field in fields {
            // Writing to a string cannot fail.
            let _ = write!(header, "{field:08x}");
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        let end = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(end, 0);
    }
}
