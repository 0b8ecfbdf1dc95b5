//! One server from its first connection to its last: listening, draining, stopping.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::accept::Entrance;
use super::api::Served;
use super::clock::Clock;
use super::connections::{Bounds, Connections};
use super::desk::{Desk, Mode};
use super::engine::{Engine, StepError};
use super::intake::Intake;
use super::metrics::Metrics;
use super::routes::{Front, router, spare_router};
use crate::ranks::Feed;

/// How long a server waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// The longest that a request may take, its time in line included.
    pub request: Duration,
    /// How long new requests are taken once the server is to drain.
    pub farewell: Duration,
    /// How long requests that were taken may go on once the server drains.
    pub drain: Duration,
    /// How long the step at hand may go on once requests are broken off.
    pub step: Duration,
    /// How long connections may take to read what was written, at the end.
    pub goodbye: Duration,
    /// How long a connection may rest, the time for the next request's head included.
    pub rest: Duration,
    /// How long a request's head may take, from its first byte to its last.
    pub head: Duration,
    /// How long what was written may wait for its reader.
    pub stall: Duration,
}

/// What somebody outside asks of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Finish what was taken and end.
    Drain,
    /// End at once.
    Stop,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every request that was taken was answered.
    Drained,
    /// Requests were broken off: the drain deadline passed, or somebody asked for it.
    BrokenOff,
    /// They were, and the model did not even end its step: a rank stands still, and is the caller's to kill.
    StoodStill,
}

/// Why a server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError<E: std::error::Error + 'static> {
    /// The model failed; every request was told.
    #[error("the model stopped working")]
    Model {
        /// What the step function said.
        source: E,
    },
    /// The engine's thread could not be started.
    #[error("starting the engine's thread")]
    Thread {
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The engine's thread ended in a panic.
    #[error("the engine's thread panicked; its message is above")]
    Panicked,
    /// Nothing listens any more.
    #[error("the listener ended; start the server again")]
    Listen,
}

/// Serves until told to end or until the model fails.
///
/// `incoming` are the listener's connections, or its failures to accept one; `bounds` says how many may be open.
/// `step` is [`Engine::run`]'s. The first of `orders` drains, a second one or `Stop` breaks off;
/// when nobody can give any, the server runs for ever.
pub async fn serve<E, S>(
    incoming: impl Stream<Item = io::Result<TcpStream>> + Send + 'static,
    bounds: Bounds,
    served: Served,
    deadlines: Deadlines,
    step: S,
    mut orders: mpsc::Receiver<Order>,
) -> Result<Ending, ServeError<E>>
where
    E: std::error::Error + Send + 'static,
    S: FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<E>> + Send + 'static,
{
    let clock = Clock::start();
    let desk = Arc::new(Desk::new(served.limits));
    let metrics = Arc::new(Metrics::new(served.limits.slots));
    let connections = Arc::new(Connections::new(bounds));
    let front = Front {
        connections: Arc::clone(&connections),
        intake: Intake::new(served.limits),
        patience: deadlines.request,
        served: Arc::new(served),
        desk: Arc::clone(&desk),
        metrics: Arc::clone(&metrics),
        clock,
        loaded: clock.unix_seconds(),
    };
    let entrance = Entrance {
        connections,
        metrics: Arc::clone(&metrics),
        rest: deadlines.rest,
        head: deadlines.head,
        stall: deadlines.stall,
        router: router(front.clone()),
        spare: spare_router(front),
    };
    let engine = Engine {
        desk: Arc::clone(&desk),
        metrics,
        clock,
        patience: deadlines.request,
    };
    let (goodbye, leaving) = oneshot::channel::<()>();
    // An error means that the sender is gone, which is as good a goodbye.
    let mut connections = tokio::spawn(entrance.run(incoming, leaving.map(drop)));
    let mut engine = start(engine, step)?;
    let outcome = tokio::select! {
        outcome = &mut engine => outcome.unwrap_or(Err(ServeError::Panicked)).map(|()| Ending::Drained),
        _ = &mut connections => {
            desk.close(Mode::Stopping);
            drop(engine.await);
            return Err(ServeError::Listen);
        }
        () = drain_when_told(&desk, &mut orders, deadlines) => {
            // The ranks' own deadline is for those who still want an answer.
            match timeout(deadlines.step, engine).await {
                Ok(ended) => ended.unwrap_or(Err(ServeError::Panicked)).map(|()| Ending::BrokenOff),
                Err(_) => Ok(Ending::StoodStill),
            }
        }
    };
    desk.close(Mode::Stopping);
    // Refused only where the connections' task has ended already.
    let _: Result<(), ()> = goodbye.send(());
    if timeout(deadlines.goodbye, &mut connections).await.is_err() {
        connections.abort();
    }
    outcome
}

/// What a listener accepts, for as long as it is there.
pub fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await;
        Some((accepted.map(|(stream, _)| stream), listener))
    })
}

/// Runs the engine on a thread of its own: it blocks in the model.
fn start<E, S>(
    engine: Engine,
    step: S,
) -> Result<oneshot::Receiver<Result<(), ServeError<E>>>, ServeError<E>>
where
    E: std::error::Error + Send + 'static,
    S: FnMut(&[Feed<'_>], &mut Vec<f32>) -> Result<(), StepError<E>> + Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let result = engine
                .run(step)
                .map_err(|source| ServeError::Model { source });
            // Nobody listens only when the server was dropped, and then nobody is to be told.
            drop(done.send(result));
        })
        .map_err(|source| ServeError::Thread { source })?;
    Ok(outcome)
}

/// Returns when what runs is to be broken off; a drained engine ends before that.
async fn drain_when_told(desk: &Desk, orders: &mut mpsc::Receiver<Order>, deadlines: Deadlines) {
    match orders.recv().await {
        Some(Order::Drain) => {
            desk.close(Mode::Leaving);
            if !told_again(orders, deadlines.farewell).await {
                desk.close(Mode::Draining);
                // Whichever comes first, the deadline or another order, breaks off.
                told_again(orders, deadlines.drain).await;
            }
        }
        Some(Order::Stop) => {}
        None => std::future::pending().await,
    }
    desk.close(Mode::Stopping);
}

/// Whether another order comes within that time, all of which is waited for where none does.
async fn told_again(orders: &mut mpsc::Receiver<Order>, patience: Duration) -> bool {
    match timeout(patience, orders.recv()).await {
        Ok(Some(_)) => true,
        Err(_) => false,
        Ok(None) => {
            tokio::time::sleep(patience).await;
            false
        }
    }
}
