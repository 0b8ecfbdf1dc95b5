//! What the servers counted: requests that changed something at the API server, and what its store was given.
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::control_plane::ControlPlane;

/// Verbs of requests that write, as the API server's own numbers have them.
const WRITES: [&str; 6] = ["APPLY", "PATCH", "POST", "PUT", "DELETE", "CREATE"];
/// What of it is counted: all that controller and agents may write.
const KINDS: [&str; 6] = [
    "cardnodes",
    "cardpolicies",
    "changeplans",
    "p2pgroups",
    "nodes",
    "events",
];

/// Numbers that only grow.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Writes that succeeded, by resource.
    pub writes: BTreeMap<String, u64>,
    /// Those of leases.
    pub leases: u64,
    /// Writes that the store carried out.
    pub puts: u64,
    /// Bytes that it was given by its client.
    pub put_bytes: u64,
}

impl Counted {
    /// Asks both servers.
    pub fn now(plane: &ControlPlane) -> Self {
        let text = plane.kubectl(&["get", "--raw", "/metrics"]).expected();
        let mut counted = Self::default();
        let lines = text.lines();
        for line in lines.filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
            let Some((labels, number)) = line.split_once("} ") else {
                continue;
            };
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                Some(rest.split_once('"')?.0)
            };
            let resource = label("resource").unwrap_or_default();
            let written = label("verb").is_some_and(|verb| WRITES.contains(&verb))
                && label("code").is_some_and(|code| code.starts_with('2'));
            let number = whole(number);
            if written && resource == "leases" {
                counted.leases += number;
            }
            if written && KINDS.contains(&resource) {
                let name = match label("subresource") {
                    Some(part) if !part.is_empty() => format!("{resource}/{part}"),
                    _ => resource.to_owned(),
                };
                *counted.writes.entry(name).or_default() += number;
            }
        }
        let store = numbers(&plane.store_address());
        let of = |name: &str| {
            let line = store
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(0, whole)
        };
        counted.puts = of("etcd_mvcc_put_total");
        counted.put_bytes = of("etcd_network_client_grpc_received_bytes_total");
        counted
    }

    /// What was added since an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let writes = self.writes.iter().map(|(kind, count)| {
            let before = before.writes.get(kind).copied().unwrap_or_default();
            (kind.clone(), count - before)
        });
        Self {
            writes: writes.filter(|(_, count)| *count > 0).collect(),
            leases: self.leases - before.leases,
            puts: self.puts - before.puts,
            put_bytes: self.put_bytes - before.put_bytes,
        }
    }

    /// All writes but leases'.
    pub fn total(&self) -> u64 {
        self.writes.values().sum()
    }
}

/// A number as Prometheus prints it, `1.7e+06` too.
fn whole(text: &str) -> u64 {
    let number: f64 = text.trim().parse().expect("a number");
    number as u64
}

/// The numbers of a store.
fn numbers(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the store listens");
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).expect("a limit is set");
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").expect("a request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer comes");
    answer
}
