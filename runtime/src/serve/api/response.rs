//! Answers as the OpenAI API spells them, whole or in chunks.

use serde_json::{Map, Value, json};

use crate::sample::{Logprob, TokenLogprobs};
use crate::serve::generation::Finish;
use crate::text::Vocabulary;

/// Which endpoint an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completion,
}

/// What every chunk of an answer repeats.
#[derive(Debug, Clone)]
pub struct Heading {
    /// Which shape.
    pub endpoint: Endpoint,
    /// The answer's own name.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The model's name.
    pub model: String,
}

/// Token counts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompts.
    pub prompt: usize,
    /// Tokens of all answers.
    pub completion: usize,
}

/// A part of one choice, or all of it.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    /// Which choice.
    pub index: usize,
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// One entry a token, where asked for.
    pub logprobs: Option<Vec<TokenLogprobs>>,
    /// Characters of this choice before this piece.
    pub offset: usize,
    /// Why the choice ended; absent while it goes on.
    pub finish: Option<Finish>,
}

/// What an answer is written with.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// What every chunk repeats.
    pub heading: &'a Heading,
    /// Spells tokens in log-probabilities.
    pub vocabulary: &'a Vocabulary,
    /// Whether choices carry their token ids.
    pub token_ids: bool,
}

impl Usage {
    fn json(self) -> Value {
        let Self { prompt, completion } = self;
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
    }
}

impl Heading {
    fn json(&self, object: &str, choices: &Value) -> Value {
        let Self {
            endpoint: _,
            id,
            created,
            model,
        } = self;
        json!({"id": id, "object": object, "created": created, "model": model, "choices": choices})
    }

    fn chunk_object(&self) -> &'static str {
        match self.endpoint {
            Endpoint::Chat => "chat.completion.chunk",
            Endpoint::Completion => "text_completion",
        }
    }

    /// The chunk that opens a choice; completions have none.
    pub fn opening(&self, index: usize) -> Option<Value> {
        match self.endpoint {
            Endpoint::Chat => Some(self.json(
                self.chunk_object(),
                &json!([{"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}]),
            )),
            Endpoint::Completion => None,
        }
    }

    /// The last chunk, with the counts.
    pub fn usage(&self, usage: Usage) -> Value {
        let mut chunk = self.json(self.chunk_object(), &json!([]));
        chunk["usage"] = usage.json();
        chunk
    }
}

impl Writer<'_> {
    /// An answer that comes whole.
    pub fn whole(&self, choices: &[Piece], usage: Usage) -> Value {
        let (object, choices): (_, Vec<Value>) = match self.heading.endpoint {
            Endpoint::Chat => (
                "chat.completion",
                choices
                    .iter()
                    .map(|piece| {
                        self.choice(
                            piece,
                            "message",
                            &json!({"role": "assistant", "content": piece.text, "refusal": null}),
                        )
                    })
                    .collect(),
            ),
            Endpoint::Completion => (
                "text_completion",
                choices
                    .iter()
                    .map(|piece| self.choice(piece, "text", &json!(piece.text)))
                    .collect(),
            ),
        };
        let mut answer = self.heading.json(object, &Value::from(choices));
        answer["usage"] = usage.json();
        answer
    }

    /// A chunk of one choice.
    pub fn chunk(&self, piece: &Piece) -> Value {
        let choice = match self.heading.endpoint {
            Endpoint::Chat => {
                let delta = if piece.finish.is_some() && piece.text.is_empty() {
                    json!({})
                } else {
                    json!({"content": piece.text})
                };
                self.choice(piece, "delta", &delta)
            }
            Endpoint::Completion => self.choice(piece, "text", &json!(piece.text)),
        };
        self.heading
            .json(self.heading.chunk_object(), &json!([choice]))
    }

    fn choice(&self, piece: &Piece, name: &str, content: &Value) -> Value {
        let finish = piece.finish.map(|finish| match finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
        });
        let logprobs = piece
            .logprobs
            .as_ref()
            .map(|logprobs| match self.heading.endpoint {
                Endpoint::Chat => self.chat_logprobs(logprobs),
                Endpoint::Completion => self.completion_logprobs(logprobs, piece.offset),
            });
        let mut choice = json!({"index": piece.index, name: content, "logprobs": logprobs, "finish_reason": finish});
        if self.token_ids {
            choice["token_ids"] = json!(piece.tokens);
        }
        choice
    }

    fn chat_logprobs(&self, logprobs: &[TokenLogprobs]) -> Value {
        let entry = |logprob: &Logprob| {
            let text = self.vocabulary.token_text(logprob.token);
            json!({"token": text, "logprob": logprob.value, "bytes": text.as_bytes()})
        };
        let content: Vec<Value> = logprobs
            .iter()
            .map(|TokenLogprobs { chosen, top }| {
                let mut token = entry(chosen);
                token["top_logprobs"] = top.iter().map(entry).collect();
                token
            })
            .collect();
        json!({"content": content, "refusal": null})
    }

    fn completion_logprobs(&self, logprobs: &[TokenLogprobs], offset: usize) -> Value {
        let mut at = offset;
        let mut offsets = Vec::with_capacity(logprobs.len());
        let mut tokens = Vec::with_capacity(logprobs.len());
        for TokenLogprobs { chosen, top: _ } in logprobs {
            let text = self.vocabulary.token_text(chosen.token);
            offsets.push(at);
            at += text.chars().count();
            tokens.push(text);
        }
        let values: Vec<f32> = logprobs.iter().map(|entry| entry.chosen.value).collect();
        let top: Vec<Value> = logprobs
            .iter()
            .map(|entry| {
                let mut top = Map::new();
                // Tokens may read alike: the chosen one has its own value, else the likeliest of them.
                let chosen = (!entry.top.is_empty()).then_some(&entry.chosen);
                for token in chosen.into_iter().chain(&entry.top) {
                    let text = self.vocabulary.token_text(token.token);
                    top.entry(text).or_insert_with(|| json!(token.value));
                }
                Value::Object(top)
            })
            .collect();
        json!({"tokens": tokens, "token_logprobs": values, "top_logprobs": top, "text_offset": offsets})
    }
}
