//! Models in a cluster: built by a Job, served by a Deployment, scaled by kubectl, and gone when they are deleted.
use crate::{
    control_plane::ControlPlane,
    failing::rests,
    fleet::{Fleet, until},
    played::{End, deployment_serves, job_ends, named, pod_ends, pods_answer},
};

/// Every kind that is made for a model, and the model.
pub const ALL: &str = "smodel,mbuild,jobs,deployments,services,pdb";
/// Kubernetes' own that make pods of what our controller makes, and sweep up after it.
const CONTROLLERS: [&str; 5] = [
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
];
/// The label of what builds it.
pub const BUILD: &str = "shardplane.dev/build=tiny-guide";
/// The label of what serves the quickstart's model.
pub const MODEL: &str = "shardplane.dev/model=tiny-guide";
/// What kubelets and volumes would say is not asked in these tests; what is declared is the quickstart's.
pub const DECLARED: [&str; 6] = [
    "-f",
    "examples/quickstart/cluster/group.yaml",
    "-f",
    "examples/quickstart/cluster/claims.yaml",
    "-f",
    "examples/quickstart/cluster/model.yaml",
];

/// Waits until a condition of an object holds.
#[track_caller]
fn wait(plane: &ControlPlane, namespace: &str, condition: &str, object: &str) {
    let answer = plane.kubectl(&[
        "wait",
        &format!("--for=condition={condition}"),
        "--timeout=60s",
        "--request-timeout=0",
        "-n",
        namespace,
        object,
    ]);
    if !answer.succeeded {
        let now = plane
            .kubectl(&["get", ALL, "-n", namespace, "-o", "yaml"])
            .expected();
        panic!("{}\n{now}\n{}", answer.stderr, plane.logs());
    }
}

/// A field of an object.
pub fn field(plane: &ControlPlane, namespace: &str, object: &str, path: &str) -> String {
    let path = format!("jsonpath={{{path}}}");
    plane
        .kubectl(&["get", object, "-n", namespace, "-o", &path])
        .expected()
}

/// The one job of the quickstart's build that is not in this list.
pub fn job(plane: &ControlPlane, namespace: &str, besides: &[String]) -> String {
    let jobs = until(
        "a job is made",
        || {
            let mut jobs = named(plane, namespace, "jobs", BUILD);
            jobs.retain(|job| !besides.contains(job));
            jobs
        },
        |jobs| jobs.len() == 1,
    );
    jobs.concat()
}

/// The quickstart's model with no controller of the cluster's own: built, served, and a revision after it.
pub fn a_revision_follows_another(plane: &ControlPlane) {
    let first = job(plane, "default", &[]);
    job_ends(plane, "default", &first, End::Well);
    wait(plane, "default", "Ready", "mbuild/tiny-guide");
    until(
        "a deployment is made",
        || named(plane, "default", "deployments", MODEL),
        |deployments| deployments.len() == 1,
    );
    deployment_serves(plane, "default", "tiny-guide", 1);
    wait(plane, "default", "Ready", "smodel/tiny-guide");

    let patch = r#"--patch={"spec":{"precision":"Int8"}}"#;
    plane
        .kubectl(&["patch", "smodel/tiny-guide", "--type=merge", patch])
        .expected();
    let second = job(plane, "default", std::slice::from_ref(&first));
    let program = |object: &str| {
        let path = r".metadata.annotations.shardplane\.dev/program";
        field(plane, "default", object, path)
    };
    let deployment = "deployment/tiny-guide";
    assert_eq!(
        program(deployment),
        program(&format!("job/{first}")),
        "what serves is left alone until there is something in its place"
    );
    job_ends(plane, "default", &second, End::Well);
    let built = program(&format!("job/{second}"));
    until(
        "the revision is served",
        || program(deployment),
        |now| *now == built,
    );
    deployment_serves(plane, "default", "tiny-guide", 1);
    wait(plane, "default", "Ready", "smodel/tiny-guide");
    until(
        "the first job goes",
        || named(plane, "default", "jobs", BUILD),
        |jobs| *jobs == [second.clone()],
    );
    assert_eq!(
        field(plane, "default", "smodel/tiny-guide", ".status.program"),
        built
    );
}

/// The same with the cluster's own controllers, in a namespace that takes restricted pods alone.
pub fn a_model_is_built_served_scaled_and_left(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    let _controllers = plane.start_controllers(&CONTROLLERS.join(","));
    plane.kubectl(&["create", "namespace", "team"]).expected();
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    plane
        .kubectl(&["label", "namespace", "team", restricted])
        .expected();
    let mut apply = vec!["apply", "--server-side", "-n", "team"];
    apply.extend(DECLARED);
    plane.kubectl(&apply).expected();

    let pods = until(
        "a pod that builds is made",
        || named(plane, "team", "pods", BUILD),
        |pods| pods.len() == 1,
    );
    until(
        "what is waited for is told",
        || plane.kubectl(&["get", "smodel", "-n", "team"]).stdout,
        |table| table.contains("False   Building"),
    );
    pod_ends(plane, "team", &pods[0], End::Well);
    pods_answer(plane, "team", MODEL, 1);
    wait(plane, "team", "Ready", "smodel/tiny-guide");
    for (kind, expected) in [
        ("smodel", "tiny-guide 4 P2P 1 1 True AsDeclared"),
        ("mbuild", "tiny-guide CPU 4 True Built"),
    ] {
        let table = plane.kubectl(&["get", kind, "-n", "team"]).expected();
        let words: Vec<&str> = table.split_whitespace().collect();
        assert!(words.join(" ").contains(expected), "{table}");
    }

    // As a person scales it, and as an autoscaler reads it.
    plane
        .kubectl(&["scale", "smodel/tiny-guide", "-n", "team", "--replicas=3"])
        .expected();
    pods_answer(plane, "team", MODEL, 3);
    until(
        "three replicas serve",
        || field(plane, "team", "smodel/tiny-guide", ".status.readyReplicas"),
        |ready| ready == "3",
    );
    wait(plane, "team", "Ready", "smodel/tiny-guide");
    let scale = plane
        .kubectl(&[
            "get",
            "--raw",
            "/apis/shardplane.dev/v1alpha1/namespaces/team/shardedmodels/tiny-guide/scale",
        ])
        .expected();
    for words in [
        r#""spec":{"replicas":3}"#,
        r#""replicas":3,"selector":"shardplane.dev/model=tiny-guide""#,
    ] {
        assert!(scale.contains(words), "{scale}");
    }
    rests(plane, ALL);
    let mut diff = vec!["diff", "--server-side", "-n", "team"];
    diff.extend(DECLARED);
    let diff = plane.kubectl(&diff);
    assert!(diff.succeeded && diff.stdout.is_empty(), "{diff:?}");

    // What somebody takes away or changes comes back.
    plane
        .kubectl(&["delete", "service/tiny-guide", "-n", "team"])
        .expected();
    let patch = r#"--patch={"spec":{"maxUnavailable":2}}"#;
    plane
        .kubectl(&[
            "patch",
            "pdb/tiny-guide",
            "-n",
            "team",
            "--type=merge",
            patch,
        ])
        .expected();
    until(
        "the Service comes back",
        || plane.kubectl(&["get", "service/tiny-guide", "-n", "team"]),
        |answer| answer.succeeded,
    );
    until(
        "the budget is as it was",
        || field(plane, "team", "pdb/tiny-guide", ".spec.maxUnavailable"),
        |now| now == "1",
    );

    plane
        .kubectl(&["delete", "smodel/tiny-guide", "-n", "team"])
        .expected();
    until(
        "what was made for it goes",
        || {
            let kinds = format!("{ALL},pods,replicasets");
            plane
                .kubectl(&["get", &kinds, "-n", "team", "-o", "name"])
                .expected()
        },
        String::is_empty,
    );
}

/// A build that fails says where to look, a name that is taken says so, and neither is written again and again.
pub fn what_goes_wrong_with_a_model_is_said(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    plane.kubectl(&["create", "namespace", "team"]).expected();
    plane
        .kubectl(&[
            "create",
            "service",
            "clusterip",
            "tiny-guide",
            "--tcp=1:1",
            "-n",
            "team",
        ])
        .expected();
    let mut apply = vec!["apply", "--server-side", "-n", "team"];
    apply.extend(DECLARED);
    plane.kubectl(&apply).expected();
    let first = job(plane, "team", &[]);
    job_ends(plane, "team", &first, End::Badly);
    wait(plane, "team", "Stalled", "smodel/tiny-guide");
    let told = plane
        .kubectl(&["describe", "smodel/tiny-guide", "-n", "team"])
        .expected();
    for words in ["BuildFailed", &format!("kubectl logs -n team job/{first}")] {
        assert!(told.contains(words), "{told}");
    }
    let uid = || field(plane, "team", &format!("job/{first}"), ".metadata.uid");
    let before = uid();
    plane
        .kubectl(&[
            "annotate",
            "mbuild/tiny-guide",
            "-n",
            "team",
            "shardplane.dev/reconcile-requested-at=now",
        ])
        .expected();
    until(
        "the job is made again",
        || {
            let path = "jsonpath={.items[*].metadata.uid}";
            plane
                .kubectl(&["get", "jobs", "-n", "team", "-o", path])
                .expected()
        },
        |now| !now.is_empty() && *now != before,
    );
    job_ends(plane, "team", &first, End::Well);
    until(
        "the Service of that name is somebody else's",
        || {
            let path = ".status.conditions[?(@.type==\"Stalled\")].message";
            field(plane, "team", "smodel/tiny-guide", path)
        },
        |told| told.contains("Service tiny-guide") && told.contains("somebody else's"),
    );
    rests(plane, ALL);
    assert_eq!(
        field(plane, "team", "service/tiny-guide", ".spec.ports[0].port"),
        "1"
    );

    // On cards there is no driver yet: nothing is built, and nothing made.
    let patch = r#"--patch={"spec":{"target":"AI100","precision":"Mxfp6"}}"#;
    plane
        .kubectl(&[
            "patch",
            "smodel/tiny-guide",
            "-n",
            "team",
            "--type=merge",
            patch,
        ])
        .expected();
    until(
        "the driver is missing",
        || plane.kubectl(&["get", "smodel", "-n", "team"]).stdout,
        |table| table.contains("DriverMissing"),
    );
}
