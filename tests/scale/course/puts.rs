//! What a store takes for the same bytes when nobody stands before it: etcd's own gRPC, as many puts as the run made.
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use tokio::{net::TcpStream, task::JoinSet};

/// Puts under way at once, as many as a controller has writes.
const AT_ONCE: u64 = 8;

/// Puts `count` values of `total` bytes together, over as many keys as there are nodes; how long that took.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is a real process on the wall clock"
)]
pub fn measure(address: &str, count: u64, total: u64, keys: usize) -> Duration {
    let runtime = tokio::runtime::Runtime::new().expect("threads start");
    let size = usize::try_from(total / count.max(1)).expect("a value fits in memory");
    let value = Bytes::from(vec![b'x'; size]);
    runtime.block_on(async {
        let client = connect(address).await;
        let began = Instant::now();
        let mut putting = JoinSet::new();
        for part in 0..AT_ONCE {
            let (client, value, address) = (client.clone(), value.clone(), address.to_owned());
            putting.spawn(async move {
                let mut client = client;
                for number in (part..count).step_by(AT_ONCE as usize) {
                    let key = format!("/registry/scale/{}", number % keys.max(1) as u64);
                    client = put(client, &address, key.as_bytes(), &value).await;
                }
            });
        }
        while let Some(ended) = putting.join_next().await {
            ended.expect("every put succeeds");
        }
        began.elapsed()
    })
}

/// A connection; the store may take a moment to listen.
#[expect(
    clippy::disallowed_methods,
    reason = "the store is a real process, so the deadline is wall clock"
)]
async fn connect(address: &str) -> SendRequest<Bytes> {
    let end = Instant::now() + Duration::from_mins(1);
    let stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < end, "the store does not listen: {error}"),
        }
        tokio::task::yield_now().await;
    };
    stream.set_nodelay(true).expect("it is a TCP connection");
    let (client, connection) = h2::client::handshake(stream)
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    client
}

/// `etcdserverpb.KV/Put`; the client is ready for the next one.
async fn put(
    client: SendRequest<Bytes>,
    address: &str,
    key: &[u8],
    value: &[u8],
) -> SendRequest<Bytes> {
    let mut client = client.ready().await.expect("the store takes requests");
    let request = Request::post(format!("http://{address}/etcdserverpb.KV/Put"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let (answer, mut body) = client.send_request(request, false).expect("it is sent");
    body.send_data(message(key, value), true)
        .expect("it is sent");
    let answer = answer.await.expect("the store answers");
    let mut refused = answer.headers().get("grpc-status").cloned();
    let mut answer = answer.into_body();
    while let Some(data) = answer.data().await {
        let length = data.expect("an answer").len();
        answer
            .flow_control()
            .release_capacity(length)
            .expect("it was received");
    }
    let trailers = answer.trailers().await.expect("an answer ends");
    refused = trailers
        .and_then(|trailers| trailers.get("grpc-status").cloned())
        .or(refused);
    assert_eq!(refused.as_ref().map(AsRef::as_ref), Some(b"0".as_slice()));
    client
}

/// `PutRequest` in a frame of gRPC: field 1 is the key, field 2 the value.
fn message(key: &[u8], value: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    for (number, bytes) in [(1_u8, key), (2, value)] {
        message.put_u8(number << 3 | 2);
        let mut length = bytes.len();
        while length >= 0x80 {
            message.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(bytes);
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a value is below four gigabytes"));
    frame.put_slice(&message);
    frame.freeze()
}
