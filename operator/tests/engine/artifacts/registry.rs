//! A registry on loopback: it keeps what it is given under the digest that it finds, and fails as it is told to.
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

/// Blobs of more bytes than this are kept by their digest alone.
const KEPT: usize = 1 << 20;
/// The one token that it gives, to whoever is `me` with the password `secret`.
const TOKEN: &str = "Bearer good";
const LOGIN: &str = "Basic bWU6c2VjcmV0";

/// What it asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Nothing,
    Token,
    Password,
}

/// Whether it speaks TLS, with a certificate for `localhost` that `authority.crt` signed, good for a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Plainly,
    Securely,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Status(u16),
    /// The connection ends before the answer.
    Cut,
    /// It ends in the middle of the answer.
    CutShort,
    /// Another byte than was asked for.
    Damaged,
}

/// All that it has and has seen.
#[derive(Default)]
pub struct State {
    /// Blobs by digest, and manifests by tag and digest below `manifests/`.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Requests, as `PUT manifests/tag`.
    pub asked: Vec<String>,
    /// For the next request that begins so.
    pub faults: Vec<(&'static str, Fault)>,
}

/// A registry; it answers until the test ends.
pub struct Registry {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub fn start(asks: Asks, speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = match speaks {
            Speaks::Plainly => format!("127.0.0.1:{port}"),
            Speaks::Securely => format!("localhost:{port}"),
        };
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, here) = (state.clone(), address.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, here, mut stream) = (shared.clone(), here.clone(), stream.unwrap());
                // Whoever hangs up is answered no more.
                thread::spawn(move || match speaks {
                    Speaks::Plainly => {
                        serve(&mut stream, &state, &here, asks)?;
                        stream.shutdown(Shutdown::Write)?;
                        // What somebody still sends is not answered with a reset.
                        io::copy(&mut stream.take(1 << 20), &mut io::sink()).map(|_| ())
                    }
                    Speaks::Securely => {
                        let connection = ServerConnection::new(secured()).unwrap();
                        let mut stream = StreamOwned::new(connection, stream);
                        serve(&mut stream, &state, &here, asks)?;
                        stream.conn.send_close_notify();
                        stream.flush()
                    }
                });
            }
        });
        Self { address, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Requests since the last look that begin so.
    pub fn asked(&self, begin: &str) -> usize {
        let state = self.state();
        let asked = state.asked.iter();
        asked.filter(|asked| asked.starts_with(begin)).count()
    }
}

fn secured() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("server.key")).unwrap();
    let settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(settings.unwrap())
}

struct Request {
    line: String,
    authorization: String,
    /// Digest of its body, and the body where it is short.
    digest: String,
    body: Vec<u8>,
    size: usize,
}

fn read(from: &mut impl BufRead) -> io::Result<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let mut lines = head.iter().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let size = header("content-length").parse().unwrap_or(0);
    let mut hash = Sha256::new();
    let mut body = Vec::new();
    let mut left = size;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let most = left.min(buffer.len());
        from.read_exact(&mut buffer[..most])?;
        hash.update(&buffer[..most]);
        if size <= KEPT {
            body.extend_from_slice(&buffer[..most]);
        }
        left -= most;
    }
    Ok(Request {
        line: head.first().cloned().unwrap_or_default(),
        authorization: header("authorization"),
        digest: named(hash),
        body,
        size,
    })
}

pub fn named(hash: Sha256) -> String {
    let bytes = hash.finalize();
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", digits.concat())
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

fn answer(status: u16, headers: String, body: &[u8]) -> Answer {
    let body = body.to_vec();
    Answer {
        status,
        headers,
        body,
    }
}

fn serve(
    stream: &mut (impl Read + Write),
    state: &Mutex<State>,
    here: &str,
    asks: Asks,
) -> io::Result<()> {
    let request = read(&mut BufReader::new(&mut *stream))?;
    let mut words = request.line.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let what = path.split_once("/v2/team/programs/");
    let what = what.map_or(path, |(_, what)| what).to_owned();
    let asked = format!("{method} {what}");
    let mut state = state.lock().unwrap();
    state.asked.push(asked.clone());
    let fault = state
        .faults
        .iter()
        .position(|(begin, _)| asked.starts_with(begin));
    let fault = fault.map(|at| state.faults.remove(at).1);
    let mut answer = match fault {
        Some(Fault::Cut) => return Ok(()),
        Some(Fault::Status(status)) => answer(status, String::new(), b"as told"),
        _ => done(&mut state, here, asks, (method, &what), &request),
    };
    drop(state);
    if let Some(Fault::Damaged) = fault {
        answer.body[0] ^= 1;
    }
    let length = answer.body.len();
    if let Some(Fault::CutShort) = fault {
        answer.body.truncate(length / 2);
    }
    if method == "HEAD" {
        answer.body.clear();
    }
    let Answer {
        status,
        headers,
        body,
    } = answer;
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    )?;
    stream.write_all(&body)?;
    stream.flush()
}

fn done(
    state: &mut State,
    here: &str,
    asks: Asks,
    (method, what): (&str, &str),
    request: &Request,
) -> Answer {
    if what.starts_with("/token") {
        return if request.authorization != LOGIN {
            answer(401, String::new(), b"who is that?")
        } else if !what.contains("service=here") || !what.contains("team%2Fprograms") {
            answer(400, String::new(), what.as_bytes())
        } else {
            answer(200, String::new(), br#"{"token":"good"}"#)
        };
    }
    let (wanted, challenge) = match asks {
        Asks::Nothing => ("", String::new()),
        Asks::Token => (
            TOKEN,
            format!(
                "www-authenticate: Bearer realm=\"http://{here}/token\",service=\"here\",scope=\"repository:team/programs:pull,push\"\r\n"
            ),
        ),
        Asks::Password => (
            LOGIN,
            "www-authenticate: Basic realm=\"here\"\r\n".to_owned(),
        ),
    };
    if asks != Asks::Nothing && request.authorization != wanted {
        return answer(401, challenge, b"denied");
    }
    let (path, query) = what.split_once('?').unwrap_or((what, ""));
    match (method, path) {
        ("POST", "blobs/uploads/") => {
            let begun = "location: /v2/team/programs/blobs/uploads/1?state=x\r\n";
            answer(202, begun.to_owned(), b"")
        }
        ("PUT", "blobs/uploads/1") => {
            let Some(digest) = query.strip_prefix("state=x&digest=") else {
                return answer(400, String::new(), query.as_bytes());
            };
            if digest != request.digest || request.size == 0 {
                return answer(400, String::new(), request.digest.as_bytes());
            }
            state
                .blobs
                .insert(format!("blobs/{digest}"), request.body.clone());
            answer(201, String::new(), b"")
        }
        ("PUT", _) if path.starts_with("manifests/") => {
            for name in [path, &format!("manifests/{}", request.digest)] {
                state.blobs.insert(name.to_owned(), request.body.clone());
            }
            let digest = format!("docker-content-digest: {}\r\n", request.digest);
            answer(201, digest, b"")
        }
        ("GET" | "HEAD", _) => match state.blobs.get(path) {
            Some(bytes) => {
                let digest = named(Sha256::new_with_prefix(bytes));
                answer(200, format!("docker-content-digest: {digest}\r\n"), bytes)
            }
            None => answer(404, String::new(), b"nothing there"),
        },
        _ => answer(405, String::new(), b""),
    }
}
