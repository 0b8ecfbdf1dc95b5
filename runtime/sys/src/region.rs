//! Memory of our own for a slice's weights: page aligned, zeroed, in huge pages where the kernel gives them.

use std::io;
use std::ptr::NonNull;

/// An anonymous private mapping.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is private to this value, and access follows the borrow of it like a Vec's buffer.
unsafe impl Send for Region {}
// SAFETY: as above; `&Region` gives shared reads only.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `length` zeroed bytes; zero becomes one.
    pub fn new(length: usize) -> io::Result<Self> {
        let length = length.max(1);
        // SAFETY: an anonymous mapping at an address that the kernel chooses touches no memory of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: advice on the mapping just made; a kernel without huge pages refuses, which loses nothing.
        unsafe { libc::madvise(start, length, libc::MADV_HUGEPAGE) };
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("a mapping at address zero"))?;
        Ok(Self { start, length })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `length` initialised bytes and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this length, and no borrow of it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
