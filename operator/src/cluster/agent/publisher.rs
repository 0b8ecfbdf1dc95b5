//! Writes an agent's status, only where it changed. It survives a server that does not answer.
use std::{cell::RefCell, sync::Arc, time::Duration};

use crd::kind::{CardNode, CardNodeStatus};
use kube_client::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::runtime::Handle;

use super::{numbers::Numbers, orders::Latest};
use crate::cluster::{
    connection,
    names::AGENT,
    telemetry::log::{Level, Log},
};

/// How long a write may take before it is tried again at the next look.
const LIMIT: Duration = Duration::from_secs(10);

/// Writes the status of one node.
#[derive(Debug)]
pub struct Publisher<'a> {
    runtime: Handle,
    api: Api<CardNode>,
    name: String,
    log: Log<'a>,
    numbers: Arc<Numbers>,
    /// What was written last, to the object with this UID.
    last: RefCell<Option<(String, CardNodeStatus)>>,
    /// What went wrong last; told once.
    trouble: RefCell<String>,
}

impl<'a> Publisher<'a> {
    /// A publisher for a node.
    pub fn new(
        runtime: Handle,
        client: Client,
        name: &str,
        log: Log<'a>,
        numbers: Arc<Numbers>,
    ) -> Self {
        Self {
            runtime,
            api: Api::all(client),
            name: name.to_owned(),
            log,
            numbers,
            last: RefCell::default(),
            trouble: RefCell::default(),
        }
    }

    /// The status that the server has, as far as is known: what was written last, else what was seen.
    pub fn before(&self, latest: &Latest) -> CardNodeStatus {
        let uid = uid(latest);
        match &*self.last.borrow() {
            Some((of, status)) if *of == uid => status.clone(),
            Some(_) | None => latest
                .card_node
                .as_ref()
                .and_then(|node| node.status.clone())
                .unwrap_or_default(),
        }
    }

    /// Writes a status unless it is what the server has. A failure is told once, and tried again at the next look.
    pub fn publish(&self, latest: &Latest, status: CardNodeStatus) {
        if latest.card_node.is_none() {
            // The controller makes the object.
            *self.last.borrow_mut() = None;
            return self.told("the API server has no CardNode of this name yet; the controller makes one for every Node with the label qualcomm.com/qaic");
        }
        if status == self.before(latest) {
            return;
        }
        let patch = json!({
            "apiVersion": crd::kind::API_VERSION,
            "kind": "CardNode",
            "metadata": { "name": self.name },
            "status": status,
        });
        let parameters = PatchParams::apply(AGENT).force();
        let patch = Patch::Apply(patch);
        let writing = self.api.patch_status(&self.name, &parameters, &patch);
        let written = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, writing).await });
        match written {
            Ok(Ok(_)) => {
                self.numbers.wrote();
                *self.last.borrow_mut() = Some((uid(latest), status));
                self.trouble.borrow_mut().clear();
            }
            Ok(Err(error)) => {
                self.numbers.failed("refused");
                let why = connection::why(&error);
                self.told(&format!("publishing the status failed: {why}"));
            }
            Err(_) => {
                self.numbers.failed("unanswered");
                self.told("publishing the status failed: the API server does not answer");
            }
        }
    }

    fn told(&self, what: &str) {
        if *self.trouble.borrow() != what {
            self.log.say(Level::Warning, what, &[("node", &self.name)]);
            what.clone_into(&mut self.trouble.borrow_mut());
        }
    }
}

fn uid(latest: &Latest) -> String {
    latest
        .card_node
        .as_ref()
        .and_then(|node| node.metadata.uid.clone())
        .unwrap_or_default()
}
