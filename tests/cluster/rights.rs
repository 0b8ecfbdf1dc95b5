//! Rights: what our accounts were refused, and what of their roles they never used, by the API server's own audit.
use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::control_plane::ControlPlane;

/// The audit's file in the servers' folder.
pub const LOG: &str = "audit.log";
/// Our accounts, as the API server names them.
const ACCOUNTS: &str = "system:serviceaccount:shardplane-system:";
/// Why making an object by applying it shows no verb of its own.
const APPLIED: &str = "a patch that makes an object is told as a patch, and checked for both";
/// Why requests for maintenance are not made.
const HANDED: &str = "where a policy hands evictions off, as in the test of that";
/// Rights that a run of the quickstart does not show, each with why it is there.
const UNSEEN: [(&str, &str, &str); 13] = [
    ("cardnodes", "create", APPLIED),
    ("modelbuilds", "create", APPLIED),
    ("jobs", "create", APPLIED),
    ("deployments", "create", APPLIED),
    ("services", "create", APPLIED),
    ("poddisruptionbudgets", "create", APPLIED),
    (
        "modelbuilds",
        "delete",
        "a model names another build than its own",
    ),
    ("cardnodes", "delete", "half an hour after a Node is gone"),
    (
        "changeplans",
        "delete",
        "a rollout that is replaced before it began, and old ones",
    ),
    (
        "pods/eviction",
        "create",
        "where a pod holds a SoC that is drained, as in the test of drains",
    ),
    ("nodemaintenances", "create", HANDED),
    ("nodemaintenances", "delete", HANDED),
    (
        "events",
        "patch",
        "the same event told again within minutes",
    ),
];

/// A right: account, resource, verb.
pub type Right = (String, String, String);

/// What is to be recorded: every request of our accounts.
pub fn policy(path: &Path) {
    let policy = format!(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n\
         - level: Metadata\n  users: ['{ACCOUNTS}shardplane-controller', '{ACCOUNTS}shardplane-agent']\n\
         - level: None\n"
    );
    fs::write(path, policy).expect("the audit's policy is written");
}

/// Every request that our accounts made.
fn requests(plane: &ControlPlane) -> Vec<Value> {
    let text = fs::read_to_string(plane.folder().join(LOG)).expect("the server keeps its audit");
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Fails on any refusal; what was used is said.
#[track_caller]
pub fn suffice(plane: &ControlPlane) -> BTreeSet<Right> {
    let events = requests(plane);
    let refused: Vec<&Value> = events
        .iter()
        .filter(|event| event.pointer("/responseStatus/code") == Some(&Value::from(403)))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    events.iter().filter_map(right).collect()
}

/// Fails on any refusal, and on any right that nobody used.
#[track_caller]
pub fn are_minimal(plane: &ControlPlane) {
    let used = suffice(plane);
    let given = ["shardplane-controller", "shardplane-agent"].map(|account| given(plane, account));
    let given: BTreeSet<Right> = given.into_iter().flatten().collect();
    let seen = |(_, resource, verb): &&Right| {
        !UNSEEN
            .iter()
            .any(|(of, unseen, _)| of == resource && unseen == verb)
    };
    let idle: Vec<&Right> = given.difference(&used).filter(seen).collect();
    assert!(idle.is_empty(), "rights that nobody used: {idle:?}");
}

fn right(event: &Value) -> Option<Right> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let account = text("/user/username")?.strip_prefix(ACCOUNTS)?;
    let resource = text("/objectRef/resource")?;
    let resource = text("/objectRef/subresource")
        .map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}"));
    Some((account.to_owned(), resource, text("/verb")?.to_owned()))
}

/// The rights of an account, from every role of its name.
fn given(plane: &ControlPlane, account: &str) -> Vec<Right> {
    let roles = plane
        .kubectl(&[
            "get",
            "clusterroles,roles",
            "--all-namespaces",
            "-o",
            "json",
        ])
        .expected();
    let roles: Value = serde_json::from_str(&roles).expect("kubectl prints JSON");
    let listed = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(|item| Some(item.as_str()?.to_owned()))
            .collect()
    };
    let items = roles["items"].as_array().expect("a list has items");
    items
        .iter()
        .filter(|role| role.pointer("/metadata/name") == Some(&Value::from(account)))
        .filter_map(|role| role["rules"].as_array())
        .flatten()
        .flat_map(|rule| {
            let verbs = listed(rule, "verbs");
            let resources = listed(rule, "resources");
            resources.into_iter().flat_map(move |resource| {
                let each = verbs.clone().into_iter();
                each.map(move |verb| (account.to_owned(), resource.clone(), verb))
            })
        })
        .collect()
}
