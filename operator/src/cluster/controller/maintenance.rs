//! Evictions that are handed off: a `NodeMaintenance` for each node whose policies ask for that, where the kind is served.
//!
//! Only evictions are: our taint, and the agent's later look that nobody holds a SoC, are ours as ever.
use std::collections::BTreeMap;

use crd::{
    id::NodeName,
    kind::{CardPolicy, HandOff},
};
use kube_client::{
    Api, Client, Error, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams, Preconditions},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::{
    Controller, LIMIT,
    departing::departing,
    drains::{Awaited, Until},
    in_hand::is_ending,
    survey::Survey,
    world::World,
    writes::{Write, Written},
};
use crate::cluster::names::CONTROLLER;

/// The kind, as its project defines it.
const KIND: &str = "NodeMaintenance";
/// As whom requests are made: by this name whoever serves them tells requestors apart.
const REQUESTOR: &str = "shardplane.dev";
/// The pods that are to go: those with resources that SoCs are given under.
const RESOURCES: &str = r"^([^/]*\.)?(qualcomm\.com|shardplane\.dev)/";
/// Seconds that a drain has where no policy says.
const SECONDS: u32 = 300;

/// The requests of ours that stand there.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Maintenance {
    /// Nobody asks for one, or nobody serves the kind: evictions are ours.
    #[default]
    Unserved,
    /// The API server does not say: nobody is evicted before it does.
    Unknown,
    /// The requests, by node.
    Served(BTreeMap<NodeName, Request>),
}

/// A request as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Whether the pods that were to go are gone.
    pub ready: bool,
    /// How far it is, in a word or two.
    pub phase: String,
}

/// Who evicts on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evictor {
    /// We do.
    Us,
    /// Somebody else, who is not done yet, for this reason.
    Awaited(String),
    /// Somebody else, who says that all is done.
    Done(String),
}

/// Who evicts on a node.
pub fn evictor(world: &World, survey: &Survey, node: &NodeName) -> Evictor {
    if asked(world, survey, node).is_none() {
        return Evictor::Us;
    }
    match &world.maintenance {
        Maintenance::Unserved => Evictor::Us,
        Maintenance::Unknown => Evictor::Awaited(format!(
            "the API server does not say whether a {KIND} is there"
        )),
        Maintenance::Served(requests) => match requests.get(node) {
            None => Evictor::Awaited(format!("a {KIND} is requested")),
            Some(request) if request.ready => Evictor::Done(request.name.clone()),
            Some(request) => Evictor::Awaited(format!(
                "{KIND} {} is not ready ({})",
                request.name, request.phase
            )),
        },
    }
}

/// Requests that are made, and those that have served.
pub fn requests(
    world: &World,
    survey: &Survey,
    waiting: &BTreeMap<NodeName, Awaited>,
) -> Vec<Write> {
    let Maintenance::Served(requests) = &world.maintenance else {
        return Vec::new();
    };
    let ended = requests
        .iter()
        .filter(|(node, _)| !world.has_grant(node) && !is_ending(world, node))
        .map(|(_, request)| Write::EndMaintenance(request.clone()));
    let wanted = waiting
        .iter()
        .filter(|(node, awaited)| awaited.until == Until::Free && !requests.contains_key(*node));
    let made = wanted.filter_map(|(node, _)| {
        Some(Write::Maintenance {
            node: node.clone(),
            seconds: asked(world, survey, node)?,
        })
    });
    ended.chain(made).collect()
}

/// Seconds that pods have to go, where a policy of the node hands evictions off.
fn asked(world: &World, survey: &Survey, node: &NodeName) -> Option<u32> {
    let sheet = survey.sheets.get(node)?;
    let policies = world.policies.iter().map(AsRef::as_ref);
    let governing: Vec<&CardPolicy> = policies
        .filter(|policy| sheet.governance.policies.contains(&policy.name_any()))
        .chain(departing(world, node, sheet))
        .collect();
    let drains = governing
        .iter()
        .filter_map(|policy| policy.spec.drain.as_ref());
    let (mut hands_off, mut seconds) = (false, None);
    for drain in drains {
        hands_off |= drain.hand_off == Some(HandOff::NodeMaintenance);
        seconds = seconds.max(Some(drain.timeout_seconds));
    }
    hands_off.then(|| seconds.unwrap_or(SECONDS))
}

impl Controller<'_> {
    /// The requests of ours. The kind is asked for where a policy wants it, where one was there before, and once a term:
    /// whoever led before may have left some.
    pub(super) async fn maintenance(&mut self, world: &World) -> Maintenance {
        let wants = |policy: &CardPolicy| {
            let drain = policy.spec.drain.as_ref();
            drain.is_some_and(|drain| drain.hand_off == Some(HandOff::NodeMaintenance))
        };
        if !self.maintains && !world.policies.iter().any(|policy| wants(policy)) {
            return Maintenance::Unserved;
        }
        let api = api(self.client.clone(), &self.namespace);
        let all = ListParams::default();
        let found = match tokio::time::timeout(LIMIT, api.list(&all)).await {
            Ok(Ok(all)) => all.items,
            Ok(Err(Error::Api(status))) if status.code == 404 => {
                self.maintains = false;
                return Maintenance::Unserved;
            }
            Ok(Err(_)) | Err(_) => return Maintenance::Unknown,
        };
        let requests: BTreeMap<NodeName, Request> = found.iter().filter_map(read).collect();
        self.maintains = !requests.is_empty();
        Maintenance::Served(requests)
    }
}

/// A request of ours.
fn read(object: &DynamicObject) -> Option<(NodeName, Request)> {
    let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str);
    // One that goes has served; another is made when it is gone.
    let goes = object.metadata.deletion_timestamp.is_some();
    if goes || text("/spec/requestorID") != Some(REQUESTOR) {
        return None;
    }
    let conditions = object.data.pointer("/status/conditions");
    let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.find(|condition| condition["type"] == "Ready");
    let reason = ready.and_then(|ready| ready["reason"].as_str());
    let reason = reason.filter(|reason| !reason.is_empty());
    let request = Request {
        name: object.name_any(),
        uid: object.uid(),
        ready: ready.is_some_and(|ready| ready["status"] == "True"),
        phase: reason.unwrap_or("nobody has taken it up").to_owned(),
    };
    Some((NodeName(text("/spec/nodeName")?.to_owned()), request))
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "maintenance.nvidia.com",
        "v1alpha1",
        KIND,
    ))
}

fn api(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &kind())
}

/// Requests one. What was there already is one.
pub async fn request(
    client: Client,
    namespace: &str,
    node: &NodeName,
    seconds: u32,
) -> Result<Written, Error> {
    let name = format!("shardplane-{node}");
    let object: DynamicObject = DynamicObject::new(&name, &kind()).data(json!({
        "spec": {
            "requestorID": REQUESTOR,
            "nodeName": node,
            // Our taint keeps others off, and a cordon is the administrator's.
            "cordon": false,
            "drainSpec": {
                "force": true,
                "deleteEmptyDir": true,
                "timeoutSeconds": seconds,
                "podEvictionFilters": [{ "byResourceNameRegex": RESOURCES }],
            },
        },
    }));
    let parameters = PostParams {
        field_manager: Some(CONTROLLER.to_owned()),
        ..PostParams::default()
    };
    api(client, namespace).create(&parameters, &object).await?;
    Ok(Written {
        kind: KIND,
        name,
        version: None,
    })
}

/// Ends one that has served.
pub async fn end(client: Client, namespace: &str, request: &Request) -> Result<Written, Error> {
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: request.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let api = api(client, namespace);
    api.delete(&request.name, &parameters).await?;
    Ok(Written {
        kind: KIND,
        name: request.name.clone(),
        version: None,
    })
}
