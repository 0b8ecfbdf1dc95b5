//! Signals and the supervisor's pipe as orders to the server.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::failure::{Exit, Failure};
use crate::serve::server::Order;

/// Where orders come out, and where they came from.
#[derive(Debug)]
pub(super) struct Orders {
    /// The first asks to drain, further ones to stop.
    pub(super) received: mpsc::Receiver<Order>,
    /// Who gave them.
    pub(super) origin: Origin,
}

/// Who gave orders so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    interrupted: Arc<AtomicBool>,
}

impl Origin {
    /// How a program that was told to leave at once exits.
    pub(super) fn exit(&self) -> Exit {
        if self.interrupted.load(Ordering::Relaxed) {
            Exit::Interrupted
        } else {
            Exit::Terminated
        }
    }
}

/// Whether the end of standard input is an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifeline {
    /// A supervisor holds the other end.
    StandardInput,
    /// Nobody does.
    None,
}

impl Orders {
    /// Listens from now on; must be called inside the runtime.
    pub(super) fn listen(lifeline: Lifeline) -> Result<Self, Failure> {
        let trouble = |error: std::io::Error| {
            Failure::new(Exit::Internal, &error).doing("listening for signals")
        };
        let (sender, received) = mpsc::channel(8);
        let mut terminate = signal(SignalKind::terminate()).map_err(trouble)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(trouble)?;
        let origin = Origin::default();
        let (by_terminal, from_signals) = (Arc::clone(&origin.interrupted), sender.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    got = terminate.recv() => if got.is_none() { return },
                    got = interrupt.recv() => {
                        by_terminal.store(true, Ordering::Relaxed);
                        if got.is_none() { return }
                    }
                }
                if from_signals.send(Order::Drain).await.is_err() {
                    return;
                }
            }
        });
        match lifeline {
            Lifeline::None => {}
            Lifeline::StandardInput => watch_standard_input(sender).map_err(trouble)?,
        }
        Ok(Self { received, origin })
    }
}

/// On a thread of its own, which the process does not wait for: the read ends when the supervisor does.
fn watch_standard_input(sender: mpsc::Sender<Order>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut ignored = [0; 256];
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut ignored), Ok(1..)) {}
            // Refused only when the server has ended already.
            let _: Result<(), mpsc::error::SendError<Order>> = sender.blocking_send(Order::Drain);
        })?;
    Ok(())
}
