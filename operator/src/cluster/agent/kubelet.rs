//! Asks the node's kubelet which pod has which devices: one gRPC call on the PodResources socket, at every look.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crd::snapshot::PodName;
use http::{HeaderMap, Request, StatusCode};
use prost::{
    DecodeError, Message,
    bytes::{Buf, Bytes, BytesMut},
};
use tokio::{net::UnixStream, runtime::Handle, task::JoinSet};

use super::{
    pod_resources::{ListPodResourcesResponse, PodResources},
    tenants::{Allotment, Word},
};

/// Where a kubelet listens, unless its root folder was moved.
pub const SOCKET: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";
/// The authority is a formality on a socket.
const LIST: &str = "http://localhost/v1.PodResourcesLister/List";
/// How long it may take, all tries together: it answers from memory.
const LIMIT: Duration = Duration::from_secs(5);
/// How long one that hung up is given: it is being started again, and a step that waits on its word would fail.
const AGAIN: Duration = Duration::from_millis(250);
/// How often it is asked at most.
const TRIES: usize = 4;
/// The kubelet's own clients take answers of up to 16 MiB.
const LARGEST: usize = 16 << 20;
/// A message on the wire begins with whether it is compressed and with its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;
/// The request has no fields.
const NOTHING: [u8; PREFIX] = [0; PREFIX];

/// Why the kubelet gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// Nobody listens, or not for us.
    #[error("connecting to {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// HTTP/2 failed.
    #[error("asking which pods have devices")]
    Exchange(#[source] h2::Error),
    /// It is no gRPC server.
    #[error("asking which pods have devices: it answered with HTTP status {0}")]
    Status(StatusCode),
    /// It refuses.
    #[error("asking which pods have devices: it answered with gRPC status {code} ({message})")]
    Refused {
        /// gRPC's code; empty where there was none.
        code: String,
        /// What it says.
        message: String,
    },
    /// It says more than a node can have.
    #[error("asking which pods have devices: its answer is longer than {LARGEST} bytes")]
    TooLarge,
    /// Its answer is not one whole, plain message.
    #[error("asking which pods have devices: its answer is no whole message")]
    Torn,
    /// Its answer is no such message.
    #[error("reading which pods have devices")]
    Malformed(#[source] DecodeError),
    /// It does not answer.
    #[error("asking which pods have devices: no answer in {} s", LIMIT.as_secs())]
    Silent,
}

/// A node's kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    runtime: Handle,
    socket: PathBuf,
}

impl Kubelet {
    /// The kubelet that listens there.
    pub fn new(runtime: Handle, socket: PathBuf) -> Self {
        Self { runtime, socket }
    }

    /// What it says now. Not to be called on the runtime's own threads.
    pub fn ask(&self) -> Word {
        let asked = self.runtime.block_on(async {
            tokio::time::timeout(LIMIT, patiently(&self.socket))
                .await
                .unwrap_or(Err(KubeletError::Silent))
        });
        match asked {
            Ok(allotments) => Word::Said(allotments),
            Err(error) => Word::Silent(crate::failure::chain(&error)),
        }
    }
}

/// Asks again where nobody listened or the connection broke; what was answered is an answer.
async fn patiently(socket: &Path) -> Result<Vec<Allotment>, KubeletError> {
    let mut tries = 1;
    loop {
        match allotments(socket).await {
            Err(KubeletError::Connect { .. } | KubeletError::Exchange(_)) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(AGAIN).await;
            }
            said => return said,
        }
    }
}

async fn allotments(socket: &Path) -> Result<Vec<Allotment>, KubeletError> {
    let answer = list(socket).await?;
    let answer = ListPodResourcesResponse::decode(answer).map_err(KubeletError::Malformed)?;
    Ok(answer.pod_resources.into_iter().flat_map(of_pod).collect())
}

fn of_pod(pod: PodResources) -> Vec<Allotment> {
    let PodResources {
        name,
        namespace,
        containers,
    } = pod;
    let pod = PodName { namespace, name };
    containers
        .into_iter()
        .flat_map(|container| {
            let plugged = container.devices.into_iter().flat_map(|devices| {
                let of = devices.resource_name;
                let ids = devices.device_ids.into_iter();
                ids.map(move |id| (of.clone(), id))
            });
            let claims = container.dynamic_resources.into_iter();
            let claimed = claims
                .flat_map(|claim| claim.claim_resources)
                .map(|device| (device.driver_name, device.device_name));
            plugged.chain(claimed).collect::<Vec<_>>()
        })
        .map(|(of, device)| Allotment {
            pod: pod.clone(),
            of,
            device,
        })
        .collect()
}

/// One unary call; the message that came back.
async fn list(socket: &Path) -> Result<Bytes, KubeletError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| KubeletError::Connect {
            socket: socket.to_owned(),
            source,
        })?;
    let (send, connection) = h2::client::handshake(stream)
        .await
        .map_err(KubeletError::Exchange)?;
    // Aborted when this returns; what goes wrong with it is told by the requests on it.
    let mut driven = JoinSet::new();
    driven.spawn(connection);
    let mut send = send.ready().await.map_err(KubeletError::Exchange)?;
    let request = Request::post(LIST)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|_| KubeletError::Torn)?;
    let (response, mut body) = send
        .send_request(request, false)
        .map_err(KubeletError::Exchange)?;
    // A server that refuses at once wants no request; its answer says why.
    let _refused = body.send_data(Bytes::from_static(&NOTHING), true);
    let (head, mut stream) = response.await.map_err(KubeletError::Exchange)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(KubeletError::Status(head.status));
    }
    let mut answer = BytesMut::new();
    while let Some(part) = stream.data().await {
        let part = part.map_err(KubeletError::Exchange)?;
        if answer.len() + part.len() > LARGEST + PREFIX {
            return Err(KubeletError::TooLarge);
        }
        answer.extend_from_slice(&part);
        // A stream that has its last part wants no more room, and says so as an error.
        let _ended = stream.flow_control().release_capacity(part.len());
    }
    let trailers = stream.trailers().await.map_err(KubeletError::Exchange)?;
    // A refusal without a message has its status in the head.
    accepted(trailers.as_ref().unwrap_or(&head.headers))?;
    whole(answer.freeze())
}

fn accepted(said: &HeaderMap) -> Result<(), KubeletError> {
    let text = |name: &str| {
        let value = said.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let code = text("grpc-status");
    if code == "0" {
        return Ok(());
    }
    let message = text("grpc-message");
    Err(KubeletError::Refused { code, message })
}

/// The one message of an answer, without what stands before it.
fn whole(mut answer: Bytes) -> Result<Bytes, KubeletError> {
    if answer.len() < PREFIX || answer.get_u8() != 0 {
        return Err(KubeletError::Torn);
    }
    let length = usize::try_from(answer.get_u32()).map_err(|_| KubeletError::Torn)?;
    if answer.len() == length {
        Ok(answer)
    } else {
        Err(KubeletError::Torn)
    }
}
