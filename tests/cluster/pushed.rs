//! Programs in a registry, with the test in the place of whoever runs pods: what a pod said is kept, and how its artifact gets
//! into workers goes by the server's version.
use crate::{
    control_plane::ControlPlane,
    failing::rests,
    fleet::{Fleet, until},
    models::{ALL, BUILD, field, job},
    played::{End, deployment_serves, job_ends, named},
};

const REPOSITORY: &str = "registry.example/team/programs";
const VOLUME: &str = ".spec.template.spec.volumes[?(@.name==\"programs\")]";

/// The quickstart's model, whose programs go to a registry; the words that its pod leaves.
fn declared(plane: &ControlPlane) -> String {
    plane.kubectl(&["create", "namespace", "team"]).expected();
    // Whoever makes them runs elsewhere.
    let account = ["create", "serviceaccount", "default", "-n", "team"];
    plane.kubectl(&account).expected();
    let mut apply = vec!["apply", "--server-side", "-n", "team"];
    apply.extend(crate::models::DECLARED);
    plane.kubectl(&apply).expected();
    let to = format!(
        r#"--patch={{"spec":{{"store":{{"pvc":null,"oci":{{"repository":"{REPOSITORY}","pushSecret":"push"}}}},"pod":{{"imagePullSecrets":[{{"name":"pull"}}]}}}}}}"#
    );
    let patch = ["patch", "smodel/tiny-guide", "-n", "team", "--type=merge"];
    plane.kubectl(&[&patch[..], &[&to]].concat()).expected();
    format!("sha256:{}", "a".repeat(64))
}

/// A pod of a job that has ended well, with these last words of whoever pushed.
fn pod_pushed(plane: &ControlPlane, job: &str, said: &str) {
    let uid = field(plane, "team", &format!("job/{job}"), ".metadata.uid");
    let metadata = format!(
        r#"{{"labels":{{"batch.kubernetes.io/job-name":"{job}","app.kubernetes.io/managed-by":"shardplane-models","{}":"{}"}},"ownerReferences":[{{"apiVersion":"batch/v1","kind":"Job","name":"{job}","uid":"{uid}","controller":true}}]}}"#,
        "shardplane.dev/build", "tiny-guide"
    );
    plane
        .kubectl(&[
            "run",
            "built",
            "-n",
            "team",
            "--image=none",
            "--restart=Never",
            &format!("--overrides={{\"metadata\":{metadata}}}"),
        ])
        .expected();
    let ended = format!(
        r#"{{"name":"push","image":"none","imageID":"","ready":false,"restartCount":0,"state":{{"terminated":{{"exitCode":0,"message":"{said}"}}}}}}"#
    );
    let status =
        format!(r#"--patch={{"status":{{"phase":"Succeeded","containerStatuses":[{ended}]}}}}"#);
    let patch = ["patch", "pod/built", "-n", "team", "--subresource=status"];
    plane
        .kubectl(&[&patch[..], &["--type=merge", &status]].concat())
        .expected();
}

fn is_served(plane: &ControlPlane, expected: [&str; 2]) {
    let digest = declared(plane);
    // The build is told of the store that the model says now.
    let job = until(
        "a job that pushes is made",
        || {
            let path =
                "{range .items[?(@.spec.template.spec.initContainers)]}{.metadata.name}{end}";
            let path = format!("-o=jsonpath={path}");
            plane
                .kubectl(&["get", "jobs", "-n", "team", "-l", BUILD, &path])
                .expected()
        },
        |name| !name.is_empty(),
    );
    assert_eq!(job, self::job(plane, "team", &[]));
    pod_pushed(plane, &job, &digest);
    job_ends(plane, "team", &job, End::Well);
    let artifact = format!("{REPOSITORY}@{digest}");
    until(
        "the build says where it lies",
        || field(plane, "team", "mbuild/tiny-guide", ".status.artifact"),
        |said| *said == artifact,
    );
    until(
        "a deployment is made",
        || named(plane, "team", "deployments", crate::models::MODEL),
        |made| made.len() == 1,
    );
    let deployment = "deployment/tiny-guide";
    let [reference, first] = [
        format!("{VOLUME}.image.reference"),
        ".spec.template.spec.initContainers[*].name".to_owned(),
    ]
    .map(|path| field(plane, "team", deployment, &path));
    let mounted = if expected[0].is_empty() {
        ""
    } else {
        &artifact
    };
    assert_eq!([reference.as_str(), first.as_str()], [mounted, expected[1]]);
    deployment_serves(plane, "team", "tiny-guide", 1);
    let ready = r#".status.conditions[?(@.type=="Ready")].status"#;
    until(
        "the model is ready",
        || field(plane, "team", "smodel/tiny-guide", ready),
        |ready| ready == "True",
    );
    // What the server fills in is nothing that has to be put back.
    rests(plane, ALL);
    // Pod and job may go.
    let gone = ["delete", "-n", "team", "pod/built", &format!("job/{job}")];
    plane
        .kubectl(&[&gone[..], &["--grace-period=0", "--force"]].concat())
        .expected();
    rests(plane, ALL);
    assert_eq!(
        field(plane, "team", "mbuild/tiny-guide", ".status.artifact"),
        artifact
    );
    assert!(named(plane, "team", "jobs", BUILD).is_empty());
}

/// A server that takes volumes that are images.
pub fn what_was_pushed_is_mounted(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    is_served(plane, ["mounted", ""]);
}

/// One that drops them from whatever has them: a model that is one is told of, for its Job has none.
pub fn what_was_pushed_is_copied(plane: &mut ControlPlane) {
    let _fleet = Fleet::start(plane, &[]);
    is_served(plane, ["", "pull"]);
    let reference = format!("registry.example/models/tiny@sha256:{}", "b".repeat(64));
    let from = format!(
        r#"--patch={{"spec":{{"model":{{"pvc":null,"digest":null,"oci":{{"reference":"{reference}"}}}}}}}}"#
    );
    let patch = ["patch", "smodel/tiny-guide", "-n", "team", "--type=merge"];
    plane.kubectl(&[&patch[..], &[&from]].concat()).expected();
    let reason = r#".status.conditions[?(@.type=="Stalled")].reason"#;
    until(
        "the build says what the server does",
        || field(plane, "team", "mbuild/tiny-guide", reason),
        |reason| reason == "ImageVolumesMissing",
    );
}
