//! Clients that ask without pause, over connections that they keep and over new ones, and count what fails.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ureq::Agent;

use host::until;

/// Clients, half of which keep their connection.
const CLIENTS: usize = 4;
/// How long an answer may take. The slowest that was seen took an eighth of a second.
const DEADLINE: Duration = Duration::from_secs(20);
/// What each asks: one token.
const QUESTION: &str = r#"{"model": "tiny-guide", "prompt": "ACS", "max_tokens": 1}"#;

/// Clients at work.
pub(crate) struct Load {
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    ends: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<BTreeMap<String, usize>>,
}

impl Load {
    /// Starts to ask what listens at this address.
    pub(crate) fn start(address: &str) -> Self {
        let seen = Arc::new(Seen::default());
        let url = format!("http://{address}/v1/completions");
        let clients = (0..CLIENTS)
            .map(|number| {
                let (seen, url) = (seen.clone(), url.clone());
                let kept = number % 2;
                thread::spawn(move || ask(&seen, &url, kept))
            })
            .collect();
        Self { seen, clients }
    }

    /// Asks until there are so many answers, stops, and fails where one request did. How many were answered.
    pub(crate) fn end(self, least: usize) -> Result<usize> {
        let answered = || Ok(self.seen.answered.load(Ordering::Relaxed));
        let enough = until("requests are answered", answered, |count| *count >= least);
        self.seen.ends.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().ok().context("a client panicked")?;
        }
        let failures = self
            .seen
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let answered = self.seen.answered.load(Ordering::Relaxed);
        if !failures.is_empty() {
            bail!("beside {answered} answers there were failures: {failures:#?}");
        }
        enough
    }
}

/// Asks over so many connections that are kept.
fn ask(seen: &Seen, url: &str, kept: usize) {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .max_idle_connections_per_host(kept)
        .build()
        .into();
    while !seen.ends.load(Ordering::Relaxed) {
        let outcome = agent
            .post(url)
            .header("content-type", "application/json")
            .send(QUESTION)
            .and_then(|mut answer| answer.body_mut().read_to_string());
        match outcome {
            Ok(text) if text.contains("\"completion_tokens\":1") => {
                seen.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(text) => seen.fails(kept, &text),
            Err(error) => seen.fails(kept, &error.to_string()),
        }
    }
}

impl Seen {
    fn fails(&self, kept: usize, what: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(format!("{kept} kept: {what}")).or_default() += 1;
    }
}
