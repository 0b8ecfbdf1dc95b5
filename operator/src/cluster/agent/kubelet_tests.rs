//! The kubelet's word, over real gRPC on a socket: what a kubelet's own encoder wrote, and every way to answer badly.
use std::path::PathBuf;

use http::{HeaderMap, Response};
use prost::bytes::{BufMut, Bytes, BytesMut};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime};

use super::{kubelet::Kubelet, tenants::Word};

/// Written by the encoder of k8s.io/kubelet 1.37.2 (`pkg/apis/podresources/v1`), with fields that we do not read.
const RECORDED: &[u8] = include_bytes!("recorded/pod-resources-1.37.2.bin");

/// What a server says to one request.
#[derive(Clone)]
struct Script {
    /// HTTP status.
    http: u16,
    /// The message, as it stands on the wire.
    body: Option<Bytes>,
    /// gRPC's status and words; in the head where there is no body.
    status: Option<(&'static str, &'static str)>,
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// Answers one request on a socket, as scripted, and checks that it is one that a kubelet would take.
async fn serve(listener: UnixListener, script: Script) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().path(), "/v1.PodResourcesLister/List");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        assert_eq!(request.headers()["te"], "trailers");
        let mut said = HeaderMap::new();
        if let Some((code, words)) = script.status {
            said.insert("grpc-status", code.parse().unwrap());
            said.insert("grpc-message", words.parse().unwrap());
        }
        let mut head = Response::builder().status(script.http).body(()).unwrap();
        match script.body.clone() {
            None => {
                head.headers_mut().extend(said);
                respond.send_response(head, true).unwrap();
            }
            Some(body) => {
                let mut stream = respond.send_response(head, false).unwrap();
                stream.send_data(body, false).unwrap();
                stream.send_trailers(said).unwrap();
            }
        }
    }
}

fn asked(script: Script) -> Word {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(async { UnixListener::bind(&socket).unwrap() });
    let served = runtime.spawn(serve(listener, script));
    let word = Kubelet::new(runtime.handle().clone(), socket).ask();
    runtime.block_on(served).unwrap();
    word
}

fn silent(script: Script) -> String {
    match asked(script) {
        Word::Silent(why) => why,
        word => panic!("{word:?}"),
    }
}

const OK: Script = Script {
    http: 200,
    body: None,
    status: Some(("0", "")),
};

#[test]
fn what_a_kubelet_wrote_is_read() {
    let Word::Said(allotments) = asked(Script {
        body: Some(framed(RECORDED)),
        ..OK
    }) else {
        panic!("the kubelet has spoken");
    };
    let said: Vec<String> = allotments
        .iter()
        .map(|one| format!("{} {} {}", one.pod, one.of, one.device))
        .collect();
    assert_eq!(
        said,
        [
            "models/serving-0 qualcomm.com/qaic-ultra 0000:23:00.0",
            "models/serving-0 qualcomm.com/qaic-ultra 0000:24:00.0",
            "models/serving-0 nvidia.com/gpu GPU-1",
            "default/claimed shardplane.dev 0000-25-00-0",
        ]
    );
}

#[test]
fn a_kubelet_that_hangs_up_is_asked_again() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(async { UnixListener::bind(&socket).unwrap() });
    let served = runtime.spawn(async move {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
        let body = Some(framed(&[]));
        serve(listener, Script { body, ..OK }).await;
    });
    let word = Kubelet::new(runtime.handle().clone(), socket).ask();
    assert_eq!(word, Word::Said(Vec::new()));
    runtime.block_on(served).unwrap();
}

#[test]
fn a_node_without_pods_has_no_allotments() {
    let body = Some(framed(&[]));
    assert_eq!(asked(Script { body, ..OK }), Word::Said(Vec::new()));
}

#[test]
fn whatever_is_no_answer_is_told() {
    let refused = Script {
        status: Some(("8", "rejected by rate limit")),
        ..OK
    };
    assert!(silent(refused).ends_with("gRPC status 8 (rejected by rate limit)"));
    let late = Script {
        body: Some(framed(RECORDED)),
        status: Some(("4", "late")),
        ..OK
    };
    assert!(silent(late).ends_with("gRPC status 4 (late)"));
    let unsaid = Script {
        body: Some(framed(RECORDED)),
        status: None,
        ..OK
    };
    assert!(silent(unsaid).ends_with("gRPC status  ()"));
    assert!(silent(Script { http: 404, ..OK }).contains("HTTP status 404"));
    for torn in [
        Bytes::new(),
        framed(RECORDED).slice(..RECORDED.len()),
        Bytes::from_static(&[1, 0, 0, 0, 0]),
    ] {
        let body = Some(torn);
        assert!(silent(Script { body, ..OK }).ends_with("no whole message"));
    }
    let body = Some(framed(&RECORDED[..RECORDED.len() - 1]));
    assert!(silent(Script { body, ..OK }).starts_with("reading which pods have devices"));
}

#[test]
fn nobody_there_is_told() {
    let runtime = Runtime::new().unwrap();
    let nowhere = PathBuf::from("/nowhere/kubelet.sock");
    match Kubelet::new(runtime.handle().clone(), nowhere).ask() {
        Word::Silent(why) => assert!(why.starts_with("connecting to /nowhere/kubelet.sock")),
        word => panic!("{word:?}"),
    }
}
