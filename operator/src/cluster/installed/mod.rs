//! `installed`: brings the definitions of a cluster to this version, and says whether all may be taken away.
mod lost;

use std::time::Duration;

use crd::{
    kind::{CardNode, CardPolicy, DeletionRule},
    schema,
    snapshot::{HardwareSnapshot, Ledger},
};
use k8s_openapi::{
    ClusterResourceScope,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube_client::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;

use super::{approve::refused, connection, names::IN_HAND_UNTIL, packed};
use crate::{
    cli::{ClusterVerb, Environment, InstalledArgs},
    console::Console,
    exit::Exit,
    failure::{self, Failure},
};

/// Owner of the definitions' fields.
const OWNER: &str = "shardplane-installed";
/// An API server takes a second to serve a definition.
const SERVED: Duration = Duration::from_mins(1);
/// How often it is asked whether it does.
const LOOK: Duration = Duration::from_millis(200);
/// Fields that an error names: enough to know whose they are.
const NAMED: usize = 8;

/// `installed`
pub fn run(
    args: &InstalledArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    connection::once(async {
        let (ClusterVerb::Define { cluster, .. } | ClusterVerb::MayGo { cluster }) = &args.verb;
        let client = connection::client(cluster.kubeconfig.as_deref(), environment).await?;
        match &args.verb {
            ClusterVerb::Define {
                give_up_fields: true,
                ..
            } => {
                let api = Api::all(client);
                for what in lost(&api).await? {
                    console.result(&format!("{what} is given up\n"));
                }
                define(&api, console).await
            }
            ClusterVerb::Define { .. } => {
                let api = Api::all(client);
                kept(&lost(&api).await?)?;
                define(&api, console).await
            }
            ClusterVerb::MayGo { .. } => may_go(client, console).await,
        }
    })
}

/// What objects have room for now and would not have any more, of all kinds, as `CardPolicy spec.hold`.
async fn lost(api: &Api<CustomResourceDefinition>) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for (name, ours) in schema::definitions() {
        let doing = format!("reading the definition {name}");
        let found = api.get_opt(&name).await;
        let Some(served) = found.map_err(|error| refused(&doing, &error))? else {
            continue;
        };
        let kind = served.spec.names.kind.clone();
        // Somebody else's of that name says nothing of our objects.
        if ours["spec"]["names"]["kind"] != kind {
            continue;
        }
        let served = serde_json::to_value(served)
            .map_err(|error| Failure::said(Exit::Internal, format!("{doing}: {error}"), ""))?;
        let fields = lost::lost(&served, &ours).into_iter();
        all.extend(fields.map(|field| format!("{kind} {field}")));
    }
    Ok(all)
}

/// Refuses to take anything away: an older controller would act on the rest of what somebody declared.
fn kept(lost: &[String]) -> Result<(), Failure> {
    if lost.is_empty() {
        return Ok(());
    }
    let (first, more) = lost.split_at(lost.len().min(NAMED));
    let mut named = first.join(", ");
    if !more.is_empty() {
        named = format!("{named} and {} more", more.len());
    }
    Err(Failure::said(
        Exit::Blocked,
        format!(
            "definitions newer than those of this version ({}) are served, and nothing was written: objects would lose what they say in {named}",
            env!("CARGO_PKG_VERSION"),
        ),
        "use the chart of that version or a newer one, or keep the definitions with `crds.upgrade: false`: a controller says of which objects it does not understand all; where what these fields say is to be lost for good: `shardplane installed define --give-up-fields`",
    ))
}

async fn define(api: &Api<CustomResourceDefinition>, console: &Console) -> Result<Exit, Failure> {
    // Helm, or `kubectl apply --server-side`, put them there: from now on they are as this version says.
    let parameters = PatchParams::apply(OWNER).force();
    for (name, definition) in schema::definitions() {
        api.patch(&name, &parameters, &Patch::Apply(&definition))
            .await
            .map_err(|error| refused(&format!("applying the definition {name}"), &error))?;
        let serving = tokio::time::timeout(SERVED, served(api, &name)).await;
        serving.unwrap_or_else(|_| {
            Err(Failure::said(
                Exit::Unavailable,
                format!("the API server does not serve {name} yet"),
                format!("what does `kubectl describe crd {name}` say?"),
            ))
        })?;
        console.result(&format!("{name} is as this version defines it\n"));
    }
    Ok(Exit::Ok)
}

async fn served(api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), Failure> {
    loop {
        let found = api
            .get(name)
            .await
            .map_err(|error| refused(&format!("reading the definition {name}"), &error))?;
        let conditions = found.status.and_then(|status| status.conditions);
        let established = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Established" && condition.status == "True");
        if established {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn may_go(client: Client, console: &Console) -> Result<Exit, Failure> {
    let policies = listed::<CardPolicy>(&client, "listing card policies").await?;
    let nodes = listed::<CardNode>(&client, "listing card nodes").await?;
    let working: Vec<String> = nodes
        .iter()
        .filter(|node| works(node))
        .map(ResourceExt::name_any)
        .collect();
    if !working.is_empty() {
        return Err(Failure::said(
            Exit::Blocked,
            format!(
                "steps are being carried out on {}: nobody would see to their end, nor take our taint off the Node",
                working.join(", ")
            ),
            "wait until `kubectl get changeplans` has none at work; `rollout.paused: true` in a policy lets nothing more begin",
        ));
    }
    let mut left: Vec<String> = policies.iter().filter_map(declared).collect();
    left.extend(nodes.iter().filter_map(unreverted));
    if left.is_empty() {
        console.result("nothing is left that would have to be put back\n");
        return Ok(Exit::Ok);
    }
    Err(Failure::said(
        Exit::Blocked,
        format!(
            "nobody would put back what is declared or left with the deletion rule Revert: {}",
            left.join("; ")
        ),
        "delete these policies, or let them say Retain, and wait until their nodes are as before",
    ))
}

/// Whether a node's agent has steps to carry out, or ends one of those that it had.
fn works(node: &CardNode) -> bool {
    node.spec.grant.is_some() || node.annotations().contains_key(IN_HAND_UNTIL)
}

/// All objects of a kind. A server that is making room for a definition that has just changed is asked again for a while.
async fn listed<K>(client: &Client, doing: &str) -> Result<Vec<K>, Failure>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut asks = SERVED.as_millis() / LOOK.as_millis();
    loop {
        match api.list(&ListParams::default()).await {
            Ok(all) => return Ok(all.items),
            Err(error) if asks > 0 && comes_back(&error) => asks -= 1,
            Err(error) => return Err(refused(doing, &error)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the server says that it answers soon: 429 while it makes its storage of a definition anew, 503 while it starts.
fn comes_back(error: &kube_client::Error) -> bool {
    matches!(error, kube_client::Error::Api(status) if matches!(status.code, 429 | 503))
}

/// A policy whose deletion has to find somebody who puts things back.
fn declared(policy: &CardPolicy) -> Option<String> {
    let rule = policy.spec.deletion_policy.as_ref()?.rule;
    (rule == DeletionRule::Revert).then(|| format!("CardPolicy/{}", policy.name_any()))
}

/// A node where something is still to be put back, or where nobody can tell.
fn unreverted(node: &CardNode) -> Option<String> {
    let name = node.name_any();
    let packed = node.status.as_ref()?.snapshot.as_deref()?;
    match packed::unpack::<HardwareSnapshot>(packed) {
        Ok(snapshot) => {
            let count = reverts(&snapshot.ledger);
            (count > 0).then(|| format!("CardNode/{name} with {count} to put back"))
        }
        Err(error) => Some(format!(
            "CardNode/{name}, whose ledger cannot be read: {}",
            failure::chain(&error)
        )),
    }
}

fn reverts(ledger: &Ledger) -> usize {
    let rules = ledger.entries.iter().map(|entry| entry.deletion);
    rules.filter(|rule| *rule == DeletionRule::Revert).count()
}

#[cfg(test)]
mod tests {
    use crd::kind::{CardNodeSpec, CardNodeStatus};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_that_answers_soon_is_asked_again() {
        let api = |code| {
            let status = kube_client::core::Status::failure(
                "storage is (re)initializing",
                "TooManyRequests",
            );
            kube_client::Error::Api(Box::new(status.with_code(code)))
        };
        for (code, expected) in [
            (429, true),
            (503, true),
            (403, false),
            (404, false),
            (500, false),
        ] {
            assert_eq!(comes_back(&api(code)), expected, "{code}");
        }
    }

    #[test]
    fn what_would_be_lost_is_counted_where_it_is_much() {
        let fields = |count: usize| {
            let numbers = 1..=count;
            let all: Vec<String> = numbers.map(|n| format!("CardPolicy spec.f{n}")).collect();
            kept(&all).map_err(|error| error.to_string())
        };
        assert_eq!(fields(0), Ok(()));
        for (count, end) in [
            (1, "say in CardPolicy spec.f1"),
            (8, ", CardPolicy spec.f8"),
            (9, ", CardPolicy spec.f8 and 1 more"),
        ] {
            let said = fields(count).unwrap_err();
            assert!(said.ends_with(end), "{said}");
        }
    }

    #[test]
    fn a_node_with_steps_in_hand_is_at_work() {
        let mut node = CardNode::new("n1", CardNodeSpec::default());
        assert!(!works(&node));
        node.metadata.annotations = Some([(IN_HAND_UNTIL.to_owned(), String::new())].into());
        assert!(works(&node));
        node.metadata.annotations = None;
        node.spec = serde_json::from_value(json!({ "grant": {
            "digest": "node:b3:0", "rollout": "rollout:b3:0", "plan": "", "bootId": "b",
            "nodeUid": "u", "decidedOn": "1", "leaseEpoch": 1,
        }}))
        .unwrap();
        assert!(works(&node));
    }

    fn node(snapshot: &str) -> CardNode {
        let mut node = CardNode::new("n1", CardNodeSpec::default());
        node.status = Some(CardNodeStatus {
            snapshot: Some(snapshot.to_owned()),
            ..CardNodeStatus::default()
        });
        node
    }

    #[test]
    fn entries_count_by_the_rule_that_the_ledger_kept() {
        let entry = |name: &str, rule: &str| {
            json!({
                "target": { "what": "sysctl", "name": name }, "owners": [], "deletion": rule,
                "preImage": "1", "written": "2", "bootId": "b",
            })
        };
        let ledger: Ledger = serde_json::from_value(json!({
            "entries": [entry("a", "Revert"), entry("b", "Retain"), entry("c", "Revert")],
        }))
        .unwrap();
        assert_eq!((reverts(&ledger), reverts(&Ledger::default())), (2, 0));
    }

    #[test]
    fn a_node_that_cannot_be_told_of_is_named() {
        assert_eq!(
            unreverted(&CardNode::new("n1", CardNodeSpec::default())),
            None
        );
        let said = unreverted(&node("%")).unwrap();
        assert!(
            said.starts_with("CardNode/n1, whose ledger cannot be read: reading base64"),
            "{said}"
        );
    }
}
