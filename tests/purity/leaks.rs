//! Ways out of a pure crate, one for each ban of its `clippy.toml`. Each line that ends in `LEAK` and a path must be reported
//! for that path, one that ends in `LINT` in those words. A line with `crd:` before is planted there alone: `reconcile` cannot reach that crate.
#![allow(deprecated, reason = "planted: what is deprecated is a way out too")]
use std::time::Instant;

pub use std::time::SystemTime as Reading;

/// An alias hides no type.
pub(crate) fn reads_a_clock_by_another_name() -> bool {
    Reading::now().elapsed().is_ok() // LEAK std::time::SystemTime::now
}

/// Nor does an import hide a method.
pub(crate) fn reads_the_monotonic_clock() -> u64 {
    Instant::now().elapsed().as_secs() // LEAK std::time::Instant::now
}

/// Nor does a function that is passed on.
pub(crate) fn opens_later() -> bool {
    let open = std::fs::read_dir; // LEAK std::fs::read_dir
    open("/").is_ok()
}

pub(crate) fn planted_builder() -> std::thread::Builder { // LEAK std::thread::Builder
    std::thread::Builder::new() // LEAK std::thread::Builder
}

pub(crate) fn functions() {
    let _ = std::fs::canonicalize::<&str>; // LEAK std::fs::canonicalize
    let _ = std::fs::copy::<&str, &str>; // LEAK std::fs::copy
    let _ = std::fs::create_dir::<&str>; // LEAK std::fs::create_dir
    let _ = std::fs::create_dir_all::<&str>; // LEAK std::fs::create_dir_all
    let _ = std::fs::exists::<&str>; // LEAK std::fs::exists
    let _ = std::fs::hard_link::<&str, &str>; // LEAK std::fs::hard_link
    let _ = std::fs::metadata::<&str>; // LEAK std::fs::metadata
    let _ = std::fs::read::<&str>; // LEAK std::fs::read
    let _ = std::fs::read_dir::<&str>; // LEAK std::fs::read_dir
    let _ = std::fs::read_link::<&str>; // LEAK std::fs::read_link
    let _ = std::fs::read_to_string::<&str>; // LEAK std::fs::read_to_string
    let _ = std::fs::remove_dir::<&str>; // LEAK std::fs::remove_dir
    let _ = std::fs::remove_dir_all::<&str>; // LEAK std::fs::remove_dir_all
    let _ = std::fs::remove_file::<&str>; // LEAK std::fs::remove_file
    let _ = std::fs::rename::<&str, &str>; // LEAK std::fs::rename
    let _ = std::fs::set_permissions::<&str>; // LEAK std::fs::set_permissions
    let _ = std::fs::soft_link::<&str, &str>; // LEAK std::fs::soft_link
    let _ = std::fs::symlink_metadata::<&str>; // LEAK std::fs::symlink_metadata
    let _ = std::fs::write::<&str, &str>; // LEAK std::fs::write
    let _ = std::path::Path::new("a").canonicalize(); // LEAK std::path::Path::canonicalize
    let _ = std::path::Path::new("a").exists(); // LEAK std::path::Path::exists
    let _ = std::path::Path::new("a").is_dir(); // LEAK std::path::Path::is_dir
    let _ = std::path::Path::new("a").is_file(); // LEAK std::path::Path::is_file
    let _ = std::path::Path::new("a").is_symlink(); // LEAK std::path::Path::is_symlink
    let _ = std::path::Path::new("a").metadata(); // LEAK std::path::Path::metadata
    let _ = std::path::Path::new("a").read_dir(); // LEAK std::path::Path::read_dir
    let _ = std::path::Path::new("a").read_link(); // LEAK std::path::Path::read_link
    let _ = std::path::Path::new("a").symlink_metadata(); // LEAK std::path::Path::symlink_metadata
    let _ = std::path::Path::new("a").try_exists(); // LEAK std::path::Path::try_exists
    let _ = std::path::absolute::<&str>; // LEAK std::path::absolute
    let _ = std::env::args(); // LEAK std::env::args
    let _ = std::env::args_os(); // LEAK std::env::args_os
    let _ = std::env::current_dir(); // LEAK std::env::current_dir
    let _ = std::env::current_exe(); // LEAK std::env::current_exe
    let _ = std::env::home_dir(); // LEAK std::env::home_dir
    let _ = std::env::remove_var::<&str>; // LEAK std::env::remove_var
    let _ = std::env::set_current_dir::<&str>; // LEAK std::env::set_current_dir
    let _ = std::env::set_var::<&str, &str>; // LEAK std::env::set_var
    let _ = std::env::temp_dir(); // LEAK std::env::temp_dir
    let _ = std::env::var("HOME"); // LEAK std::env::var
    let _ = std::env::var_os("HOME"); // LEAK std::env::var_os
    let _ = std::env::vars(); // LEAK std::env::vars
    let _ = std::env::vars_os(); // LEAK std::env::vars_os
    let _ = std::process::abort as fn() -> !; // LEAK std::process::abort
    let _ = std::process::exit as fn(i32) -> !; // LEAK std::process::exit
    let _ = std::process::id(); // LEAK std::process::id
    let _ = std::os::unix::process::parent_id(); // LEAK std::os::unix::process::parent_id
    let _ = std::time::Instant::now(); // LEAK std::time::Instant::now
    let _ = std::time::Instant::elapsed; // LEAK std::time::Instant::elapsed
    let _ = std::time::SystemTime::now(); // LEAK std::time::SystemTime::now
    let _ = std::time::UNIX_EPOCH.elapsed(); // LEAK std::time::SystemTime::elapsed
    /* crd: */ let _ = k8s_openapi::jiff::Timestamp::now(); // LEAK jiff::Timestamp::now
    /* crd: */ let _ = k8s_openapi::jiff::Zoned::now(); // LEAK jiff::Zoned::now
    /* crd: */ let _ = k8s_openapi::jiff::tz::TimeZone::system(); // LEAK jiff::tz::TimeZone::system
    /* crd: */ let _ = k8s_openapi::jiff::tz::TimeZone::try_system(); // LEAK jiff::tz::TimeZone::try_system
    /* crd: */ let _ = k8s_openapi::jiff::tz::TimeZone::get("UTC"); // LEAK jiff::tz::TimeZone::get
    /* crd: */ let _ = k8s_openapi::jiff::Timestamp::UNIX_EPOCH.in_tz("UTC"); // LEAK jiff::Timestamp::in_tz
    let _ = std::thread::sleep_ms; // LEAK std::thread::sleep_ms
    let _ = std::thread::park_timeout_ms; // LEAK std::thread::park_timeout_ms
    let _ = std::panic::take_hook(); // LEAK std::panic::take_hook
    std::panic::set_hook(Box::new(|_| {})); // LEAK std::panic::set_hook
    let _ = std::sync::Arc::strong_count(&std::sync::Arc::new(1)); // LEAK std::sync::Arc::strong_count
    let _ = std::thread::available_parallelism(); // LEAK std::thread::available_parallelism
    let _ = std::thread::current(); // LEAK std::thread::current
    let _ = std::thread::park(); // LEAK std::thread::park
    let _ = std::thread::park_timeout; // LEAK std::thread::park_timeout
    let _ = std::thread::scope(|scope| scope.spawn(|| 1).join()); // LEAK std::thread::scope
    let _ = std::thread::sleep; // LEAK std::thread::sleep
    let _ = std::thread::spawn(|| 1); // LEAK std::thread::spawn
    let _ = std::thread::yield_now(); // LEAK std::thread::yield_now
    let _ = planted_builder().spawn(|| 1); // LEAK std::thread::Builder::spawn
    let _ = std::thread::Builder::spawn_scoped::<fn(), ()>; // LEAK std::thread::Builder::spawn_scoped
    let _ = std::sync::mpsc::channel::<u8>(); // LEAK std::sync::mpsc::channel
    let _ = std::sync::mpsc::sync_channel::<u8>; // LEAK std::sync::mpsc::sync_channel
    let _ = std::sync::mpsc::Receiver::<u8>::recv; // LEAK std::sync::mpsc::Receiver::recv
    let _ = std::sync::mpsc::Receiver::<u8>::recv_timeout; // LEAK std::sync::mpsc::Receiver::recv_timeout
    let _ = std::sync::Condvar::wait_timeout::<u8>; // LEAK std::sync::Condvar::wait_timeout
    let _ = std::io::stdin(); // LEAK std::io::stdin
    let _ = std::io::stdout(); // LEAK std::io::stdout
    let _ = std::io::stderr(); // LEAK std::io::stderr
    let _ = std::io::pipe(); // LEAK std::io::pipe
    let _ = std::io::Error::last_os_error(); // LEAK std::io::Error::last_os_error
    let _ = std::net::ToSocketAddrs::to_socket_addrs(&"localhost:80"); // LEAK std::net::ToSocketAddrs::to_socket_addrs
    let _ = std::os::unix::fs::chown::<&str>; // LEAK std::os::unix::fs::chown
    let _ = std::os::unix::fs::fchown::<std::os::fd::OwnedFd>; // LEAK std::os::unix::fs::fchown
    let _ = std::os::unix::fs::lchown::<&str>; // LEAK std::os::unix::fs::lchown
    let _ = std::os::unix::fs::chroot::<&str>; // LEAK std::os::unix::fs::chroot
    let _ = std::os::unix::fs::symlink::<&str, &str>; // LEAK std::os::unix::fs::symlink
    let _ = std::backtrace::Backtrace::capture(); // LEAK std::backtrace::Backtrace::capture
    let _ = std::backtrace::Backtrace::force_capture(); // LEAK std::backtrace::Backtrace::force_capture
    let _ = std::hash::RandomState::new(); // LEAK std::hash::RandomState::new
}

pub(crate) fn types() {
    let _ = size_of::<std::fs::File>(); // LEAK std::fs::File
    let _ = size_of::<std::fs::OpenOptions>(); // LEAK std::fs::OpenOptions
    let _ = size_of::<std::fs::DirBuilder>(); // LEAK std::fs::DirBuilder
    let _ = size_of::<std::fs::ReadDir>(); // LEAK std::fs::ReadDir
    let _ = size_of::<std::fs::DirEntry>(); // LEAK std::fs::DirEntry
    let _ = size_of::<std::net::TcpListener>(); // LEAK std::net::TcpListener
    let _ = size_of::<std::net::TcpStream>(); // LEAK std::net::TcpStream
    let _ = size_of::<std::net::UdpSocket>(); // LEAK std::net::UdpSocket
    let _ = size_of::<std::os::unix::net::UnixListener>(); // LEAK std::os::unix::net::UnixListener
    let _ = size_of::<std::os::unix::net::UnixStream>(); // LEAK std::os::unix::net::UnixStream
    let _ = size_of::<std::os::unix::net::UnixDatagram>(); // LEAK std::os::unix::net::UnixDatagram
    let _ = size_of::<std::process::Command>(); // LEAK std::process::Command
    let _ = size_of::<std::process::Child>(); // LEAK std::process::Child
    let _ = size_of::<std::time::Instant>(); // LEAK std::time::Instant
    let _ = size_of::<std::time::SystemTime>(); // LEAK std::time::SystemTime
    let _ = size_of::<std::thread::Builder>(); // LEAK std::thread::Builder
    let _ = size_of::<std::thread::JoinHandle<()>>(); // LEAK std::thread::JoinHandle
    let _ = size_of::<std::thread::Thread>(); // LEAK std::thread::Thread
    let _ = size_of::<std::sync::Barrier>(); // LEAK std::sync::Barrier
    let _ = size_of::<std::sync::Condvar>(); // LEAK std::sync::Condvar
    let _ = size_of::<std::sync::mpsc::Receiver<u8>>(); // LEAK std::sync::mpsc::Receiver
    let _ = size_of::<std::backtrace::Backtrace>(); // LEAK std::backtrace::Backtrace
    let _ = size_of::<std::collections::HashMap<u8, u8>>(); // LEAK std::collections::HashMap
    let _ = size_of::<std::collections::HashSet<u8>>(); // LEAK std::collections::HashSet
    let _ = size_of::<std::hash::RandomState>(); // LEAK std::hash::RandomState
    let _ = size_of::<std::hash::DefaultHasher>(); // LEAK std::hash::DefaultHasher
}

/// What is no path to anything, but an order or an address.
pub(crate) fn lints() {
    let _ = functions as *const () as usize; // LINT casting function pointer
    let map = std::collections::HashMap::<u8, u8>::new(); // LEAK std::collections::HashMap
    for _ in map.keys() {} // LINT iteration over unordered hash-based type
}

pub(crate) fn macros() {
    print!("x"); // LEAK std::print
    println!("x"); // LEAK std::println
    eprint!("x"); // LEAK std::eprint
    eprintln!("x"); // LEAK std::eprintln
    dbg!(1); // LEAK std::dbg
}
