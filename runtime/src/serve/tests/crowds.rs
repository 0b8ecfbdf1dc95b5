//! More connections than may be open, connections that ask for nothing, and what is no request at all.

use std::time::Duration;

use nix::errno::Errno;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Answer, Client, Open};
use super::script::Script;
use super::{Bounds, DEADLINES, Deadlines, Ending, Order, PATIENCE, Running};

const LONG: &str = "a long answer that goes on and on";

fn prompt(stream: bool) -> String {
    json!({"model": "org/tiny", "prompt": "x", "stream": stream, "max_tokens": 60}).to_string()
}

async fn stream(client: &Client) -> Open {
    client.open("POST", "/v1/completions", &prompt(true)).await
}

/// What comes until the server closes.
async fn rest(connection: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    timeout(PATIENCE, connection.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    text
}

/// The error of an answer that was read as text, and its status.
fn refused(text: &str) -> (u16, Value) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    (status, body["error"].clone())
}

#[tokio::test]
async fn connections_that_ask_for_nothing_make_room_for_those_that_do() {
    let bounds = Bounds { open: 4, spare: 1 };
    let running = Running::bounded(Script::says("x"), DEADLINES, bounds, &[]).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(running.client.raw("").await);
        // A head that never ends is as little of a request as none.
        idle.push(running.client.raw("GET /healthz HTTP/1.1\r\n").await);
    }
    assert_eq!(running.client.get("/healthz").await.body, "ok\n");
    assert_eq!(rest(&mut idle[0]).await, "");
    assert_eq!(rest(&mut idle[1]).await, "");
    running.until("shardplane_connections", 4.0).await;
    let closed = r#"shardplane_connection_shortage_total{outcome="idle_closed"}"#;
    assert!(running.metric(closed).await >= 37.0);
}

#[tokio::test]
async fn a_stream_is_never_closed_for_a_newcomer() {
    let bounds = Bounds { open: 2, spare: 2 };
    let running = Running::bounded(Script::gated(LONG, 2), DEADLINES, bounds, &[]).await;
    let mut first = stream(&running.client).await;
    first.event().await.unwrap();
    let second = stream(&running.client).await;
    // Both places are at work: whoever comes is told so, and probes are answered.
    for _ in 0..5 {
        assert_eq!(running.client.get("/healthz").await.body, "ok\n");
        assert_eq!(running.client.get("/readyz").await.body, "ready\n");
        let Answer {
            status,
            headers,
            body,
        } = running
            .client
            .open("POST", "/v1/completions", &prompt(false))
            .await
            .finish()
            .await;
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &error["error"]["code"]),
            (503, &json!("too_many_connections"))
        );
        assert!(headers.contains("retry-after: 1"), "{headers}");
    }
    // Those that are told have their turn, even where they say nothing.
    let silent = [
        running.client.raw("").await,
        running.client.raw("").await,
        running.client.raw("").await,
    ];
    assert_eq!(running.client.get("/healthz").await.body, "ok\n");
    drop(silent);
    running.script.allow(usize::MAX);
    assert_eq!(first.events().await.last().unwrap(), "[DONE]");
    assert_eq!(second.events().await.last().unwrap(), "[DONE]");
    let next = running
        .client
        .open("POST", "/v1/completions", &prompt(false))
        .await
        .finish()
        .await;
    assert_eq!(next.status, 200, "{}", next.body);
}

#[tokio::test]
async fn failures_to_accept_neither_end_the_server_nor_silence_it() {
    let errors = [
        Errno::EMFILE,
        Errno::ECONNABORTED,
        Errno::ENFILE,
        Errno::ENOMEM,
    ];
    let bounds = Bounds { open: 4, spare: 1 };
    let running = Running::bounded(Script::says("x"), DEADLINES, bounds, &errors).await;
    assert_eq!(running.client.get("/healthz").await.body, "ok\n");
    // One was about a single connection.
    let failed = r#"shardplane_connection_shortage_total{outcome="accept_failed"}"#;
    assert!((running.metric(failed).await - 3.0).abs() < 0.1);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let deadlines = Deadlines {
        rest: Duration::from_millis(50),
        ..DEADLINES
    };
    let running = Running::start(Script::says("x"), deadlines).await;
    let mut half = running
        .client
        .raw("POST /v1/completions HTTP/1.1\r\nhost: te")
        .await;
    let (status, error) = refused(&rest(&mut half).await);
    assert_eq!((status, &error["code"]), (408, &json!("request_timeout")));
    // Whoever asked for nothing is told nothing.
    assert_eq!(rest(&mut running.client.raw("").await).await, "");
    let once = "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n";
    let answer = rest(&mut running.client.raw(once).await).await;
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    running.until("shardplane_connections", 1.0).await;
}

#[tokio::test]
async fn a_head_that_has_begun_is_waited_for_less_than_one_that_may_come() {
    let deadlines = Deadlines {
        head: Duration::from_millis(50),
        ..DEADLINES
    };
    let running = Running::start(Script::says("x"), deadlines).await;
    let mut idle = running.client.raw("").await;
    let body = prompt(false);
    let (begin, end) = body.split_at(9);
    let mut slow = running
        .client
        .raw(&format!(
            "POST /v1/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{begin}",
            body.len()
        ))
        .await;
    // A byte now and then is no head either.
    let mut half = running.client.raw("POST /v1/comple").await;
    let (status, error) = refused(&rest(&mut half).await);
    assert_eq!((status, &error["code"]), (408, &json!("request_timeout")));
    assert!(
        error["message"].as_str().unwrap().contains("after 0.05 s"),
        "{error}"
    );
    // Meanwhile a body that came no faster was waited for, and so was a connection that has not begun.
    slow.write_all(end.as_bytes()).await.unwrap();
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 200"));
    let once = "GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    idle.write_all(once.as_bytes()).await.unwrap();
    assert!(rest(&mut idle).await.ends_with("\r\n\r\nok\n"));
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_words_of_the_api() {
    let running = Running::start(Script::says("x"), DEADLINES).await;
    let check = async |bytes: &str, expected: u16, says: &str| {
        let mut connection = running.client.raw(bytes).await;
        let answer = rest(&mut connection).await;
        let (status, error) = refused(&answer);
        assert_eq!(
            (status, &error["code"], &error["type"]),
            (
                expected,
                &json!("malformed_request"),
                &json!("invalid_request_error")
            ),
            "{answer}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert!(
            answer.contains("content-type: application/json\r\n"),
            "{answer}"
        );
    };
    check("hello\r\n\r\n", 400, "speak plain HTTP/1.1").await;
    // A client that begins with TLS.
    check(
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03 ... \r\n\r\n",
        400,
        "speak plain",
    )
    .await;
    check("GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "header").await;
    check("GET / HTTP/9.9\r\n\r\n", 400, "version").await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(400_000));
    check(&long, 431, "too large").await;
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2").await;
    // After an answer too.
    let second = "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\nnonsense\r\n\r\n";
    let answer = rest(&mut running.client.raw(second).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_does_not_hold_its_connection() {
    let deadlines = Deadlines {
        stall: Duration::from_millis(50),
        ..DEADLINES
    };
    let running = Running::start(Script::says("x"), deadlines).await;
    let mut deaf = running.client.raw("").await;
    // Answers pile up until neither side's buffers hold any more.
    let request = "GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n".repeat(64);
    let asking = async { while deaf.write_all(request.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, asking).await.unwrap();
    running.until("shardplane_connections", 1.0).await;
}

#[tokio::test]
async fn a_draining_server_closes_connections_that_rest() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let mut open = stream(&running.client).await;
    open.event().await.unwrap();
    let mut silent = running.client.raw("").await;
    let mut kept = running
        .client
        .raw("GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n")
        .await;
    running.orders.send(Order::Drain).await.unwrap();
    running.mode("draining").await;
    running.script.allow(usize::MAX);
    assert_eq!(open.events().await.last().unwrap(), "[DONE]");
    assert!(rest(&mut kept).await.ends_with("ok\n"));
    assert_eq!(rest(&mut silent).await, "");
    assert!(matches!(running.ended().await, Ok(Ending::Drained)));
}
