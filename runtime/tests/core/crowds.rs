//! More connections than the limit of open files allows: the worker goes on answering.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::command::Serving;

/// What the server says to a request on a connection of its own.
fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("a connection");
    let patience = Some(Duration::from_secs(20));
    connection.set_read_timeout(patience).expect("a deadline");
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .expect("a request");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A gauge or counter, by its line's beginning.
fn metric(address: &str, name: &str) -> f64 {
    let text = get(address, "/metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.expect("a metric").parse().expect("a number")
}

fn idle(address: &str, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect()
}

#[test]
fn connections_that_ask_for_nothing_silence_nobody() {
    let serving = Serving::start_under("ulimit -n 96;", 1);
    let held = idle(&serving.address, 300);
    assert!(get(&serving.address, "/healthz").ends_with("\r\n\r\nok\n"));
    let answer = serving.complete(&json!({}));
    assert_eq!(answer["usage"]["completion_tokens"], 5, "{answer}");
    assert!(metric(&serving.address, "shardplane_connections") < 96.0);
    // The system was never asked for a file that it had not.
    let failed = "shardplane_connection_shortage_total{outcome=\"accept_failed\"}";
    assert!(metric(&serving.address, failed) < 1.0);
    serving.signal(Signal::SIGTERM);
    let (code, said) = serving.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("warning: the limit of 96 open files leaves room for "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    drop(held);
}

#[test]
fn a_soft_limit_is_raised_as_far_as_is_of_use() {
    let serving = Serving::start_under("ulimit -S -n 96;", 1);
    let held = idle(&serving.address, 300);
    assert!(metric(&serving.address, "shardplane_connections") > 300.0);
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.end(), (Some(0), String::new()));
    drop(held);
}
