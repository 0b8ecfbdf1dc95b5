//! A client that speaks just enough HTTP, and sees chunks as they come.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

#[derive(Debug, Clone)]
pub(super) struct Client {
    address: SocketAddr,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) body: String,
}

/// An answer whose body is read event by event. Dropping it hangs up.
pub(super) struct Open {
    pub(super) status: u16,
    pub(super) headers: String,
    connection: BufReader<TcpStream>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.open("GET", path, "").await.finish().await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.open("POST", path, &body.to_string())
            .await
            .finish()
            .await
    }

    /// Sends bytes as they are, and hangs up when dropped.
    pub(super) async fn raw(&self, bytes: &str) -> BufReader<TcpStream> {
        let mut connection = timeout(PATIENCE, TcpStream::connect(self.address))
            .await
            .unwrap()
            .unwrap();
        connection.write_all(bytes.as_bytes()).await.unwrap();
        BufReader::new(connection)
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &str) -> BufReader<TcpStream> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.raw(&request).await
    }

    pub(super) async fn open(&self, method: &str, path: &str, body: &str) -> Open {
        let mut connection = self.send(method, path, body).await;
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, connection.read_line(&mut headers))
                .await
                .unwrap()
                .unwrap();
            assert!(read > 0, "the server hung up after {headers:?}");
        }
        let status = headers
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap();
        Open {
            status,
            headers: headers.to_lowercase(),
            connection,
        }
    }
}

impl Open {
    /// The next `data:` of an event stream; `None` at its end.
    pub(super) async fn event(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if timeout(PATIENCE, self.connection.read_line(&mut line))
                .await
                .unwrap()
                .unwrap()
                == 0
            {
                return None;
            }
            if let Some(event) = line.trim_end().strip_prefix("data: ") {
                return Some(event.to_owned());
            }
        }
    }

    /// Every remaining event.
    pub(super) async fn events(mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }

    pub(super) async fn finish(mut self) -> Answer {
        let mut body = String::new();
        timeout(PATIENCE, self.connection.read_to_string(&mut body))
            .await
            .unwrap()
            .unwrap();
        Answer {
            status: self.status,
            headers: self.headers,
            body,
        }
    }
}
