//! Takes connections in, bounded in number and in time, and lets them go at the end.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::{FutureExt, Stream, StreamExt};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::errno::Errno;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::api::ApiError;
use super::connections::{Admitted, Connections, Seat, Standing};
use super::metrics::{Metrics, Shortage};
use super::wire::Wire;

/// A request's head beyond this size is none of a client's: the longest of any proxy's limits is a half of it.
const HEAD_LIMIT: usize = 64 * 1024;
/// How long nothing is accepted after the system refused to: it has no files left, and says so again at once.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections are taken in with.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) connections: Arc<Connections>,
    pub(super) metrics: Arc<Metrics>,
    /// How long a connection may rest, the time for the next request's head included.
    pub(super) rest: Duration,
    /// The longest that a request's head may take, from its first byte to its last.
    pub(super) head: Duration,
    /// The longest that what was written may wait for its reader.
    pub(super) stall: Duration,
    /// What regular connections reach.
    pub(super) router: Router,
    /// What spare ones do.
    pub(super) spare: Router,
}

impl Entrance {
    /// Takes in what comes until `leaving` ends; then waits until every connection has its answer. Dropping this closes
    /// them all.
    pub(super) async fn run(
        self,
        incoming: impl Stream<Item = io::Result<TcpStream>>,
        leaving: impl Future<Output = ()>,
    ) {
        let mut leaving = pin!(leaving.fuse());
        let (goodbye, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        {
            let mut incoming = pin!(incoming);
            loop {
                // Those that were turned out are closed before another is opened: the reserve of files is small.
                while tasks.try_join_next().is_some() {}
                while tasks.len() > self.connections.most() {
                    tasks.join_next().await;
                }
                // Whoever is still in line when we leave was never promised anything.
                let next = tokio::select! {
                    () = &mut leaving => break,
                    next = incoming.next() => next,
                };
                match next {
                    Some(Ok(stream)) => {
                        tasks.spawn(self.admit(stream, told.clone()));
                    }
                    Some(Err(error)) if is_the_clients(&error) => {}
                    // No files or no memory: one that asks for nothing gives its own, and the rest gets a moment.
                    Some(Err(_)) => {
                        self.metrics.short(Shortage::accept_failed);
                        if self.connections.shed() {
                            self.metrics.short(Shortage::idle_closed);
                        }
                        tokio::select! {
                            () = &mut leaving => break,
                            () = tokio::time::sleep(PAUSE) => {}
                        }
                    }
                    None => break,
                }
            }
        }
        // Nobody listens where no connection is open.
        let _: Result<(), watch::error::SendError<bool>> = goodbye.send(true);
        while tasks.join_next().await.is_some() {}
    }

    /// One connection's life.
    fn admit(
        &self,
        stream: TcpStream,
        leaving: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + use<> {
        let Admitted {
            seat,
            turned_out,
            instead,
        } = self.connections.admit();
        let router = match seat.standing {
            Standing::Regular => self.router.clone(),
            Standing::Spare => self.spare.clone(),
        };
        match (seat.standing, instead) {
            (Standing::Regular, true) => self.metrics.short(Shortage::idle_closed),
            (Standing::Regular, false) => {}
            (Standing::Spare, _) => self.metrics.short(Shortage::probes_only),
        }
        // Pieces of an answer go out as they come; where that cannot be had they come a little later.
        let _: io::Result<()> = stream.set_nodelay(true);
        let working = Arc::new(AtomicBool::new(false));
        let wire = Wire::new(stream, self.stall, self.head, Arc::clone(&working));
        let limits = HeadLimits {
            rest: self.rest,
            head: self.head,
        };
        async move {
            // Turned out, it closes as it is: it asked for nothing, or has had its turn.
            tokio::select! {
                () = attend(wire, (seat, working), router, limits, leaving) => {}
                _ = turned_out => {}
            }
        }
    }
}

/// An error of the connection that was to be accepted, not of accepting: the next may be well.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(Errno::EPROTO as i32)
}

/// How long a head is waited for.
#[derive(Debug, Clone, Copy)]
struct HeadLimits {
    rest: Duration,
    head: Duration,
}

/// Answers one connection's requests.
async fn attend(
    wire: Wire,
    (seat, working): (Arc<Seat>, Arc<AtomicBool>),
    router: Router,
    limits: HeadLimits,
    mut leaving: watch::Receiver<bool>,
) {
    let keep = seat.standing == Standing::Regular;
    // Until the connection is closed, its answers aside.
    let _held = Arc::clone(&seat);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let asked = Asked::new(&seat, &working);
        router
            .call(request)
            .map(|answer| answer.map(|response| asked.until_the_end_of(response)))
            .boxed()
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.rest)
        .keep_alive(keep)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(wire), service);
    let ended = loop {
        let mut run = std::future::poll_fn(|context| connection.poll_without_shutdown(context));
        // Both only wait: what the connection has read and written stays with it.
        tokio::select! {
            ended = &mut run => break ended,
            Ok(()) = leaving.changed() => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
    };
    let parts = connection.into_parts();
    let wire = parts.io.into_inner();
    let begun = !parts.read_buf.is_empty();
    let last = ended
        .err()
        .and_then(|error| {
            if wire.late() {
                return Some(ApiError::slow_head(limits.head));
            }
            last_word(&error, wire.refused(), begun, limits.rest)
        })
        .map(|refusal| refusal.message())
        .unwrap_or_default();
    wire.close_with(&last).await;
}

/// What a client is told whose request never became one; nothing where it has left, or asked for nothing.
fn last_word(
    error: &hyper::Error,
    refused: Option<u16>,
    begun: bool,
    head: Duration,
) -> Option<ApiError> {
    if let Some(status) = refused {
        Some(ApiError::malformed(status, &super::chain(error)))
    } else if error.is_parse_version_h2() {
        Some(ApiError::malformed(505, "it is HTTP/2 without an upgrade"))
    } else if error.is_timeout() && begun {
        Some(ApiError::slow_head(head))
    } else {
        None
    }
}

/// A request that is being answered: its connection is at work for as long as this is there.
#[derive(Debug)]
struct Asked {
    seat: Arc<Seat>,
    working: Arc<AtomicBool>,
}

impl Asked {
    fn new(seat: &Arc<Seat>, working: &Arc<AtomicBool>) -> Self {
        seat.busy();
        working.store(true, Ordering::Relaxed);
        Self {
            seat: Arc::clone(seat),
            working: Arc::clone(working),
        }
    }

    fn until_the_end_of(self, response: Response) -> hyper::Response<Answer> {
        response.map(|body| Answer { body, _asked: self })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.working.store(false, Ordering::Relaxed);
        self.seat.idle();
    }
}

/// An answer's body.
#[derive(Debug)]
struct Answer {
    body: Body,
    _asked: Asked,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
