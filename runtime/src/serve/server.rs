//! One server from its first connection to its last: listening, draining, stopping.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::api::Served;
use super::clock::Clock;
use super::desk::{Desk, Mode};
use super::engine::{Engine, StepError};
use super::intake::Intake;
use super::metrics::Metrics;
use super::routes::{Front, router};
use crate::ranks::Feed;

/// How long a server waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// The longest that a request may take, its time in line included.
    pub request: Duration,
    /// How long requests that were taken may go on once the server drains.
    pub drain: Duration,
    /// How long connections may take to read what was written, at the end.
    pub goodbye: Duration,
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
    /// The listener failed.
    #[error("accepting connections")]
    Listen {
        /// The operating system's answer.
        source: std::io::Error,
    },
}

/// Serves until told to end or until the model fails.
///
/// `step` is [`Engine::run`]'s. The first of `orders` drains, a second one or `Stop` breaks off;
/// when nobody can give any, the server runs for ever.
pub async fn serve<E, S>(
    listener: TcpListener,
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
    let front = Front {
        intake: Intake::new(served.limits),
        patience: deadlines.request,
        served: Arc::new(served),
        desk: Arc::clone(&desk),
        metrics: Arc::clone(&metrics),
        clock,
        loaded: clock.unix_seconds(),
    };
    let engine = Engine {
        desk: Arc::clone(&desk),
        metrics,
        clock,
        patience: deadlines.request,
    };
    let (goodbye, leaving) = oneshot::channel::<()>();
    let mut connections = tokio::spawn(async move {
        axum::serve(listener, router(front))
            .with_graceful_shutdown(async {
                // An error means that the sender is gone, which is as good a goodbye.
                drop(leaving.await);
            })
            .await
    });
    let mut engine = start(engine, step)?;
    let outcome = tokio::select! {
        outcome = &mut engine => outcome.unwrap_or(Err(ServeError::Panicked)).map(|()| Ending::Drained),
        ended = &mut connections => {
            desk.close(Mode::Stopping);
            let source = match ended {
                Ok(Err(source)) => source,
                Ok(Ok(())) | Err(_) => std::io::Error::other("the listener ended"),
            };
            drop(engine.await);
            return Err(ServeError::Listen { source });
        }
        () = drain_when_told(&desk, &mut orders, deadlines.drain) => {
            // Ranks answer within their own deadline, so this ends.
            engine.await.unwrap_or(Err(ServeError::Panicked)).map(|()| Ending::BrokenOff)
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
async fn drain_when_told(desk: &Desk, orders: &mut mpsc::Receiver<Order>, patience: Duration) {
    match orders.recv().await {
        Some(Order::Drain) => {
            desk.close(Mode::Draining);
            // Whichever comes first, the deadline or another order, breaks off.
            match timeout(patience, orders.recv()).await {
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => tokio::time::sleep(patience).await,
            }
        }
        Some(Order::Stop) => {}
        None => std::future::pending().await,
    }
    desk.close(Mode::Stopping);
}
