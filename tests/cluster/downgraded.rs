//! An older version that is to bring definitions to its own, over newer ones that objects make use of.
use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    converging::{ready, stalled},
    failing::{OBJECTS, observed, rests},
    fleet::{Fleet, policy_with, shardplane},
    ours::Said,
    upgraded::{definitions, install},
};

const NODE: &str = "n1";
const PLANS: &str = "crd/changeplans.shardplane.dev";

fn define(plane: &ControlPlane, more: &[&str]) -> Said {
    let kubeconfig = plane.folder().join("kubeconfig").display().to_string();
    let all = ["installed", "define", "--kubeconfig", &kubeconfig];
    shardplane(&[&all, more].concat())
}

/// It says what would be lost, and no definition was written.
#[track_caller]
fn refused(plane: &ControlPlane, named: &str) {
    let path = "-o=jsonpath={.items[*].metadata.resourceVersion}";
    let versions = || plane.kubectl(&["get", "crd", path]).expected();
    let before = versions();
    let said = define(plane, &[]);
    assert_eq!(said.code, Some(12), "{}", said.stderr);
    for words in [named, "newer than", "crds.upgrade", "--give-up-fields"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!((versions(), said.stdout.as_str()), (before, ""));
}

/// It goes ahead, and says what was given up.
#[track_caller]
fn given_up(plane: &ControlPlane, named: &str) {
    let said = define(plane, &["--give-up-fields"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let line = format!("{named} is given up\n");
    assert!(said.stdout.starts_with(&line), "{}", said.stdout);
}

pub fn an_older_version_takes_nothing_away(plane: &mut ControlPlane) {
    let mut fleet = Fleet::start(plane, &[NODE]);
    observed(plane, &[NODE]);
    let newer = definitions(plane, "newer", |kind, properties| {
        if kind == "CardPolicy" {
            properties["spec"]["properties"]["hold"] = json!({ "type": "boolean" });
        }
    });
    install(plane, &newer.display().to_string());
    // A policy to do nothing yet, as a newer controller understands it. Ours says that it does not, and does nothing. It
    // begins when the policy is there: a watch that is older than the definition may have left the field out.
    fleet.kill_controller("first");
    let policy = policy_with(plane, "\nspec:", "\nspec:\n  hold: true");
    let policy = policy.display().to_string();
    let group = "examples/quickstart/cluster/group.yaml";
    let declare = ["apply", "--server-side", "-f", &policy, "-f", group];
    plane.kubectl(&declare).expected();
    fleet.start_controller(plane, "second");
    stalled(plane, &OBJECTS);

    refused(plane, "CardPolicy spec.hold");
    let get = |what: &str, path: &str| {
        let path = format!("-o=jsonpath={path}");
        plane.kubectl(&["get", what, &path]).expected()
    };
    rests(plane, "cnode,cpol,p2pg,cplan");
    assert_eq!(get(OBJECTS[0], "{.spec.hold}"), "true");
    assert_eq!(get("cplan", "{.items[*].metadata.name}"), "");
    assert_eq!(fleet.resets(plane, NODE), [0; 4]);

    // Who means it is told what is lost; what is left of the policy is carried out.
    given_up(plane, "CardPolicy spec.hold");
    ready(plane, &OBJECTS);
    assert_eq!(get(OBJECTS[0], "{.spec.hold}"), "");

    // A version that is served and not ours, of the last definition that would be written.
    let patch = |what: &str, patch: &str| {
        let patch = ["patch", what, "--type=json", "-p", patch];
        plane.kubectl(&patch).expected();
    };
    let more = r#"[{"op": "copy", "from": "/spec/versions/0", "path": "/spec/versions/1"},
        {"op": "replace", "path": "/spec/versions/1/name", "value": "v1beta1"},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": false}]"#;
    patch(PLANS, more);
    refused(plane, "ChangePlan version v1beta1");
    given_up(plane, "ChangePlan version v1beta1");
    assert_eq!(get(PLANS, "{.spec.versions[*].name}"), "v1alpha1");

    // Over definitions as ours, and over older ones, it goes ahead as ever.
    let root = "/spec/versions/0/schema/openAPIV3Schema/properties";
    let older = format!(r#"[{{"op": "remove", "path": "{root}/status/properties/lastSteps"}}]"#);
    let nodes = "crd/cardnodes.shardplane.dev";
    let field =
        "{.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.lastSteps.type}";
    for before in [None, Some(&older)] {
        if let Some(older) = before {
            patch(nodes, older);
            assert_eq!(get(nodes, field), "");
        }
        let said = define(plane, &[]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_eq!(get(nodes, field), "array");
    }
}
