//! Nodes as kubelets report them, and a client for the agent of each.
use std::{
    fs,
    path::{Path, PathBuf},
};

use http::Request;
use operator::{cli::Environment, cluster::connection};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Failed;

pub use operator::cluster::connection::Client;

/// Requests under way at once.
const AT_ONCE: usize = 8;
/// Images that a kubelet tells of at most: most of a Node's size.
const IMAGES: usize = 50;

/// One node and the way of its agent to the API server.
pub struct Virtual {
    /// Its name.
    pub name: String,
    /// UID of its Node.
    pub uid: String,
    /// Its running boot.
    pub boot_id: String,
    /// A client with a token that is bound to its Node.
    pub client: Client,
}

/// Makes so many; the kubeconfig of each goes into the folder.
pub async fn nodes(
    admin: &Client,
    kubeconfig: &Path,
    folder: &Path,
    count: usize,
) -> Result<Vec<Virtual>, Failed> {
    let kubeconfig = Kubeconfig {
        text: fs::read_to_string(kubeconfig)?,
        folder: folder.to_owned(),
    };
    let numbers: Vec<usize> = (1..=count).collect();
    let mut nodes = Vec::new();
    for some in numbers.chunks(AT_ONCE) {
        let mut making = JoinSet::new();
        for number in some {
            making.spawn(made(admin.clone(), kubeconfig.clone(), *number));
        }
        while let Some(made) = making.join_next().await {
            nodes.push(made??);
        }
    }
    Ok(nodes)
}

/// How to reach the server, as an administrator does, and where copies for others go.
#[derive(Clone)]
struct Kubeconfig {
    text: String,
    folder: PathBuf,
}

impl Kubeconfig {
    /// A client for whoever has this token.
    async fn client(&self, name: &str, token: &str) -> Result<Client, Failed> {
        let (admins, _) = self
            .text
            .split_once("token: ")
            .and_then(|(_, rest)| rest.split_once('}'))
            .ok_or("the kubeconfig has a token")?;
        let path = self.folder.join(format!("{name}.kubeconfig"));
        fs::write(&path, self.text.replace(admins, token))?;
        Ok(connection::client(Some(&path), &Environment::default()).await?)
    }
}

async fn made(admin: Client, kubeconfig: Kubeconfig, number: usize) -> Result<Virtual, Failed> {
    let name = format!("aic-{number:05}");
    let node: Value = admin.request(post("/api/v1/nodes", &node(&name))?).await?;
    let uid = node["metadata"]["uid"].as_str().ok_or("a uid")?.to_owned();
    let account = "/api/v1/namespaces/shardplane-system/serviceaccounts/shardplane-agent/token";
    let token: Value = admin.request(post(account, &bound(&name, &uid))?).await?;
    let token = token["status"]["token"].as_str().ok_or("a token")?;
    let client = kubeconfig.client(&name, token).await?;
    Ok(Virtual {
        name,
        uid,
        boot_id: format!("00000000-0000-4000-8000-{number:012}"),
        client,
    })
}

fn post(path: &str, body: &Value) -> Result<Request<Vec<u8>>, Failed> {
    let request = Request::post(path).header("content-type", "application/json");
    Ok(request.body(serde_json::to_vec(body)?)?)
}

/// A Node as its kubelet reports it.
fn node(name: &str) -> Value {
    let images: Vec<Value> = (0..IMAGES)
        .map(|number| {
            let digest = format!("{number:064x}");
            json!({
                "names": [
                    format!("registry.example/team-{number}/image@sha256:{digest}"),
                    format!("registry.example/team-{number}/image:v1.{number}.0"),
                ],
                "sizeBytes": 100_000_000 + number,
            })
        })
        .collect();
    let ready = json!({
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": { "qualcomm.com/qaic": "true", "kubernetes.io/hostname": name },
        },
        "status": { "conditions": [ready], "images": images },
    })
}

/// Asks for a token of the agents' account that is bound to a Node.
fn bound(name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": [],
            "expirationSeconds": 86_400,
            "boundObjectRef": { "apiVersion": "v1", "kind": "Node", "name": name, "uid": uid },
        },
    })
}
