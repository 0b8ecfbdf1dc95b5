//! Ways out of a pure crate. Each line that ends in `LEAK` must be reported.
use std::time::Instant;

pub use std::time::SystemTime as Reading;

pub(crate) fn reads_a_file() -> Option<String> {
    std::fs::read_to_string("/etc/hostname").ok() // LEAK
}

pub(crate) fn opens_a_file() -> bool {
    std::fs::File::open("/etc/hostname").is_ok() // LEAK
}

pub(crate) fn asks_whether_a_path_exists() -> bool {
    std::path::Path::new("/etc/hostname").exists() // LEAK
}

pub(crate) fn dials() -> bool {
    std::net::TcpStream::connect("127.0.0.1:1").is_ok() // LEAK
}

pub(crate) fn listens() -> bool {
    std::net::TcpListener::bind("127.0.0.1:0").is_ok() // LEAK
}

pub(crate) fn reads_the_environment() -> bool {
    std::env::var("HOME").is_ok() // LEAK
}

pub(crate) fn asks_where_it_runs() -> bool {
    std::env::current_dir().is_ok() // LEAK
}

pub(crate) fn starts_a_process() -> bool {
    std::process::Command::new("true").status().is_ok() // LEAK
}

pub(crate) fn reads_the_monotonic_clock() -> u64 {
    Instant::now().elapsed().as_secs() // LEAK
}

pub(crate) fn reads_a_clock_by_another_name() -> bool {
    Reading::now().elapsed().is_ok() // LEAK
}

pub(crate) fn sleeps() {
    std::thread::sleep(std::time::Duration::from_millis(1)); // LEAK
}
