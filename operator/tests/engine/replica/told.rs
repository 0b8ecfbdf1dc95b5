//! What a recording does not know and its rack shows is told, whatever fact it is, and nothing else is.
use crd::{
    Unknown,
    replica::{RackReplica, ReplicaNode, ReplicaSort, ShownWhen},
    snapshot::HardwareSnapshot,
};
use operator::verb::replica;
use serde_json::{Value, json};

use super::{Opened, odd::one_ultra, projected};
use crate::lab::Lab;

fn told(recorded: &HardwareSnapshot) -> ReplicaNode {
    let rack = replica::rack("room".into(), vec![recorded.clone()]);
    replica::compare(&rack).unwrap().remove(0)
}

/// Pointers of every fact below a value that has one, of lists only the first entry's.
fn facts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if map.contains_key("source") => {
            if map.contains_key("value") {
                found.push(at.to_owned());
            }
        }
        Value::Object(map) => {
            for (name, below) in map {
                let name = name.replace('~', "~0").replace('/', "~1");
                facts(below, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(list) => {
            if let Some(first) = list.first() {
                facts(first, &format!("{at}/0"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A fact that is taken out of a recording is out of the rack too, or is told: none is made up in silence.
#[test]
fn no_unknown_fact_gets_a_value_in_silence() {
    let plain = projected(Opened::new(&one_ultra()).unwrap().probe());
    let whole = serde_json::to_value(&plain).unwrap();
    let mut pointers = Vec::new();
    facts(&whole, "", &mut pointers);
    assert!(pointers.len() > 50, "{}", pointers.len());
    let mut made_up = 0;
    for pointer in &pointers {
        for reason in [Unknown::NotReady, Unknown::NoPermission] {
            let mut edited = whole.clone();
            let fact = edited.pointer_mut(pointer).unwrap();
            *fact = json!({ "unknown": reason, "source": fact["source"] });
            let recorded: HardwareSnapshot = serde_json::from_value(edited).unwrap();
            let rack = replica::rack("room".into(), vec![recorded.clone()]);
            let probed = projected(Opened::new(&rack).unwrap().probe());
            let probed = serde_json::to_value(probed).unwrap();
            let shown = probed.pointer(&format!("{pointer}/value"));
            let told = told(&recorded);
            let of_it = told.facts.iter().find(|fact| {
                fact.when == ShownWhen::AtOnce
                    && fact.sort == ReplicaSort::Unknown
                    && fact.pointers.contains(pointer)
            });
            assert_eq!(shown.is_some(), of_it.is_some(), "{pointer} {reason:?}");
            made_up += usize::from(of_it.is_some());
        }
    }
    assert!(made_up > 0, "the table finds nothing to tell");
}

/// Makes twin.yaml of one.yaml; the report, and what is said beside it.
fn twin(lab: &Lab) -> (RackReplica, String) {
    let made = ["rack", "from-snapshot", "one.yaml", "--out", "twin.yaml"];
    let made = lab.plain(&[&made[..], &["-o", "json"]].concat()).expect(0);
    (serde_json::from_str(&made.stdout).unwrap(), made.stderr)
}

#[test]
fn a_healthy_server_comes_back_as_it_was_and_nothing_is_told() {
    let lab = Lab::new();
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let (report, said) = twin(&lab);
    assert!(!said.contains("note:"), "{said}");
    assert_eq!(report.nodes[0].facts, Vec::new());
    let twin = ["--rack", "twin.yaml", "--state-dir", "twin"];
    lab.plain(&[&["snapshot", "--out", "two.yaml"], &twin[..]].concat())
        .expect(0);
    lab.plain(&["snapshot", "diff", "one.yaml", "two.yaml"])
        .expect(0);
}

#[test]
fn what_a_soc_that_is_not_ready_will_say_is_told_once_with_its_places() {
    let lab = Lab::new();
    for soc in ["0000:25:00.0", "0000:26:00.0"] {
        let state = format!("{soc}/state");
        lab.run("state", &["rack", "set", &state, "stuck"])
            .expect(0);
    }
    lab.run("state", &["snapshot", "--out", "one.yaml"])
        .expect(0);
    let (report, said) = twin(&lab);
    let line = "/socs/*/cores (SoC 0000:25:00.0, SoC 0000:26:00.0) is unknown (NotReady) in the recording; after a reset and a boot the rack shows 16";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    let facts = &report.nodes[0].facts;
    let of = |field: &str| facts.iter().filter(|fact| fact.field == field).count();
    for field in ["cores", "dramMib", "firmware", "mdp"] {
        assert_eq!(of(&format!("/socs/*/{field}")), 1, "{field}: {facts:#?}");
    }
    // One place for both.
    let both = ["rack", "from-snapshot", "one.yaml", "-o", "json"];
    lab.plain(&both).expect(64);
}
