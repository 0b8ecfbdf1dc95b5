//! A cable between somebody and the API server that can be pulled: bytes go through as they are, until they do not.
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A cable; its threads end with the test's process.
pub struct Cable {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    pulled: AtomicBool,
    made: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A cable to a port of loopback.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let inner = Arc::new(Inner {
            pulled: AtomicBool::new(false),
            made: AtomicUsize::new(0),
            streams: Mutex::default(),
        });
        let shared = inner.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if shared.pulled.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                shared.carry(near, far);
            }
        });
        Self { port, inner }
    }

    /// Its near end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections that were made through it.
    pub fn made(&self) -> usize {
        self.inner.made.load(Ordering::SeqCst)
    }

    /// Cuts every connection; new ones are made at once.
    pub fn cut(&self) {
        for stream in self.inner.streams().drain(..) {
            // It may have ended by itself.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection and makes no new ones.
    pub fn pull(&self) {
        self.inner.pulled.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Puts it back.
    pub fn plug(&self) {
        self.inner.pulled.store(false, Ordering::SeqCst);
    }
}

impl Inner {
    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, near: TcpStream, far: TcpStream) {
        self.made.fetch_add(1, Ordering::SeqCst);
        let copy = |stream: &TcpStream| stream.try_clone().expect("a stream has two ends");
        for (from, to) in [(copy(&near), copy(&far)), (copy(&far), copy(&near))] {
            thread::spawn(move || pass(from, to));
        }
        self.streams().extend([near, far]);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Both);
}
