//! Ports of loopback for servers that must be told theirs.
use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

/// The first that is given, and how many there are: below those that the kernel gives to whoever asks for any (32768
/// onwards), so that no connection going out takes one before its server does.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// How many were given so far. Two servers that start at once never get the same one.
static GIVEN: AtomicU32 = AtomicU32::new(0);

/// Ports of loopback that nobody listens on now, and that nobody in this process is given again.
///
/// # Errors
/// When there are none.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free().context("looking for a port of loopback that nobody listens on")?;
    }
    Ok(ports)
}

fn free() -> Result<u16> {
    // Each process begins elsewhere.
    let begin = process::id().wrapping_mul(61);
    let candidate = |given: u32| FIRST + begin.wrapping_add(given) % COUNT;
    let mut refused = None;
    while GIVEN.load(Ordering::Relaxed) < COUNT {
        let port = u16::try_from(candidate(GIVEN.fetch_add(1, Ordering::Relaxed)))?;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_listener) => return Ok(port),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(|| anyhow::anyhow!("all are given"), Into::into))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::TcpListener};

    use super::*;

    #[test]
    fn no_port_is_given_twice_nor_one_that_is_listened_on() {
        let [first] = free_ports().unwrap();
        let next = (FIRST + (u32::from(first) - FIRST + 1) % COUNT) as u16;
        let taken = TcpListener::bind(("127.0.0.1", next));
        let more: [u16; 200] = free_ports().unwrap();
        let distinct: BTreeSet<u16> = more.into_iter().chain([first]).collect();
        assert_eq!(distinct.len(), 201);
        assert!(taken.is_err() || !distinct.contains(&next));
        assert!(distinct.iter().all(|port| (10_000..30_000).contains(port)));
    }
}
