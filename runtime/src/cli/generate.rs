//! `generate`: one answer on standard output, through the same path as the server's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::arguments::{Format, Generate};
use super::failure::{Exit, Failure};
use super::model::{self, BURST};
use super::output;
use crate::serve::api::{Prepared, Served, chat, completion};
use crate::serve::batch::Limits;
use crate::serve::clock::Clock;
use crate::serve::desk::{Desk, Mode};
use crate::serve::engine::Engine;
use crate::serve::generation::{Event, Finish, Generation};
use crate::serve::metrics::Metrics;

const NAME: &str = "model";

/// Where nobody says how long an answer may get; less where the context is shorter.
const DEFAULT_MOST: u32 = 256;

pub(super) fn run(arguments: &Generate, executable: PathBuf) -> Result<(), Failure> {
    let program = model::open(&arguments.running.program)?;
    let limits = Limits {
        slots: 1,
        context: arguments
            .context
            .unwrap_or_else(|| model::default_context(program.manifest().shape.context)),
        queue: 0,
        chunk: BURST,
        burst: BURST,
    };
    let served = model::served(&program, NAME.to_owned(), limits)?;
    let clock = Clock::start();
    // Before the ranks load: a wrong parameter is known at once.
    let Prepared {
        wishes,
        prompt_tokens,
        stream: _,
        token_ids: _,
    } = prepare(arguments, &served, &clock)?;
    let ranks = model::start(&program, &arguments.running, limits, executable)?;
    let desk = Arc::new(Desk::new(limits));
    let room = wishes.iter().map(|wish| wish.most as usize + 2).sum();
    let (sender, mut events) = mpsc::channel(room);
    for (index, wish) in wishes.into_iter().enumerate() {
        let text = Arc::clone(&served.text);
        let sequence = Generation::new(wish, text, index, sender.clone(), clock.now())?;
        desk.submit(vec![sequence])
            .map_err(|error| Failure::new(Exit::Internal, &error))?;
    }
    drop(sender);
    desk.close(Mode::Draining);
    let engine = Engine {
        desk: Arc::clone(&desk),
        metrics: Arc::new(Metrics::new(limits.slots)),
        clock,
        patience: Duration::MAX,
    };
    let (ran, printed) = std::thread::scope(|scope| {
        let running = scope.spawn(|| engine.run(model::step(ranks)));
        let printed = print(arguments, &mut events, prompt_tokens);
        if printed.is_err() {
            desk.close(Mode::Stopping);
        }
        (running.join(), printed)
    });
    ran.map_err(|_| {
        Failure::said(
            Exit::Internal,
            "the engine's thread panicked; its message is above",
        )
    })??;
    printed
}

/// The API's own reading of the same wish: one set of rules for both doors.
fn prepare(arguments: &Generate, served: &Served, clock: &Clock) -> Result<Prepared, Failure> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("model", Some(json!(NAME)));
    set("temperature", arguments.temperature.map(|t| json!(t)));
    set("top_k", arguments.top_k.map(|k| json!(k)));
    set("top_p", arguments.top_p.map(|p| json!(p)));
    set("min_p", arguments.min_p.map(|p| json!(p)));
    set("seed", arguments.seed.map(|seed| json!(seed)));
    set("stop", Some(json!(arguments.stop)));
    set(
        "repetition_penalty",
        arguments.repetition_penalty.map(|p| json!(p)),
    );
    set(
        "presence_penalty",
        arguments.presence_penalty.map(|p| json!(p)),
    );
    set(
        "frequency_penalty",
        arguments.frequency_penalty.map(|p| json!(p)),
    );
    set("ignore_eos", Some(json!(arguments.ignore_eos)));
    set("max_tokens", arguments.max_tokens.map(|most| json!(most)));
    let entropy = rand::random();
    if arguments.chat {
        let system = arguments
            .system
            .iter()
            .map(|text| json!({"role": "system", "content": text}));
        let user = json!({"role": "user", "content": arguments.prompt});
        set("messages", Some(system.chain([user]).collect()));
        Ok(chat::prepare(
            &bytes(body),
            served,
            entropy,
            Some(DEFAULT_MOST),
            clock.civil(),
        )?)
    } else {
        set("prompt", Some(json!(arguments.prompt)));
        Ok(completion::prepare(
            &bytes(body),
            served,
            entropy,
            Some(DEFAULT_MOST),
        )?)
    }
}

fn bytes(body: Map<String, Value>) -> Vec<u8> {
    Value::Object(body).to_string().into_bytes()
}

fn print(
    arguments: &Generate,
    events: &mut mpsc::Receiver<(usize, Event)>,
    prompt_tokens: usize,
) -> Result<(), Failure> {
    let format = arguments.output.format;
    let mut whole = String::new();
    let mut tokens = Vec::new();
    while let Some((_, event)) = events.blocking_recv() {
        let (text, finish) = match event {
            Event::Token {
                text,
                token,
                logprobs: _,
            } => {
                tokens.push(token);
                (text, None)
            }
            Event::Finished { text, reason } => (text, Some(reason)),
            Event::Failed(failure) => return Err(Failure::new(Exit::Internal, &failure)),
        };
        match format {
            Format::Text => output::piece(&text)?,
            Format::Json => whole.push_str(&text),
        }
        if let Some(finish) = finish {
            return match format {
                Format::Text => output::line(""),
                Format::Json => output::json(&json!({
                    "text": whole,
                    "token_ids": tokens,
                    "finish_reason": match finish { Finish::Stop => "stop", Finish::Length => "length" },
                    "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": tokens.len()},
                })),
            };
        }
    }
    // The engine's own error says why.
    Err(Failure::quiet(Exit::Internal))
}
