//! Definitions that are older or newer than the programs, changed while objects live and agents work.
use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    converging::{ready, stalled},
    failing::{OBJECTS, apply, observed, rests},
    fleet::{Fleet, until},
    rights,
};

const NODES: [&str; 2] = ["n1", "n2"];

/// The definitions that are served, each with something done to its schema, as a file.
pub fn definitions(plane: &ControlPlane, name: &str, change: impl Fn(&str, &mut Value)) -> PathBuf {
    let text = plane.kubectl(&["get", "crd", "-o", "json"]).expected();
    let mut list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    for crd in list["items"].as_array_mut().expect("a list has items") {
        let meta = json!({ "name": crd["metadata"]["name"] });
        crd["metadata"] = meta;
        crd.as_object_mut().expect("an object").remove("status");
        let kind = crd["spec"]["names"]["kind"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        change(
            &kind,
            &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"],
        );
    }
    let path = plane.folder().join(format!("{name}.json"));
    fs::write(&path, list.to_string()).expect("the definitions are written");
    path
}

/// Puts definitions there, whoever has written them before, and waits until they are served.
pub fn install(plane: &ControlPlane, path: &str) {
    plane
        .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", path])
        .expected();
    plane
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
        .expected();
}

pub fn definitions_change_under_live_objects(plane: &mut ControlPlane) {
    let fleet = Fleet::start(plane, &NODES);
    observed(plane, &NODES);
    // Older: one field that our agents write is not there yet. Nothing is told of work, so nothing goes on.
    let older = definitions(plane, "older", |kind, properties| {
        if kind == "CardNode" {
            let status = properties["status"]["properties"].as_object_mut();
            status.expect("a status").remove("lastSteps");
        }
    });
    install(plane, &older.display().to_string());
    apply(plane);
    until(
        "an agent says what the server does not take",
        || plane.logs(),
        |logs| logs.contains("lastSteps: field not declared in schema"),
    );
    // Newer, while nodes are at work: a field in every spec and every status.
    install(plane, "charts/shardplane/crds");
    let newer = definitions(plane, "newer", |_, properties| {
        for part in ["spec", "status"] {
            properties[part]["properties"]["future"] = json!({ "type": "string", "maxLength": 8 });
        }
    });
    install(plane, &newer.display().to_string());
    ready(plane, &OBJECTS);
    let declared = NODES.map(|node| fleet.acs(plane, node));

    // Somebody newer writes it: into a status, which is nobody else's business,
    let future = |part: &str, value: &str| format!(r#"{{"{part}":{{"future":{value}}}}}"#);
    for what in ["cnode/n1", "cplan --all", OBJECTS[1]] {
        let mut arguments: Vec<&str> = vec!["patch", "--subresource=status", "--type=merge", "-p"];
        let patch = future("status", r#""x""#);
        arguments.push(&patch);
        let name;
        if let Some(kind) = what.strip_suffix(" --all") {
            name = plane
                .kubectl(&["get", kind, "-o", "name"])
                .expected()
                .lines()
                .next_back()
                .unwrap_or_default()
                .to_owned();
            arguments.push(&name);
        } else {
            arguments.push(what);
        }
        plane.kubectl(&arguments).expected();
    }
    rests(plane, "cnode,cpol,p2pg,cplan,nodes");
    // and into a policy, which asks for something that this controller does not know: it says so, and touches nothing.
    let patch = |value: &str| {
        plane
            .kubectl(&[
                "patch",
                OBJECTS[0],
                "--type=merge",
                "-p",
                &future("spec", value),
            ])
            .expected();
    };
    patch(r#""x""#);
    stalled(plane, &[OBJECTS[0]]);
    let told = plane.kubectl(&["describe", OBJECTS[0]]).expected();
    for words in ["NotUnderstood", "future", "upgrade the controller"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    rests(plane, "cnode,cpol,p2pg,cplan,nodes");
    assert_eq!(NODES.map(|node| fleet.acs(plane, node)), declared);
    patch("null");
    ready(plane, &OBJECTS);

    // Into a model and a build: each says so, what they have stays, and what scales a model still finds what it goes by.
    let jobs = || plane.kubectl(&["get", "jobs", "-o", "name"]).expected();
    let (made, text) = (jobs(), future("spec", r#""x""#));
    for (object, kept) in [
        ("mbuild/tiny-guide", "{.metadata.ownerReferences[0].kind}"),
        ("smodel/tiny-guide", "{.status.selector}"),
    ] {
        plane
            .kubectl(&["patch", object, "--type=merge", "-p", &text])
            .expected();
        stalled(plane, &[object]);
        let told = plane.kubectl(&["describe", object]).expected();
        for words in ["NotUnderstood", "future", "upgrade the controller"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let path = format!("jsonpath={kept}");
        let kept = plane.kubectl(&["get", object, "-o", &path]).expected();
        assert!(!kept.is_empty(), "{object}");
    }
    rests(plane, "smodel,mbuild,jobs");
    assert_eq!(jobs(), made);
    let text = future("spec", "null");
    for object in ["mbuild/tiny-guide", "smodel/tiny-guide"] {
        plane
            .kubectl(&["patch", object, "--type=merge", "-p", &text])
            .expected();
    }
    let path = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].reason}"#;
    until(
        "they are understood again",
        || {
            plane
                .kubectl(&["get", "smodel,mbuild", "-o", path])
                .expected()
        },
        |now| now == "Building Building",
    );
    ready(plane, &OBJECTS);
    for node in NODES {
        assert_eq!(fleet.resets(plane, node), [1; 4], "{node}");
    }
    rights::suffice(plane);
}
