//! Memory shared between processes: a sealed memfd, reached through atomics.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU32};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::word::Word;

/// Memory shared between processes. It needs no file system: pods have 64 MiB of `/dev/shm`, or none.
#[derive(Debug)]
pub struct Segment {
    file: File,
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is reached through atomics only, which any thread may use.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes `length` zeroed bytes of shared memory. `name` shows in `/proc/<pid>/maps`.
    pub fn create(name: &str, length: usize) -> io::Result<Self> {
        let file = File::from(memfd_create(
            name,
            MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )?);
        file.set_len(length as u64)?;
        // Sealed, nobody can shrink it under a mapping, so no access can raise SIGBUS.
        fcntl(
            &file,
            FcntlArg::F_ADD_SEALS(
                SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL,
            ),
        )?;
        Self::map(file, length)
    }

    /// Maps a segment that another process made. The file must have exactly `length` bytes.
    pub fn open(file: File, length: usize) -> io::Result<Self> {
        let found = file.metadata()?.len();
        if found != length as u64 {
            return Err(io::Error::other(format!(
                "a shared segment of {found} bytes where {length} were expected"
            )));
        }
        Self::map(file, length)
    }

    fn map(file: File, length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses, of a file at least that long.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("a mapping at address zero"))?;
        Ok(Self {
            file,
            start,
            length,
        })
    }

    /// The descriptor to hand to another process.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Bytes mapped.
    pub fn length(&self) -> usize {
        self.length
    }

    /// 32-bit words at byte `offset`.
    ///
    /// # Panics
    /// If the range leaves the segment or is not aligned: the layout is a constant of both processes.
    pub fn words(&self, offset: usize, count: usize) -> &[AtomicU32] {
        let range = self.range::<AtomicU32>(offset, count);
        // SAFETY: in bounds and aligned by `range`; atomics may be shared with other processes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(range.start).cast(), count) }
    }

    /// 64-bit integers at byte `offset`.
    ///
    /// # Panics
    /// As [`Segment::words`].
    pub fn longs(&self, offset: usize, count: usize) -> &[AtomicI64] {
        let range = self.range::<AtomicI64>(offset, count);
        // SAFETY: in bounds and aligned by `range`; atomics may be shared with other processes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(range.start).cast(), count) }
    }

    /// A counter that processes wait on, at byte `offset`; takes eight bytes.
    ///
    /// # Panics
    /// As [`Segment::words`].
    pub fn word(&self, offset: usize) -> Word<'_> {
        let pair = self.words(offset, 2);
        Word::new(&pair[0], &pair[1])
    }

    fn range<T>(&self, offset: usize, count: usize) -> Range<usize> {
        let end = count
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.checked_add(offset));
        let fits =
            end.is_some_and(|end| end <= self.length) && offset.is_multiple_of(align_of::<T>());
        assert!(
            fits,
            "{count} items at byte {offset} of a segment of {} bytes",
            self.length
        );
        offset..offset + count * size_of::<T>()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length, and no borrow of it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn two_mappings_see_one_memory() {
        let first = Segment::create("test", 4096).expect("create");
        let copy = first.file().try_clone_to_owned().expect("duplicate");
        let second = Segment::open(File::from(copy), 4096).expect("open");
        first.longs(64, 2)[1].store(-7, Ordering::Relaxed);
        assert_eq!(second.longs(64, 2)[1].load(Ordering::Relaxed), -7);
        let wrong = first.file().try_clone_to_owned().expect("duplicate");
        assert!(Segment::open(File::from(wrong), 8192).is_err());
    }

    #[test]
    #[should_panic(expected = "segment of 64 bytes")]
    fn nothing_is_reached_outside() {
        let segment = Segment::create("test", 64).expect("create");
        let _ = segment.words(60, 2);
    }
}
