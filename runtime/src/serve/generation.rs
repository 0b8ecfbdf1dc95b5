//! One sequence as its client sees it: from a row of logits to a piece of text or the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::sample::{Sampled, Sampler, SamplingParams, Scanned, StopScanner, TokenLogprobs};
use crate::text::{Endings, ModelText, TextStream};

/// What a client wants of one sequence.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The prompt in tokens; at least one.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// The most tokens to generate; at least one.
    pub most: u32,
    /// Before that many tokens, none that would end the text is chosen.
    pub least: u32,
    /// Texts that end it, and are not shown.
    pub stops: Vec<String>,
    /// Tokens that end it beside the model's own, and are not shown.
    pub stop_tokens: Vec<u32>,
    /// Whether the model's own end tokens end it.
    pub endings: EndTokens,
    /// How its text begins.
    pub opening: Opening,
    /// Log-probabilities with that many alternatives.
    pub logprobs: Option<usize>,
}

/// Whether the model's end tokens end a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndTokens {
    /// They do.
    Obey,
    /// The text goes on to its largest length.
    Ignore,
}

/// How a generated text relates to its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A turn of its own: a leading space that only joins words is dropped.
    Fresh,
    /// It goes on where the prompt ends, spaces included.
    Continuing,
}

/// What a client is told of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A token, and the text that became certain with it (often none).
    Token {
        /// Text to show.
        text: String,
        /// The token.
        token: u32,
        /// Where asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The end, with the last of the text.
    Finished {
        /// Text to show.
        text: String,
        /// Why it ended.
        reason: Finish,
    },
    /// No more will come.
    Failed(Failure),
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// An end token or a stop string.
    Stop,
    /// As long as it may get.
    Length,
}

/// Why a text was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The request's own time was over.
    #[error("the request took longer than the {seconds} seconds that a request may")]
    Deadline {
        /// The limit.
        seconds: u64,
    },
    /// The server is stopping and could not wait.
    #[error("the server stopped before the answer was complete")]
    Stopping,
    /// The model failed; the process is about to end.
    #[error("the model stopped working: {why}")]
    Model {
        /// The chain of causes.
        why: String,
    },
    /// This sequence alone could not go on.
    #[error("generating this answer failed: {why}")]
    Sequence {
        /// The chain of causes.
        why: String,
    },
}

/// The events of one request's sequences, each with its index among them.
pub type Events = mpsc::Sender<(usize, Event)>;

/// A sequence that waits or runs.
#[derive(Debug)]
pub struct Generation {
    wish: Wish,
    model: Arc<ModelText>,
    sampler: Sampler,
    text: TextStream,
    stops: Option<StopScanner>,
    produced: u32,
    index: usize,
    events: Events,
    /// When the request came.
    pub arrived: Duration,
    /// When its last token came.
    pub latest: Option<Duration>,
}

/// What a sequence needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be fed this token.
    Continue(u32),
    /// Its slot is free.
    Ended(Outcome),
}

/// How a sequence ended, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its text ended.
    Finished(Finish),
    /// Nobody listens any more.
    Cancelled,
    /// It failed.
    Failed,
}

impl Generation {
    /// A sequence at its beginning; `events` has room for two more events than `wish.most`.
    pub fn new(
        mut wish: Wish,
        model: Arc<ModelText>,
        index: usize,
        events: Events,
        arrived: Duration,
    ) -> Result<(Vec<u32>, Self), crate::text::TextError> {
        let prompt = std::mem::take(&mut wish.prompt);
        let text = match wish.opening {
            Opening::Fresh => TextStream::new(),
            Opening::Continuing => TextStream::continuing(&prompt, &model.vocabulary)?,
        };
        let generation = Self {
            sampler: Sampler::new(wish.sampling.clone(), &prompt),
            text,
            stops: Some(StopScanner::new(std::mem::take(&mut wish.stops))),
            wish,
            model,
            produced: 0,
            index,
            events,
            arrived,
            latest: None,
        };
        Ok((prompt, generation))
    }

    /// Takes a row of logits, overwritten.
    pub fn advance(&mut self, logits: &mut [f32]) -> Verdict {
        match self.next(logits) {
            Ok(verdict) => verdict,
            Err(why) => {
                self.fail(Failure::Sequence { why });
                Verdict::Ended(Outcome::Failed)
            }
        }
    }

    /// Tells the client that no more will come.
    pub fn fail(&self, failure: Failure) {
        self.send(Event::Failed(failure));
    }

    fn next(&mut self, logits: &mut [f32]) -> Result<Verdict, String> {
        let early = self.produced < self.wish.least;
        let own = match self.wish.endings {
            EndTokens::Obey => Some(&self.model.endings),
            EndTokens::Ignore => None,
        };
        let endings = || {
            own.into_iter()
                .flat_map(Endings::iter)
                .chain(self.wish.stop_tokens.iter().copied())
        };
        let banned: Vec<u32> = if early {
            endings().collect()
        } else {
            Vec::new()
        };
        let Sampled { token, logprobs } = self
            .sampler
            .sample(logits, banned, self.wish.logprobs)
            .map_err(|error| crate::serve::chain(&error))?;
        self.produced += 1;
        if endings().any(|ending| ending == token) {
            self.token(String::new(), token, logprobs);
            return self.end(Finish::Stop);
        }
        let piece = self
            .text
            .push(token, &self.model.vocabulary)
            .map_err(|error| crate::serve::chain(&error))?;
        match self.scan(&piece) {
            Scanned::Stopped(text) => {
                self.token(text, token, logprobs);
                self.stops = None;
                self.end(Finish::Stop)
            }
            Scanned::Open(text) => {
                let heard = self.token(text, token, logprobs);
                if self.produced >= self.wish.most {
                    self.end(Finish::Length)
                } else if heard {
                    Ok(Verdict::Continue(token))
                } else {
                    Ok(Verdict::Ended(Outcome::Cancelled))
                }
            }
        }
    }

    fn scan(&mut self, piece: &str) -> Scanned {
        match &mut self.stops {
            Some(stops) => stops.push(piece),
            None => Scanned::Open(String::new()),
        }
    }

    /// What was held back comes out, unless a stop string was found.
    fn end(&mut self, reason: Finish) -> Result<Verdict, String> {
        let rest = std::mem::take(&mut self.text)
            .finish(&self.model.vocabulary)
            .map_err(|error| crate::serve::chain(&error))?;
        let (text, reason) = match self.stops.take() {
            None => (String::new(), reason),
            Some(mut stops) => match stops.push(&rest) {
                Scanned::Stopped(text) => (text, Finish::Stop),
                Scanned::Open(text) => (text + &stops.finish(), reason),
            },
        };
        self.send(Event::Finished { text, reason });
        Ok(Verdict::Ended(Outcome::Finished(reason)))
    }

    fn token(&self, text: String, token: u32, logprobs: Option<TokenLogprobs>) -> bool {
        self.send(Event::Token {
            text,
            token,
            logprobs,
        })
    }

    /// Whether somebody listens. The channel has room for all that one sequence can send.
    fn send(&self, event: Event) -> bool {
        self.events.try_send((self.index, event)).is_ok()
    }
}
