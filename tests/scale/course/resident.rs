//! Memory of a process, as the kernel counts it.
use std::fs;

/// Bytes resident.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// The most that ever was.
    pub peak: u64,
}

/// Reads `/proc/PID/status`.
pub fn of(pid: u32) -> Resident {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let bytes = |field: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect("the kernel counts memory");
        let kilobytes: u64 = line
            .trim_start_matches(':')
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number");
        kilobytes * 1024
    };
    Resident {
        now: bytes("VmRSS"),
        peak: bytes("VmHWM"),
    }
}
