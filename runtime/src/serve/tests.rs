//! The server over loopback with a scripted model: what clients see, in every way a request can end.

mod client;
mod crowds;
mod endings;
mod requests;
mod script;
mod standstill;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use nix::errno::Errno;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::api::Served;
use super::batch::Limits;
use super::connections::Bounds;
use super::server::{Deadlines, Ending, Order, ServeError, incoming, serve};
use crate::model::Architecture;
use crate::text::ModelText;
use crate::text::tests::folder;
use client::Client;
use script::{Broken, Script};

/// The longest that any test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: Limits = Limits {
    slots: 2,
    context: 64,
    queue: 1,
    chunk: 16,
    burst: 16,
};

const DEADLINES: Deadlines = Deadlines {
    request: Duration::from_mins(1),
    farewell: Duration::ZERO,
    drain: Duration::from_mins(1),
    step: Duration::from_mins(1),
    goodbye: Duration::from_secs(5),
    rest: Duration::from_mins(1),
    head: Duration::from_mins(1),
    stall: Duration::from_mins(1),
};

const BOUNDS: Bounds = Bounds { open: 64, spare: 2 };

/// A server that runs for one test.
struct Running {
    client: Client,
    script: Arc<Script>,
    orders: mpsc::Sender<Order>,
    server: JoinHandle<Result<Ending, ServeError<Broken>>>,
}

/// What a byte-level model with this chat template is served as.
pub(super) fn served(template: Option<&str>) -> Served {
    let mut config = json!({"eos_token": "<|end|>"});
    if let Some(template) = template {
        config["chat_template"] = json!(template);
    }
    let folder = folder(&[("tokenizer_config.json", &config)]);
    Served {
        name: "org/tiny".to_owned(),
        text: Arc::new(ModelText::load(folder.path(), Architecture::Llama, &[]).unwrap()),
        vocab: 260,
        limits: LIMITS,
    }
}

/// Each message's content, then `>` where the assistant is to speak.
pub(super) const TEMPLATE: &str = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}";

impl Running {
    async fn start(script: Script, deadlines: Deadlines) -> Self {
        Self::bounded(script, deadlines, BOUNDS, &[]).await
    }

    /// With so many connections; accepting fails with these errors first.
    async fn bounded(
        script: Script,
        deadlines: Deadlines,
        bounds: Bounds,
        errors: &[Errno],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let errors = errors.iter().map(|error| Err(io::Error::from(*error)));
        let errors: Vec<io::Result<TcpStream>> = errors.collect();
        let script = Arc::new(script);
        let (orders, received) = mpsc::channel(4);
        let step = Arc::clone(&script).step();
        let server = tokio::spawn(serve(
            stream::iter(errors).chain(incoming(listener)),
            bounds,
            served(Some(TEMPLATE)),
            deadlines,
            step,
            received,
        ));
        Self {
            client,
            script,
            orders,
            server,
        }
    }

    /// A gauge or counter of the metrics, by its line's beginning.
    async fn metric(&self, name: &str) -> f64 {
        let text = self.client.get("/metrics").await.body;
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.rsplit(' ').next())
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in:\n{text}"))
    }

    /// Waits until a metric has a value: the only way to see the server's inside from outside.
    async fn until(&self, name: &str, value: f64) {
        let reached = async {
            while (self.metric(name).await - value).abs() > 0.0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{name} never became {value}"));
    }

    /// Waits until the server says that it drains or stops.
    async fn mode(&self, mode: &str) {
        let reached = async { while self.client.get("/readyz").await.body.trim() != mode {} };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("never {mode}"));
    }

    async fn ended(self) -> Result<Ending, ServeError<Broken>> {
        tokio::time::timeout(PATIENCE, self.server)
            .await
            .unwrap()
            .unwrap()
    }
}
