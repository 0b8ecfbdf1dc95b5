//! What is told to `up`, in its order, and how workers are looked after while a step is in hand: a reset takes minutes, a
//! build hours, and a worker that ends beside it is not to wait for that.
use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use crd::id::WorkerId;

use super::{Event, Supervisor};
use crate::{console::Console, failure::Failure, room::Room};

/// What was heard while a step was in hand, at most. More waits where it comes from.
const LATER: usize = 1024;

/// What is told to `up`.
#[derive(Debug)]
pub struct News {
    received: Receiver<Event>,
    /// Heard already, and not reacted to yet.
    later: VecDeque<Event>,
}

/// Of a worker that was looked after while a step was in hand, what is left to react to.
#[derive(Debug)]
pub enum Tended {
    /// It ended by itself, which was said, and is started again.
    Fell(WorkerId),
    /// Looking after it failed.
    Failed(&'static str, Failure),
}

impl News {
    /// News from these.
    pub fn of(received: Receiver<Event>) -> Self {
        Self {
            received,
            later: VecDeque::new(),
        }
    }

    /// The next, which is waited for no longer than that.
    pub fn next(&mut self, patience: Duration) -> Result<Event, RecvTimeoutError> {
        match self.later.pop_front() {
            Some(event) => Ok(event),
            None => self.received.recv_timeout(patience),
        }
    }

    /// Keeps something for later. What it makes out of date goes: a worker that ends again and again beside a long step says no
    /// more than that it does.
    fn keep(&mut self, event: Event) {
        self.later.retain(|earlier| !is_newer(&event, earlier));
        self.later.push_back(event);
    }

    /// What has come since, where there is room to keep what it leaves to be done.
    fn heard(&mut self) -> Option<Event> {
        (self.later.len() < LATER)
            .then(|| self.received.try_recv().ok())
            .flatten()
    }
}

/// Whether one event says all that an earlier one said.
fn is_newer(event: &Event, earlier: &Event) -> bool {
    match (event, earlier) {
        (Event::Listening { id, .. }, Event::Listening { id: before, .. })
        | (Event::Tended(Tended::Fell(id)), Event::Tended(Tended::Fell(before))) => id == before,
        (Event::Tended(Tended::Failed(doing, _)), Event::Tended(Tended::Failed(before, _))) => {
            doing == before
        }
        _ => false,
    }
}

impl Supervisor {
    /// Whether there are workers.
    pub fn has_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Looks after workers while a step is in hand: those that ended are said and started again when their pause is over.
    /// All else is kept for whoever reacts to it. Those that the step is about were drained, and are none of ours now.
    pub fn tend(&mut self, room: &Room, console: &Console) {
        while let Some(event) = self.news.heard() {
            let later = match event {
                Event::Ended { id, generation } => match self.ended(&id, generation, room) {
                    Ok(None) => None,
                    Ok(Some(said)) => {
                        console.note(&said);
                        Some(Event::Tended(Tended::Fell(id)))
                    }
                    Err(failure) => Some(Event::Tended(Tended::Failed("ended", failure))),
                },
                Event::Listening {
                    id,
                    generation,
                    address,
                    pids,
                } => {
                    // Ready from now on; that it is, is told when somebody can go on by it.
                    let listens = self.listening(&id, generation, &address, &pids);
                    let failed = listens.err();
                    let failed =
                        failed.map(|failure| Event::Tended(Tended::Failed("listening", failure)));
                    if let Some(failed) = failed {
                        self.news.keep(failed);
                    }
                    Some(Event::Listening {
                        id,
                        generation,
                        address,
                        pids,
                    })
                }
                other => Some(other),
            };
            if let Some(later) = later {
                self.news.keep(later);
            }
        }
        if let Err(failure) = self.restart_due(room) {
            let failed = Event::Tended(Tended::Failed("restart", failure));
            self.news.keep(failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_worker_that_ends_again_and_again_is_kept_once() {
        let (_events, received) = sync_channel(1);
        let mut news = News::of(received);
        let worker = |name: &str| WorkerId(name.to_owned());
        for generation in 0..5 {
            for id in ["a", "b"] {
                news.keep(Event::Tended(Tended::Fell(worker(id))));
                news.keep(Event::Listening {
                    id: worker(id),
                    generation,
                    address: String::new(),
                    pids: Vec::new(),
                });
            }
            news.keep(Event::Reload);
        }
        let mut listening = Vec::new();
        let mut others = 0;
        while let Ok(event) = news.next(Duration::ZERO) {
            match event {
                Event::Listening { generation, .. } => listening.push(generation),
                _ => others += 1,
            }
        }
        assert_eq!(listening, [4, 4], "the last word of each");
        assert_eq!(
            others,
            2 + 5,
            "of each that it ended, and all else as it came"
        );
    }
}
