//! What a service manager is told (sd_notify(3)): one datagram each, to the socket that `main` was given.
//!
//! That we are alive is told by whoever does the work, never by a bystander: the loop of `up` at each turn, and before a
//! step the longest time that the step may take.
use std::{
    ffi::OsStr,
    fmt::Write as _,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use machine::Timestamp;

/// What a turn of the loop may take beyond waiting, where nobody set a watchdog: looking at a machine takes a minute
/// where the vendor's tool hangs, and it is asked a few times.
const TURN: Duration = Duration::from_mins(3);

/// A service manager that does not read for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A service manager, where there is one.
#[derive(Debug, Default)]
pub struct Notify(Option<Channel>);

#[derive(Debug)]
struct Channel {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
    /// When the loop last said that it turns, in milliseconds.
    last_turn: AtomicU64,
    /// Whether it was told that we are ready.
    ready: AtomicBool,
}

impl Notify {
    /// The service manager that listens at `address`: a path, or a name in the abstract namespace after `@`.
    pub fn open(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let bytes = address.as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None if bytes.starts_with(b"/") => SocketAddr::from_pathname(Path::new(address))?,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is neither a path nor an abstract name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Some(Channel {
            socket,
            address,
            watchdog,
            last_turn: AtomicU64::new(0),
            ready: AtomicBool::new(false),
        })))
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// All is as it should be: whoever waits for us may start. Said again, it ends a reload.
    pub fn ready(&self, status: &str) {
        if let Some(channel) = &self.0 {
            channel.ready.store(true, Ordering::SeqCst);
            channel.send(&format!("READY=1\n{}", said(status)));
        }
    }

    /// What we are doing.
    pub fn status(&self, status: &str) {
        if let Some(channel) = &self.0 {
            channel.send(&said(status));
        }
    }

    /// What is declared is being read again; [`Notify::ready`] ends it.
    pub fn reloading(&self) {
        if let Some(channel) = &self.0
            && let Some(now) = monotonic()
        {
            channel.send(&format!(
                "RELOADING=1\nMONOTONIC_USEC={}\n",
                now.as_micros()
            ));
        }
    }

    /// We are ending, which takes no longer than `limit`.
    pub fn stopping(&self, status: &str, limit: Duration) {
        if let Some(channel) = &self.0 {
            let mut text = format!("STOPPING=1\n{}", said(status));
            channel.may_take(&mut text, limit);
            channel.send(&text);
        }
    }

    /// The loop turns. Told four times in a watchdog's time.
    pub fn turn(&self, now: Timestamp) {
        let Some(channel) = &self.0 else { return };
        let last = channel.last_turn.load(Ordering::SeqCst);
        let turn = channel.watchdog.unwrap_or(TURN);
        if now < Timestamp(last).plus(turn / 4) {
            return;
        }
        channel.last_turn.store(now.0, Ordering::SeqCst);
        let mut text = "WATCHDOG=1\n".to_owned();
        if !channel.ready.load(Ordering::SeqCst) {
            let _ = writeln!(text, "EXTEND_TIMEOUT_USEC={}", turn.as_micros());
        }
        channel.send(&text);
    }

    /// Work begins that takes no longer than `limit`; until it has ended nothing else is told.
    pub fn at_work(&self, status: &str, limit: Duration) {
        if let Some(channel) = &self.0 {
            let mut text = said(status);
            channel.may_take(&mut text, limit);
            channel.send(&text);
        }
    }

    /// The work has ended: from here on the loop turns as before.
    pub fn done(&self) {
        if let Some(channel) = &self.0 {
            let mut text = String::new();
            channel.may_take(&mut text, Duration::ZERO);
            channel.send(&text);
        }
    }
}

impl Channel {
    /// Adds that from now on `limit` may pass, and a turn of the loop, before we are taken for dead.
    fn may_take(&self, text: &mut String, limit: Duration) {
        let turn = self.watchdog.unwrap_or(TURN);
        let micros = limit.saturating_add(turn).as_micros();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "EXTEND_TIMEOUT_USEC={micros}");
        if self.watchdog.is_some() {
            let _ = writeln!(text, "WATCHDOG_USEC={micros}\nWATCHDOG=1");
        }
    }

    fn send(&self, text: &str) {
        // A service manager that does not listen any more will not be served better by an error of ours.
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

/// A status is one line.
fn said(status: &str) -> String {
    let line = status.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("STATUS={line}\n")
}

/// The clock by which a service manager tells an old reload from a new one.
fn monotonic() -> Option<Duration> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).ok()?;
    Some(Duration::from(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> Vec<String> {
        listener.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = listener.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        heard
    }

    #[test]
    fn each_word_is_a_datagram_to_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("shardplane-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (address, listener) in [
            (path.as_os_str().to_owned(), by_path),
            (format!("@{name}").into(), by_name),
        ] {
            let notify = Notify::open(&address, Some(Duration::from_secs(8))).unwrap();
            assert!(notify.is_there());
            notify.turn(Timestamp(10_000));
            notify.turn(Timestamp(11_999));
            notify.at_work("one\n two ", Duration::from_mins(1));
            notify.done();
            notify.ready("as declared");
            notify.turn(Timestamp(12_000));
            notify.stopping("draining", Duration::from_secs(2));
            assert_eq!(
                heard(&listener),
                [
                    "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=8000000\n",
                    "STATUS=one two\nEXTEND_TIMEOUT_USEC=68000000\nWATCHDOG_USEC=68000000\nWATCHDOG=1\n",
                    "EXTEND_TIMEOUT_USEC=8000000\nWATCHDOG_USEC=8000000\nWATCHDOG=1\n",
                    "READY=1\nSTATUS=as declared\n",
                    "WATCHDOG=1\n",
                    "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=10000000\nWATCHDOG_USEC=10000000\nWATCHDOG=1\n",
                ]
            );
            notify.reloading();
            let [reload] = heard(&listener).try_into().unwrap();
            let since = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(since.trim().parse::<u64>().unwrap() > 0);
        }
    }

    #[test]
    fn without_a_service_manager_nothing_is_told_and_a_wrong_address_is_an_error() {
        let nobody = Notify::default();
        nobody.ready("x");
        nobody.turn(Timestamp(0));
        assert!(!nobody.is_there());
        for address in ["", "vsock:2:1234", "relative"] {
            assert!(
                Notify::open(OsStr::new(address), None).is_err(),
                "{address}"
            );
        }
    }
}
