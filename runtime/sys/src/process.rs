//! Starting a process with open files in known places, and leaving when its parent goes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Starts `command` with `files` open in the child under their present numbers, which the caller has put into the
/// child's arguments.
pub fn spawn_with_files(command: &mut Command, files: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
    // SAFETY: between fork and exec the closure only calls fcntl, which is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for number in &numbers {
                if libc::fcntl(*number, libc::F_SETFD, 0) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    command.spawn()
}

/// Takes over an inherited file by its number. It is closed on exec from now on.
pub fn take_file(number: RawFd) -> io::Result<File> {
    // SAFETY: F_SETFD on any number is harmless; a number that is not open is refused, before a File is made of it.
    let known = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if number <= 2 || known < 0 {
        return Err(io::Error::other(format!(
            "{number} is not an inherited file"
        )));
    }
    // SAFETY: the number is open, was given to this process for this purpose, and is taken once (the rank's
    // arguments name each number once).
    Ok(unsafe { File::from_raw_fd(number) })
}

/// Ends this process with status 0 as soon as `lifeline` reaches its end: its writer, the leader, is gone or wants
/// it gone. A pipe works whichever thread of the leader started us, where the kernel's parent-death signal is sent
/// when that one *thread* ends.
pub fn leave_when_closed(mut lifeline: impl Read + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut byte = [0];
            loop {
                match lifeline.read(&mut byte) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                    Ok(_) | Err(_) => {}
                }
            }
            // SAFETY: ends the process at once; a rank has nothing on disk to finish.
            unsafe { libc::_exit(0) }
        })
        .map(drop)
}
