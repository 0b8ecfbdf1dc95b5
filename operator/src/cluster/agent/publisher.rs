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
        if let Some(failure) = self.write(latest, status, None) {
            self.failed(&failure);
        }
    }

    /// Says that a grant is taken up, where the object is still the one that carries it. Whether that is so: what this agent
    /// last heard may be long past, and the grant taken back since.
    pub fn take_up(&self, latest: &Latest, status: CardNodeStatus) -> bool {
        let carrying = latest.card_node.as_ref();
        let Some(version) = carrying.and_then(|node| node.metadata.resource_version.clone()) else {
            return false;
        };
        match self.write(latest, status, Some(&version)) {
            None => true,
            // Something was written since, which the watch will bring.
            Some(Failed::Refused(kube_client::Error::Api(status)))
                if matches!(status.code, 404 | 409) =>
            {
                false
            }
            Some(failure) => {
                self.failed(&failure);
                false
            }
        }
    }

    /// Writes a status, of the object's `version` alone where one is named.
    fn write(
        &self,
        latest: &Latest,
        status: CardNodeStatus,
        version: Option<&str>,
    ) -> Option<Failed> {
        let mut metadata = json!({ "name": self.name });
        if let Some(version) = version {
            metadata["resourceVersion"] = json!(version);
        }
        let patch = json!({
            "apiVersion": crd::kind::API_VERSION,
            "kind": "CardNode",
            "metadata": metadata,
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
                None
            }
            Ok(Err(error)) => Some(Failed::Refused(error)),
            Err(_) => Some(Failed::Unanswered),
        }
    }

    fn failed(&self, failure: &Failed) {
        match failure {
            Failed::Refused(error) => {
                self.numbers.failed("refused");
                let why = connection::why(error);
                self.told(&format!("publishing the status failed: {why}"));
            }
            Failed::Unanswered => {
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

/// Why a status was not written.
enum Failed {
    Refused(kube_client::Error),
    Unanswered,
}

fn uid(latest: &Latest) -> String {
    latest
        .card_node
        .as_ref()
        .and_then(|node| node.metadata.uid.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response, StatusCode};
    use kube_client::client::Body;

    use super::*;
    use crate::{
        cluster::telemetry::log::LogFormat,
        console::{ColorChoice, Console},
    };

    /// What an API server says whose object is at version 7, to whoever writes on `version`.
    fn answer(version: Option<&str>) -> Response<Body> {
        let (code, said) = match version {
            None | Some("7") => (
                StatusCode::OK,
                json!({
                    "apiVersion": crd::kind::API_VERSION,
                    "kind": "CardNode",
                    "metadata": { "name": "n1", "resourceVersion": "8" },
                    "spec": { "drained": [] },
                }),
            ),
            Some("down") => (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": "no leader", "reason": "InternalError", "code": 500 }),
            ),
            Some(_) => (
                StatusCode::CONFLICT,
                json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": "it was changed", "reason": "Conflict", "code": 409 }),
            ),
        };
        Response::builder()
            .status(code)
            .body(Body::from(said.to_string().into_bytes()))
            .expect("it is whole")
    }

    fn of_version(version: Option<&str>) -> Latest {
        let mut card_node = CardNode::new("n1", crd::kind::CardNodeSpec::default());
        card_node.metadata.resource_version = version.map(str::to_owned);
        Latest {
            card_node: Some(Arc::new(card_node)),
            node_uid: None,
        }
    }

    #[test]
    fn a_grant_is_taken_up_on_the_version_that_carries_it_alone() {
        let runtime = tokio::runtime::Runtime::new().expect("threads start");
        let _inside = runtime.enter();
        let server = tower::service_fn(async |request: Request<Body>| {
            let body = request
                .into_body()
                .collect_bytes()
                .await
                .expect("it is short");
            let said: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
            Ok::<_, Infallible>(answer(said["metadata"]["resourceVersion"].as_str()))
        });
        let console = Console::new(ColorChoice::Never, true, true);
        let publisher = Publisher::new(
            runtime.handle().clone(),
            Client::new(server, "default"),
            "n1",
            Log::new(&console, "agent", LogFormat::Text),
            Arc::new(Numbers::new(LIMIT)),
        );
        for (version, taken, told) in [
            (Some("7"), true, ""),
            // Taken back since: another agent's news, and nobody's trouble.
            (Some("6"), false, ""),
            (
                Some("down"),
                false,
                "publishing the status failed: no leader",
            ),
            (None, false, "publishing the status failed: no leader"),
        ] {
            let latest = of_version(version);
            let status = CardNodeStatus::default();
            assert_eq!(publisher.take_up(&latest, status), taken, "{version:?}");
            assert_eq!(*publisher.trouble.borrow(), told, "{version:?}");
        }
    }
}
