//! Drains: who is evicted, who is waited for and who blocks, in a table; and a drain from taint to reset, by hand.
use std::{collections::BTreeMap, time::Duration};

use crd::{
    Unknown,
    id::{PciAddress, StepId},
    snapshot::{Holder, HolderKind, PodName},
};
use k8s_openapi::api::core::v1::Pod;
use machine::Timestamp;
use serde_json::{Value, json};

use super::{
    hand::{Hand, automatic},
    ultra::machine_of,
};
use crate::cluster::controller::{
    drains::{Awaited, Until, drain},
    evictions::Refusal,
};

fn socs() -> Vec<PciAddress> {
    let machine = machine_of("n1");
    machine.socs.iter().map(|soc| soc.address).collect()
}

fn holder(soc: usize, kind: HolderKind) -> Holder {
    Holder {
        soc: socs()[soc],
        kind,
        pid: None,
        name: "serve".into(),
        unit: None,
        container: None,
        pod: None,
    }
}

/// The kubelet says that a pod has a SoC.
pub fn told(soc: usize, name: &str) -> Holder {
    let named = Some(PodName {
        namespace: "models".into(),
        name: name.into(),
    });
    holder(soc, HolderKind::Pod { named })
}

/// A process has a SoC open.
fn process(soc: usize, uid: Option<&str>) -> Holder {
    let kind = match uid {
        Some(_) => HolderKind::Pod { named: None },
        None => HolderKind::Foreign,
    };
    Holder {
        pid: Some(7),
        pod: uid.map(str::to_owned),
        ..holder(soc, kind)
    }
}

fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Pod {
    let mut pod = json!({
        "metadata": { "namespace": "models", "name": name, "uid": format!("uid-{name}") },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c" }] },
        "status": { "phase": "Running" },
    });
    change(&mut pod);
    serde_json::from_value(pod).unwrap()
}

pub fn plain(name: &str) -> Pod {
    pod(name, |_| {})
}

fn asking(name: &str) -> Pod {
    asking_for(name, "1")
}

fn asking_for(name: &str, amount: &str) -> Pod {
    pod(name, |pod| {
        pod["spec"]["containers"][0]["resources"] =
            json!({ "limits": { "qualcomm.com/qaic": amount } });
    })
}

/// How a drain of the first two SoCs stands, a line each: whether it is done, who is evicted, who blocks.
fn stands(until: Until, holders: &[Holder], pods: &[Pod]) -> Vec<String> {
    refused(until, holders, pods, &BTreeMap::new())
}

fn refused(
    until: Until,
    holders: &[Holder],
    pods: &[Pod],
    refusals: &BTreeMap<String, Refusal>,
) -> Vec<String> {
    waited(until, holders, pods, (refusals, false))
}

/// The same where it is waited for since long, or not.
fn waited(
    until: Until,
    holders: &[Holder],
    pods: &[Pod],
    (refusals, late): (&BTreeMap<String, Refusal>, bool),
) -> Vec<String> {
    let mut snapshot = machine_of("n1");
    snapshot.holders = holders.to_vec();
    let awaited = Awaited {
        step: StepId("s".into()),
        socs: socs()[..2].to_vec(),
        until,
    };
    let now = Timestamp(1_000_000_000);
    let drain = drain((awaited, late), &snapshot.holders, pods, refusals, now);
    let done = drain.done.then(|| "done".to_owned());
    let evicted = drain.evict.iter();
    let blockers = drain.blockers.iter();
    done.into_iter()
        .chain(evicted.map(|victim| format!("evict {} {}", victim.pod, victim.uid)))
        .chain(blockers.map(|blocker| format!("{:?}: {}", blocker.reason, blocker.sentence)))
        .collect()
}

#[test]
fn exactly_the_holders_of_the_socs_are_evicted() {
    let pods = [plain("a"), plain("b"), plain("c"), plain("bystander")];
    let a = "evict models/a uid-a";
    for (holders, expected) in [
        (vec![], vec!["done"]),
        (vec![told(0, "a")], vec![a]),
        (vec![process(0, Some("uid-a"))], vec![a]),
        // The kubelet and the process table tell of one pod, on both SoCs.
        (
            vec![told(0, "a"), told(1, "a"), process(1, Some("uid-a"))],
            vec![a],
        ),
        (
            vec![told(0, "a"), told(1, "b")],
            vec![a, "evict models/b uid-b"],
        ),
        // Others of the card's SoCs are not drained.
        (vec![told(2, "c"), process(3, Some("uid-c"))], vec!["done"]),
    ] {
        assert_eq!(stands(Until::Free, &holders, &pods), expected);
    }
    // Work is kept off first; who holds what is not asked then.
    assert_eq!(stands(Until::KeptOff, &[told(0, "a")], &pods), ["done"]);
}

#[test]
fn who_must_not_be_evicted_blocks_and_is_named() {
    let owned = |kind: &str, tolerations: Value| {
        pod("a", move |pod| {
            pod["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "o", "controller": true,
            }]);
            pod["spec"]["tolerations"] = tolerations;
        })
    };
    let blocked =
        |pod: Pod, holder: Holder| stands(Until::Free, &[holder], &[pod, plain("bystander")]);
    let mirror = pod("a", |pod| {
        pod["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "hash" });
    });
    for holder in [told(0, "a"), process(0, Some("hash"))] {
        assert_eq!(
            blocked(mirror.clone(), holder),
            [
                "PodNotEvictable: pod models/a is static: its kubelet starts it again; take its manifest off the node"
            ]
        );
    }
    let ours = pod("a", |pod| {
        pod["spec"]["serviceAccountName"] = json!("shardplane-agent");
    });
    assert_eq!(
        blocked(ours, told(0, "a")),
        ["PodNotEvictable: pod models/a is our own agent, which is never evicted"]
    );
    let all = json!([{ "operator": "Exists" }]);
    let ours =
        json!([{ "key": "shardplane.dev/draining", "operator": "Exists", "effect": "NoSchedule" }]);
    let other = json!([{ "key": "other", "operator": "Exists" }]);
    for tolerations in [&all, &ours] {
        assert_eq!(
            blocked(owned("DaemonSet", tolerations.clone()), told(0, "a")),
            [
                "PodNotEvictable: pod models/a is of a DaemonSet that tolerates our taint, and would be back at once"
            ]
        );
    }
    for goes in [
        owned("DaemonSet", other),
        owned("DaemonSet", json!([])),
        owned("ReplicaSet", all),
    ] {
        assert_eq!(blocked(goes, told(0, "a")), ["evict models/a uid-a"]);
    }
}

/// A pod that is over or gone is the kubelet's to let go; where that does not come, somebody is told.
#[test]
fn a_pod_that_is_no_more_is_named_once_it_is_late() {
    let over = pod("a", |pod| pod["status"]["phase"] = json!("Succeeded"));
    let first = socs()[0];
    for (pods, what) in [(vec![over], "has ended"), (vec![], "is not there any more")] {
        let said = |late| {
            waited(
                Until::Free,
                &[told(0, "a")],
                &pods,
                (&BTreeMap::new(), late),
            )
        };
        assert_eq!(said(false), [""; 0]);
        let expected = format!(
            "HolderUnknown: pod models/a {what}, and the kubelet says still that it has {first}: restart the kubelet of its node if it goes on so"
        );
        assert_eq!(said(true), [expected]);
    }
}

#[test]
fn who_is_no_pod_of_the_cluster_blocks_and_is_named() {
    let first = socs()[0];
    let unseen = Holder {
        name: "no answer from the kubelet".into(),
        ..holder(
            0,
            HolderKind::Unseen {
                why: Unknown::ReadFailed,
            },
        )
    };
    for (holder, expected) in [
        (
            process(0, None),
            format!("pid 7 (serve) holds {first} and is no pod"),
        ),
        (
            process(0, Some("gone")),
            format!(
                "pid 7 (serve) holds {first} for pod gone, which the API server does not know on this node"
            ),
        ),
        (
            unseen,
            format!("nobody can tell who holds {first}: no answer from the kubelet"),
        ),
    ] {
        assert_eq!(
            stands(Until::Free, &[holder], &[plain("bystander")]),
            [format!("HolderUnknown: {expected}")]
        );
    }
    // The kubelet tells of a pod that is gone already: its next word will not.
    assert_eq!(stands(Until::Free, &[told(0, "gone")], &[]), [""; 0]);
}

#[test]
fn a_pod_that_may_have_socs_is_waited_for_and_never_evicted() {
    for until in [Until::KeptOff, Until::Free] {
        assert_eq!(
            stands(until, &[], &[asking("new")]),
            [
                "HolderUnknown: pod models/new asks for SoCs, and the kubelet has not said yet which it has"
            ]
        );
        // It asks for none.
        assert_eq!(stands(until, &[], &[asking_for("new", "0")]), ["done"]);
        // It has others than those that are drained.
        assert_eq!(stands(until, &[told(2, "new")], &[asking("new")]), ["done"]);
        let over = pod("new", |pod| {
            *pod = serde_json::to_value(asking("new")).unwrap();
            pod["status"]["phase"] = json!("Succeeded");
        });
        assert_eq!(stands(until, &[], &[over]), ["done"]);
    }
}

#[test]
fn a_pod_that_goes_is_waited_for_and_named_when_it_is_late() {
    // The world's clock stands at 1970-01-12T13:46:40Z.
    for (by, late) in [("13:46:30", false), ("13:40:00", true)] {
        let goes = pod("a", |pod| {
            pod["metadata"]["deletionTimestamp"] = json!(format!("1970-01-12T{by}Z"));
        });
        let said = stands(Until::Free, &[told(0, "a")], &[goes]);
        assert_eq!(said.len(), usize::from(late), "{said:?}");
        if late {
            let why = "PodNotEvictable: pod models/a was to have ended by 1970-01-12T13:40:00Z and holds SoCs still";
            assert_eq!(said, [why]);
        }
    }
}

#[test]
fn what_was_refused_is_tried_again_with_longer_and_longer_waits() {
    let at = |ms: u64| Timestamp(ms);
    let mut refusal = None;
    let mut waits = Vec::new();
    for _ in 0..7 {
        let next = Refusal::after(refusal.as_ref(), "no".into(), at(0));
        waits.push(next.until.0 / 1000);
        refusal = Some(next);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);

    let blocked = "PodDisruptionBudget: pod models/a (web needs 1 healthy pods and has 1)";
    for (until, expected) in [
        (1_000_000_000, vec!["evict models/a uid-a", blocked]),
        (1_000_000_001, vec![blocked]),
    ] {
        let refusal = Refusal {
            until: at(until),
            waited: Duration::from_secs(1),
            why: "web needs 1 healthy pods and has 1".into(),
        };
        let refusals = BTreeMap::from([("uid-a".to_owned(), refusal)]);
        let said = refused(Until::Free, &[told(0, "a")], &[plain("a")], &refusals);
        assert_eq!(said, expected);
    }
}

/// A drain from the taint to the word that it is done: nothing is said before the agent's later look shows no holder.
#[test]
fn a_node_is_drained_when_a_later_look_shows_nobody() {
    let mut hand = Hand::new(&automatic());
    hand.node("n1");
    hand.turn();
    hand.reports("n1");
    hand.turn();
    hand.turn();
    hand.turn();
    hand.awaits("n1");
    assert_eq!(hand.turn(), ["taint n1"]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);

    let pods = || vec![plain("a"), plain("b"), plain("bystander")];
    hand.pods("n1", pods());
    hand.awaits_drain("n1", &[told(0, "a"), told(1, "b")]);
    assert_eq!(hand.turn(), ["evict models/a", "evict models/b"]);
    hand.refuses("uid-a", "web needs 1 healthy pods and has 1");
    let blocked = "True PodDisruptionBudget: n1: pod models/a (web needs 1 healthy pods and has 1); more replicas or another PodDisruptionBudget let it go; it is tried again by itself";
    hand.pods("n1", vec![plain("a"), plain("bystander")]);
    assert_eq!(
        hand.turn(),
        [
            "policy Applying",
            "group Applying",
            "plan 1 Applying n1:Applying"
        ]
    );
    assert_eq!(hand.drain_blocked(), [blocked, blocked]);
    assert_eq!(hand.turn(), [""; 0], "refused, and not tried again yet");
    hand.later(Duration::from_secs(1));
    assert_eq!(hand.turn(), ["evict models/a"]);

    // Both are gone from the API server; the agent has not looked since.
    hand.pods("n1", vec![plain("bystander")]);
    let turned = hand.turn();
    assert!(
        !turned.iter().any(|write| write.starts_with("drained")),
        "{turned:?}"
    );
    hand.awaits_drain("n1", &[]);
    assert_eq!(hand.turn(), ["drained 4 on n1"]);
    let free = "False NobodyInTheWay: nobody stands in the way of a drain";
    assert_eq!(hand.drain_blocked(), [free, free]);
    assert_eq!(hand.turn(), [""; 0]);
}
