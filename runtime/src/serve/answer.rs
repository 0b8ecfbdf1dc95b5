//! From the events of a request's sequences to its answer, whole or streamed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse;
use futures::Stream;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::api::response::{Heading, Piece, Usage, Writer};
use super::api::{ApiError, StreamOptions};
use super::batch::Ticket;
use super::desk::Desk;
use super::generation::{Event, Failure};
use crate::text::ModelText;

/// A request that was handed in. Dropping it takes its sequences back: that is how a client
/// that hangs up frees its slots.
#[derive(Debug)]
pub struct Pending {
    /// What the answer repeats.
    pub heading: Heading,
    /// Spells tokens.
    pub model: Arc<ModelText>,
    /// The sequences' events.
    pub events: mpsc::Receiver<(usize, Event)>,
    /// How many choices the answer has.
    pub choices: usize,
    /// Tokens of the prompts.
    pub prompt_tokens: usize,
    /// Whether choices carry their token ids.
    pub token_ids: bool,
    /// The longest that the request may take.
    pub patience: Duration,
    /// When it is answered at the latest, whatever the model does.
    pub until: Instant,
    /// Takes the sequences back.
    pub claim: Claim,
}

/// How much longer than its deadline a request is waited for: the model breaks it off by itself between two steps, and knows more
/// of it. A step that never ends, for a rank stands still, is no reason to keep a client.
const GRACE: Duration = Duration::from_secs(1);

/// When a request that is taken now is answered at the latest.
pub fn latest(patience: Duration) -> Instant {
    Instant::now() + patience.saturating_add(GRACE)
}

/// Sequences that somebody waits for.
#[derive(Debug)]
pub struct Claim {
    /// Where they were handed in.
    pub desk: Arc<Desk>,
    /// Their tickets.
    pub tickets: Vec<Ticket>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.desk.cancel(&self.tickets);
    }
}

impl Pending {
    fn writer(&self) -> Writer<'_> {
        Writer {
            heading: &self.heading,
            vocabulary: &self.model.vocabulary,
            token_ids: self.token_ids,
        }
    }

    /// The next event of any sequence; once the time is over, that it is.
    async fn event(&mut self) -> (usize, Event) {
        if let Ok(event) = timeout_at(self.until, self.events.recv()).await {
            return event.unwrap_or((0, gone()));
        }
        let seconds = self.patience.as_secs();
        (0, Event::Failed(Failure::Deadline { seconds }))
    }

    /// Waits for the end of every choice.
    pub async fn whole(mut self) -> Result<Value, ApiError> {
        let mut choices: Vec<Piece> = (0..self.choices)
            .map(|index| Piece {
                index,
                ..Piece::default()
            })
            .collect();
        while choices.iter().any(|choice| choice.finish.is_none()) {
            let (index, event) = self.event().await;
            let Some(choice) = choices.get_mut(index) else {
                continue;
            };
            add(choice, event).map_err(|failure| ApiError::from(&failure))?;
        }
        let completion = choices.iter().map(|choice| choice.tokens.len()).sum();
        let usage = Usage {
            prompt: self.prompt_tokens,
            completion,
        };
        Ok(self.writer().whole(&choices, usage))
    }

    /// Chunks as they come, ended by `[DONE]`; a failure is a last chunk with an error instead.
    pub fn stream(
        self,
        options: StreamOptions,
    ) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        let ready = (0..self.choices)
            .filter_map(|index| self.heading.opening(index))
            .collect();
        let open = self.choices;
        let state = Streaming {
            offsets: vec![0; self.choices],
            pending: self,
            options,
            ready,
            open,
            completion: 0,
            end: End::Ahead,
        };
        futures::stream::unfold(state, async |mut state| {
            let data = state.next().await?;
            Some((Ok(sse::Event::default().data(data)), state))
        })
    }
}

#[derive(Debug)]
struct Streaming {
    pending: Pending,
    options: StreamOptions,
    /// Chunks to send before waiting for more.
    ready: VecDeque<Value>,
    /// Choices that go on.
    open: usize,
    /// Characters sent of each choice.
    offsets: Vec<usize>,
    completion: usize,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ahead,
    Failed,
    Usage,
    Done,
    Past,
}

impl Streaming {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(mut chunk) = self.ready.pop_front() {
                // The API's rule: where counts are asked for, every chunk but the last says null.
                if self.options.include_usage
                    && chunk.get("usage").is_none()
                    && chunk.get("error").is_none()
                {
                    chunk["usage"] = Value::Null;
                }
                return Some(chunk.to_string());
            }
            match self.end {
                End::Ahead if self.open > 0 => {
                    let (index, event) = self.pending.event().await;
                    self.take(index, event);
                }
                End::Ahead if self.options.include_usage => {
                    let usage = Usage {
                        prompt: self.pending.prompt_tokens,
                        completion: self.completion,
                    };
                    self.ready.push_back(self.pending.heading.usage(usage));
                    self.end = End::Usage;
                }
                End::Ahead | End::Usage => {
                    self.end = End::Done;
                    return Some("[DONE]".to_owned());
                }
                End::Failed | End::Done => self.end = End::Past,
                End::Past => return None,
            }
        }
    }

    fn take(&mut self, index: usize, event: Event) {
        let offset = self.offsets.get(index).copied().unwrap_or_default();
        let mut piece = Piece {
            index,
            offset,
            ..Piece::default()
        };
        if let Err(failure) = add(&mut piece, event) {
            self.ready.push_back(ApiError::from(&failure).json());
            self.end = End::Failed;
            return;
        }
        self.completion += piece.tokens.len();
        if let Some(sent) = self.offsets.get_mut(index) {
            *sent += piece.text.chars().count();
        }
        if piece.finish.is_some() {
            self.open -= 1;
        }
        let worth_sending = !piece.text.is_empty()
            || piece.finish.is_some()
            || piece.logprobs.is_some()
            || self.pending.token_ids;
        if worth_sending {
            self.ready.push_back(self.pending.writer().chunk(&piece));
        }
    }
}

fn add(piece: &mut Piece, event: Event) -> Result<(), Failure> {
    match event {
        Event::Token {
            text,
            token,
            logprobs,
        } => {
            piece.text.push_str(&text);
            piece.tokens.push(token);
            if let Some(logprobs) = logprobs {
                piece.logprobs.get_or_insert_default().push(logprobs);
            }
            Ok(())
        }
        Event::Finished { text, reason } => {
            piece.text.push_str(&text);
            piece.finish = Some(reason);
            Ok(())
        }
        Event::Failed(failure) => Err(failure),
    }
}

/// The engine ended without a word: it panicked.
fn gone() -> Event {
    Event::Failed(Failure::Model {
        why: "its thread is gone".to_owned(),
    })
}
