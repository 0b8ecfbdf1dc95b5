//! A double of a kubelet's PodResources socket: real gRPC, and an answer that a test changes as pods come and go.
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime::Runtime,
};

/// Resource of the vendor's device plugin for SoCs of Ultra cards.
pub const RESOURCE: &str = "qualcomm.com/qaic-ultra";

/// Pods of the namespace `default`, each with its devices.
type Pods = Arc<Mutex<Vec<(String, Vec<String>)>>>;

/// The double of one node; it listens for as long as it lives.
pub struct Kubelet {
    socket: PathBuf,
    pods: Pods,
    _runtime: Runtime,
}

impl Kubelet {
    /// Listens in a folder.
    pub fn start(folder: &Path, node: &str) -> Self {
        let socket = folder.join(format!("kubelet-{node}.sock"));
        let runtime = Runtime::new().expect("threads start");
        let listener = runtime
            .block_on(async { UnixListener::bind(&socket) })
            .expect("a socket beside the servers");
        let pods = Pods::default();
        runtime.spawn(listen(listener, pods.clone()));
        Self {
            socket,
            pods,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A pod is admitted, and gets devices.
    pub fn admits(&self, pod: &str, devices: &[&str]) {
        let devices = devices.iter().map(ToString::to_string).collect();
        self.change(|pods| pods.push((pod.to_owned(), devices)));
    }

    /// A pod has ended.
    pub fn forgets(&self, pod: &str) {
        self.change(|pods| pods.retain(|(name, _)| name != pod));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(String, Vec<String>)>)) {
        change(&mut self.pods.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn listen(listener: UnixListener, pods: Pods) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, pods.clone()));
    }
}

/// One client, which hangs up when it has its answer.
async fn serve(stream: UnixStream, pods: Pods) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let known = request.uri().path() == "/v1.PodResourcesLister/List";
        let pods = pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A client that hangs up early wants no answer.
        let _gone = answer(respond, known.then(|| list(&pods)));
    }
}

/// Answers a call with a message, or as a server does that does not know it.
fn answer(mut respond: SendResponse<Bytes>, message: Option<Vec<u8>>) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    let content = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", content);
    let Some(message) = message else {
        let unimplemented = HeaderValue::from_static("12");
        head.headers_mut().insert("grpc-status", unimplemented);
        return respond.send_response(head, true).map(|_| ());
    };
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(&message);
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(frame.freeze(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// `ListPodResourcesResponse` of the kubelet's `podresources/v1/api.proto`.
fn list(pods: &[(String, Vec<String>)]) -> Vec<u8> {
    let pod = |(name, devices): &(String, Vec<String>)| {
        let ids: Vec<u8> = devices
            .iter()
            .flat_map(|id| field(2, id.as_bytes()))
            .collect();
        let given = field(2, &[field(1, RESOURCE.as_bytes()), ids].concat());
        let container = field(3, &[field(1, b"c"), given].concat());
        let named = [field(1, name.as_bytes()), field(2, b"default")].concat();
        field(1, &[named, container].concat())
    };
    pods.iter().flat_map(pod).collect()
}

/// A field of bytes, as the wire format has it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        all.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    all.push(u8::try_from(length).unwrap_or_default());
    all.extend_from_slice(bytes);
    all
}
