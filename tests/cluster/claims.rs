//! Claims that come late, or that nobody makes a volume for: it is said, and all goes on when they are there.
use crate::{
    control_plane::ControlPlane,
    fleet::{Fleet, until},
    models::{DECLARED, field, job},
    played::{End, named, pod_ends, pods_answer},
};

/// Kubernetes' own that make pods of jobs and deployments, and bind volumes to claims.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,job-controller,serviceaccount-controller,\
    persistentvolume-binder-controller,persistentvolumeclaim-protection-controller";
const CLAIMS: &str = "examples/quickstart/cluster/claims.yaml";

/// Waits until the model and its build stand still for a reason, and gives the model's sentence.
fn stalls(plane: &ControlPlane, reason: &str) -> String {
    let stalled = r#".status.conditions[?(@.type=="Stalled")]"#;
    for object in ["mbuild/tiny-guide", "smodel/tiny-guide"] {
        let told = || {
            field(
                plane,
                "team",
                object,
                &format!("{stalled}.status}}{{{stalled}.reason"),
            )
        };
        until(reason, told, |told| *told == format!("True{reason}"));
    }
    field(
        plane,
        "team",
        "smodel/tiny-guide",
        &format!("{stalled}.message"),
    )
}

pub fn a_claim_that_comes_late_is_waited_for(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    let _controllers = plane.start_controllers(CONTROLLERS);
    plane.kubectl(&["create", "namespace", "team"]).expected();
    let claims = DECLARED.iter().position(|word| *word == CLAIMS);
    let claims = claims.expect("the quickstart has claims");
    let mut apply = vec!["apply", "--server-side", "-n", "team"];
    apply.extend(DECLARED[..claims - 1].iter().chain(&DECLARED[claims + 1..]));
    plane.kubectl(&apply).expected();
    let told = stalls(plane, "ClaimMissing");
    assert!(
        told.contains("there is no claim models in namespace team"),
        "{told}"
    );
    let jobs = named(plane, "team", "jobs", "shardplane.dev/build=tiny-guide");
    assert!(jobs.is_empty(), "{jobs:?}");

    // They have no class, and there is no default one.
    plane
        .kubectl(&["apply", "--server-side", "-n", "team", "-f", CLAIMS])
        .expected();
    job(plane, "team", &[]);
    let told = stalls(plane, "ClaimUnbound");
    assert!(
        told.contains("kubectl describe pvc -n team models"),
        "{told}"
    );

    for name in ["models", "programs"] {
        let volume = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
             capacity: {{storage: 1Gi}}\n  claimRef: {{namespace: team, name: {name}}}\n  hostPath: {{path: /nowhere}}\n"
        );
        let path = plane.folder().join(format!("{name}.yaml"));
        std::fs::write(&path, volume).expect("the volume is written");
        let path = path.display().to_string();
        plane.kubectl(&["apply", "-f", &path]).expected();
    }
    until(
        "it goes on",
        || {
            plane
                .kubectl(&["get", "smodel,mbuild", "-n", "team"])
                .expected()
        },
        |table| table.matches("False   Building").count() == 2,
    );
    let pods = named(plane, "team", "pods", "shardplane.dev/build=tiny-guide");
    pod_ends(plane, "team", &pods[0], End::Well);
    pods_answer(plane, "team", "shardplane.dev/model=tiny-guide", 1);
    until(
        "the model serves",
        || plane.kubectl(&["get", "smodel", "-n", "team"]).expected(),
        |table| table.contains("True    AsDeclared"),
    );
}
