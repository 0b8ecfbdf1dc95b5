//! Leave: who may give it, to what, and what happens without it. And whose objects an agent may write.
use std::path::{Path, PathBuf};

use host::Answer;

use crate::{
    control_plane::ControlPlane,
    converging::ready,
    fleet::{Fleet, agent_token, policy_with, shardplane, token, until},
    leaving,
};

/// The quickstart's policy under Manual approval.
fn manual(plane: &ControlPlane) -> PathBuf {
    policy_with(plane, "mode: Automatic", "mode: Manual")
}

/// Makes an account, with these cluster roles.
fn account(plane: &ControlPlane, name: &str, roles: &[&str]) -> PathBuf {
    plane
        .kubectl(&[
            "create",
            "serviceaccount",
            name,
            "--namespace=shardplane-system",
        ])
        .expected();
    for role in roles {
        plane
            .kubectl(&[
                "create",
                "clusterrolebinding",
                &format!("{name}-{role}"),
                &format!("--clusterrole={role}"),
                &format!("--serviceaccount=shardplane-system:{name}"),
            ])
            .expected();
    }
    plane.kubeconfig(name, &token(plane, name, &[]))
}

/// An approval as a patch of a status.
fn approval(digest: &str, by: &str) -> String {
    format!(r#"{{"status":{{"approval":{{"digest":"{digest}","by":"{by}"}}}}}}"#)
}

/// Patches the status of an object.
fn patch(plane: &ControlPlane, kubeconfig: &Path, what: &str, patch: &str) -> Answer {
    plane.kubectl_with(
        kubeconfig,
        &[
            "patch",
            what,
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        ],
    )
}

/// Asks again until the answer is a refusal that says this: a new admission policy takes a moment.
#[track_caller]
fn refused(what: &str, ask: impl Fn() -> Answer, sentence: &str) {
    until(what, ask, |answer| {
        !answer.succeeded && answer.stderr.contains(sentence)
    });
}

pub fn nothing_goes_ahead_without_leave(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &["n1", "n2"]);
    let path = "a path means nothing in a cluster: name the model's source by pvc or by oci";
    refused(
        "a model by path",
        || {
            plane.kubectl(&[
                "apply",
                "--server-side",
                "--dry-run=server",
                "-f",
                "examples/quickstart/model.yaml",
            ])
        },
        path,
    );
    let before = ["n1", "n2"].map(|node| fleet.acs(plane, node));
    let manual = manual(plane).display().to_string();
    plane
        .kubectl(&[
            "apply",
            "--server-side",
            "-f",
            &manual,
            "-f",
            "examples/quickstart/cluster/group.yaml",
        ])
        .expected();
    plane
        .kubectl(&[
            "wait",
            "--for=condition=PlanPending",
            "--timeout=25s",
            "cpol/quickstart",
        ])
        .expected();
    let get = |path: &str| {
        plane
            .kubectl(&[
                "get",
                "cplan",
                "-o",
                &format!("jsonpath={{.items[*].{path}}}"),
            ])
            .expected()
    };
    // One that was opened before the other agent had reported is replaced.
    until(
        "a plan for both",
        || get("spec.nodes[*].node"),
        |nodes| nodes == "n1 n2",
    );
    let (name, digest) = (
        format!("cplan/{}", get("metadata.name")),
        get("spec.digest"),
    );
    until(
        "the policy says what it waits for",
        || plane.kubectl(&["get", "cpol", "quickstart"]).expected(),
        |now| now.contains("AwaitingApproval"),
    );

    // Somebody who may write statuses, and has not the verb.
    plane
        .kubectl(&[
            "create",
            "clusterrole",
            "writer",
            "--verb=get,list,patch,update,delete",
            "--resource=changeplans,changeplans/status,cardpolicies",
        ])
        .expected();
    let writer = account(plane, "writer", &["writer"]);
    let me = "system:serviceaccount:shardplane-system:writer";
    refused(
        "an approval without the verb",
        || patch(plane, &writer, &name, &approval(&digest, me)),
        "that takes the verb approve on changeplans",
    );
    let listed = format!(r#"{{"spec":{{"approval":{{"digests":["{digest}"]}}}}}}"#);
    refused(
        "a digest listed without the verb",
        || {
            plane.kubectl_with(
                &writer,
                &["patch", "cpol", "quickstart", "--type=merge", "-p", &listed],
            )
        },
        "that takes the verb approve on cardpolicies",
    );
    let weaker = r#"{"spec":{"approval":{"mode":"Automatic"}}}"#;
    refused(
        "a policy that asks for less, without the verb",
        || {
            plane.kubectl_with(
                &writer,
                &["patch", "cpol", "quickstart", "--type=merge", "-p", weaker],
            )
        },
        "ask for less leave than before: from Manual to Automatic takes the verb approve",
    );
    let elsewhere = r#"{"spec":{"nodeSelector":{"matchLabels":{"elsewhere":"true"}}}}"#;
    refused(
        "a policy that lets its nodes go, without the verb",
        || {
            plane.kubectl_with(
                &writer,
                &[
                    "patch",
                    "cpol",
                    "quickstart",
                    "--type=merge",
                    "-p",
                    elsewhere,
                ],
            )
        },
        "may not change which cards quickstart asks for leave for (Manual)",
    );
    refused(
        "a policy that is deleted, without the verb",
        || plane.kubectl_with(&writer, &["delete", "cpol", "quickstart"]),
        "may not delete quickstart, by which leave is asked for (Manual)",
    );
    let by_verb = shardplane(&[
        "approve",
        &digest,
        "--kubeconfig",
        &writer.display().to_string(),
    ]);
    assert_eq!(by_verb.code, Some(77), "{}", by_verb.stderr);
    assert!(
        by_verb.stderr.contains("verb approve on changeplans"),
        "{}",
        by_verb.stderr
    );

    // Somebody who has it, in another's name or for another plan.
    let approver = account(plane, "approver", &["shardplane-approver"]);
    let me = "system:serviceaccount:shardplane-system:approver";
    refused(
        "an approval in another's name",
        || patch(plane, &approver, &name, &approval(&digest, "admin")),
        "an approval is given in one's own name",
    );
    let stale = format!("rollout:b3:{}", "0".repeat(64));
    refused(
        "a stale digest",
        || patch(plane, &approver, &name, &approval(&stale, me)),
        "it may be stale",
    );
    let stale = shardplane(&[
        "approve",
        &stale,
        "--kubeconfig",
        &approver.display().to_string(),
    ]);
    assert_eq!(stale.code, Some(11), "{}", stale.stderr);

    // An agent, on another node's object, and one whose token is bound to no Node.
    let version = r#"{"status":{"agentVersion":"forged"}}"#;
    // kubectl reads before it patches, which an agent never does.
    plane
        .kubectl(&[
            "create",
            "clusterrole",
            "reader",
            "--verb=get",
            "--resource=cardnodes,cardnodes/status",
        ])
        .expected();
    plane
        .kubectl(&[
            "create",
            "clusterrolebinding",
            "reader",
            "--clusterrole=reader",
            "--serviceaccount=shardplane-system:shardplane-agent",
        ])
        .expected();
    let agent = plane.kubeconfig("forger", &agent_token(plane, "n1"));
    refused(
        "another node's status",
        || patch(plane, &agent, "cnode/n2", version),
        "an agent writes the CardNode of its own Node alone, and this token is of n1",
    );
    let unbound = plane.kubeconfig("unbound", &token(plane, "shardplane-agent", &[]));
    refused(
        "a token that is bound to no Node",
        || patch(plane, &unbound, "cnode/n1", version),
        "bound to no Node",
    );
    let pods = plane
        .kubectl_with(&agent, &["auth", "can-i", "list", "pods"])
        .stdout;
    assert_eq!(pods.trim(), "no");

    // Nothing of all that let anything go ahead.
    assert_eq!(["n1", "n2"].map(|node| fleet.acs(plane, node)), before);
    assert_eq!(get("status.approval"), "");

    // One node by its own digest, then the rest by the rollout's.
    let node = get("spec.nodes[?(@.node==\"n2\")].digest");
    let given = shardplane(&[
        "approve",
        &node,
        "--kubeconfig",
        &approver.display().to_string(),
    ]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    until(
        "n2 alone converges",
        || get("status.nodes[*].node"),
        |nodes| nodes == "n2",
    );
    until(
        "n2",
        || get("status.nodes[0].outcome"),
        |now| now == "Converged",
    );
    assert_eq!(fleet.acs(plane, "n1"), before[0]);
    // The other as a repository gives it: what CI printed, listed in the policy by who may approve.
    let one = get("spec.nodes[?(@.node==\"n1\")].digest");
    let group = "examples/quickstart/cluster/group.yaml";
    let ci = fleet.shardplane(
        plane,
        "n1",
        &["plan", "-f", &manual, "-f", group, "-o", "json"],
    );
    assert!(ci.contains(&one), "{one}: {ci}");
    let repository = account(plane, "repository", &["writer", "shardplane-approver"]);
    let listed = format!(r#"{{"spec":{{"approval":{{"digests":["{one}"]}}}}}}"#);
    plane
        .kubectl_with(
            &repository,
            &["patch", "cpol", "quickstart", "--type=merge", "-p", &listed],
        )
        .expected();
    ready(plane, &["cpol/quickstart", "p2pg/quad"]);
    assert_eq!(get("status.approval.by"), me);

    // The ledger remembers that removal wants leave too.
    plane
        .kubectl(&["delete", "--wait=false", "cpol/quickstart", "p2pg/quad"])
        .expected();
    let pending = || {
        plane
            .kubectl(&[
                "get",
                "cplan",
                "-o",
                "jsonpath={.items[*].status.conditions[?(@.type==\"PlanPending\")].status}",
            ])
            .expected()
    };
    until("the removal waits", pending, |now| now.contains("True"));
    assert_ne!(fleet.acs(plane, "n1"), before[0]);
    until(
        "the policy says what it waits for",
        || leaving::said(plane),
        |said| said.contains("AwaitingApproval") && said.contains("lets it go at once"),
    );
    leaving::release(plane);
    leaving::gone(plane);
    assert_ne!(fleet.acs(plane, "n1"), before[0], "nobody has given leave");
    fleet.kill_agent("n1");
}
