//! What one agent was seen doing: each status that it published, and what it was granted when it did.
use std::sync::Arc;

use crd::snapshot::HardwareSnapshot;
use futures::{AsyncBufReadExt, StreamExt};
use http::Request;
use operator::cluster::packed;
use serde_json::Value;
use tokio::sync::watch;

use crate::{Failed, made::Client};

/// Where our kinds are.
pub const KIND: &str = "/apis/shardplane.dev/v1alpha1/cardnodes";

/// One status.
#[derive(Debug)]
pub struct Said {
    /// What its CardNode granted when it was published.
    pub when: Granted,
    /// The status without its snapshot.
    pub status: Value,
    /// The snapshot, as JSON.
    pub snapshot: String,
}

/// What a CardNode's spec says, as far as an agent waits for it: names of nodes are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Whether there is a grant.
    pub is_there: bool,
    /// The step that SoCs were drained for last.
    pub drained_for: Option<String>,
}

impl Granted {
    /// What the object of a node says.
    pub fn of(object: &Value, node: &str) -> Self {
        let step = object.pointer("/spec/drainedFor").and_then(Value::as_str);
        Self {
            is_there: object.pointer("/spec/grant").is_some(),
            drained_for: step.map(|step| step.replace(node, "")),
        }
    }
}

/// A script that grows, under the name that it was recorded for.
#[derive(Clone, Debug)]
pub struct Script {
    /// Whose.
    pub pilot: String,
    /// What was said, oldest first.
    pub said: watch::Receiver<Vec<Arc<Said>>>,
}

/// The script of a node's agent, and what records it.
pub fn recorded(
    admin: Client,
    pilot: String,
) -> (Script, impl Future<Output = Result<(), Failed>> + Send) {
    let (tell, said) = watch::channel(Vec::new());
    let script = Script {
        pilot: pilot.clone(),
        said,
    };
    (script, record(admin, pilot, tell))
}

async fn record(
    admin: Client,
    pilot: String,
    tell: watch::Sender<Vec<Arc<Said>>>,
) -> Result<(), Failed> {
    let watching = admin.request_stream(watching(&pilot)?).await?;
    let mut lines = watching.lines();
    let mut before = Value::Null;
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?)?;
        let object = &event["object"];
        let mut status = object["status"].clone();
        if status["snapshot"].is_null() || status == before {
            continue;
        }
        before = status.clone();
        let packed = status["snapshot"].take();
        let packed = packed.as_str().ok_or("a packed snapshot is text")?;
        let snapshot: HardwareSnapshot = packed::unpack(packed)?;
        let said = Arc::new(Said {
            when: Granted::of(object, &pilot),
            status,
            snapshot: serde_json::to_string(&snapshot)?,
        });
        tell.send_modify(|all| all.push(said));
    }
    Err(format!("nobody says any more what {pilot} does").into())
}

/// Asks for everything that happens to one node's object, from now on.
pub fn watching(node: &str) -> Result<Request<Vec<u8>>, Failed> {
    let path = format!("{KIND}?watch=1&fieldSelector=metadata.name%3D{node}");
    Ok(Request::get(path).body(Vec::new())?)
}
