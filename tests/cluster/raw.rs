//! Requests to the API server in plain HTTP, as fast as they can be made: `kubectl proxy` stands between.
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{
    control_plane::{ControlPlane, Running, start_as},
    fleet::until,
};

/// A way to the API server with an administrator's rights, open for as long as it lives.
pub struct Raw {
    port: u16,
    _proxy: Running,
}

impl Raw {
    /// Opens it.
    pub fn open(plane: &ControlPlane) -> Self {
        let [port] = crate::control_plane::ports();
        let arguments = [
            format!(
                "--kubeconfig={}",
                plane.folder().join("kubeconfig").display()
            ),
            "proxy".to_owned(),
            format!("--port={port}"),
        ];
        let proxy = start_as(plane.folder(), "proxy", plane.kubectl_path(), &arguments);
        let raw = Self {
            port,
            _proxy: proxy,
        };
        until(
            "the proxy answers",
            || request(port, "GET", "/readyz", ""),
            |status| *status == Some(200),
        );
        raw
    }

    /// Merges a patch into an object; the answer's status.
    pub fn patch(&self, path: &str, patch: &str) -> Option<u16> {
        request(self.port, "PATCH", path, patch)
    }
}

/// The status of an answer; nothing where there is none.
fn request(port: u16, verb: &str, path: &str, body: &str) -> Option<u16> {
    let answer = answer(port, verb, path, body)?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// An answer as it comes; nothing where there is none.
pub fn answer(port: u16, verb: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let length = body.len();
    let kind = match verb {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
