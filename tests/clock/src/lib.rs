//! Loaded into a process with `LD_PRELOAD`, sets its clock on the wall forward or back by as many seconds as `CLOCK_AHEAD`
//! says; clocks that nobody sets go on as they do. No program of ours may be linked with it.
#![expect(
    unsafe_code,
    reason = "stands in for a function of the C library; each block says why it is sound"
)]

use std::sync::OnceLock;

/// Seconds that are added.
static AHEAD: OnceLock<i64> = OnceLock::new();

#[expect(
    clippy::disallowed_methods,
    reason = "there is no main of ours to read the environment"
)]
fn ahead() -> i64 {
    *AHEAD.get_or_init(|| {
        let said = std::env::var("CLOCK_AHEAD");
        said.ok()
            .and_then(|said| said.parse().ok())
            .unwrap_or_default()
    })
}

/// `clock_gettime(2)`, as the kernel answers it but for the two clocks on the wall.
///
/// # Safety
/// `at` points to a `timespec` that may be written, as the C library's own function wants it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(
    id: libc::clockid_t,
    at: *mut libc::timespec,
) -> libc::c_int {
    // SAFETY: the kernel writes to `at`, which the caller promises may be written, or says that it cannot.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, id, at) };
    if answer == 0 && matches!(id, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        // SAFETY: the kernel has just written to it.
        unsafe { (*at).tv_sec += ahead() };
    }
    -libc::c_int::from(answer != 0)
}
