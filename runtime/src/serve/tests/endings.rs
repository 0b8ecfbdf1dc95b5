//! Requests that do not run to their end: refused, cancelled, late, drained, failed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::script::Script;
use super::{DEADLINES, Deadlines, Ending, Order, Running, ServeError};

fn prompt(extra: &Value) -> Value {
    let mut body = json!({"model": "org/tiny", "prompt": "x"});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

pub(super) async fn stream(running: &Running) -> super::client::Open {
    let body = prompt(&json!({"stream": true, "max_tokens": 60}));
    running
        .client
        .open("POST", "/v1/completions", &body.to_string())
        .await
}

/// A server whose first step stands still, and which is told to drain and has no time for that.
pub(super) async fn told_to_drain(rest: Deadlines) -> (Running, super::client::Open) {
    let deadlines = Deadlines {
        drain: Duration::from_millis(1),
        ..rest
    };
    let running = Running::start(Script::gated(LONG, 0), deadlines).await;
    let open = stream(&running).await;
    // Between two steps an order ends the server at once: it is to come during one.
    running.until("shardplane_slots_in_use", 1.0).await;
    running.orders.send(Order::Drain).await.unwrap();
    (running, open)
}

/// A request that the server has no time to answer.
pub(super) async fn is_told_to_be_late(running: &Running) {
    let late = running
        .client
        .post("/v1/completions", &prompt(&json!({"max_tokens": 30})))
        .await;
    assert_eq!(late.status, 504, "{}", late.body);
    assert_eq!(late.json()["error"]["code"], "deadline_exceeded");
}

pub(super) const LONG: &str = "a long answer that goes on and on";

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_slot() {
    let running = Running::start(Script::gated(LONG, 2), DEADLINES).await;
    let mut open = stream(&running).await;
    assert!(open.event().await.unwrap().contains(r#""text":"a""#));
    running.until("shardplane_slots_in_use", 1.0).await;
    drop(open);
    // The model stands still: it is the hang-up alone that frees the slot.
    running.until("shardplane_slots_in_use", 0.0).await;
    running.script.allow(usize::MAX);
    running
        .until(r#"shardplane_requests_total{outcome="cancelled"}"#, 1.0)
        .await;
}

#[tokio::test]
async fn a_client_that_waits_for_a_whole_answer_can_hang_up_too() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let connection = running
        .client
        .send("POST", "/v1/completions", &prompt(&json!({})).to_string())
        .await;
    running.until("shardplane_slots_in_use", 1.0).await;
    drop(connection);
    running.until("shardplane_slots_in_use", 0.0).await;
    running.script.allow(usize::MAX);
    running
        .until(r#"shardplane_requests_total{outcome="cancelled"}"#, 1.0)
        .await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let running = Running::start(Script::gated(LONG, 0), DEADLINES).await;
    let first = stream(&running).await;
    running.until("shardplane_slots_in_use", 1.0).await;
    // The model stands still: the second waits for the next step, the third for a slot.
    let (second, third) = (stream(&running).await, stream(&running).await);
    let refused = running
        .client
        .post("/v1/completions", &prompt(&json!({})))
        .await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(
        refused.headers.contains("retry-after: 1"),
        "{}",
        refused.headers
    );
    let error = &refused.json()["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("rate_limit_error"), &json!("queue_full"))
    );
    assert!(
        (running
            .metric(r#"shardplane_rejected_total{reason="queue_full"}"#)
            .await
            - 1.0)
            .abs()
            < 0.1
    );
    running.script.allow(usize::MAX);
    for open in [first, second, third] {
        let text: String = open
            .events()
            .await
            .iter()
            .filter_map(|e| serde_json::from_str::<Value>(e).ok())
            .map(|chunk| chunk["choices"][0]["text"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(text, LONG);
    }
}

#[tokio::test]
async fn a_draining_server_finishes_and_refuses() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let mut open = stream(&running).await;
    open.event().await.unwrap();
    running.orders.send(Order::Drain).await.unwrap();
    running.mode("draining").await;
    assert_eq!(running.client.get("/healthz").await.status, 200);
    let refused = running
        .client
        .post("/v1/completions", &prompt(&json!({})))
        .await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["error"]["code"], "draining");
    running.script.allow(usize::MAX);
    assert_eq!(open.events().await.last().unwrap(), "[DONE]");
    assert!(matches!(running.ended().await, Ok(Ending::Drained)));
}

#[tokio::test]
async fn a_leaving_server_answers_and_lets_go() {
    let deadlines = Deadlines {
        farewell: Duration::from_mins(1),
        ..DEADLINES
    };
    let running = Running::start(Script::says("x"), deadlines).await;
    running.orders.send(Order::Drain).await.unwrap();
    running.mode("leaving").await;
    let body = prompt(&json!({})).to_string();
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // A client that would keep its connection: that it ends is the server's doing.
    let mut kept = running.client.raw(&request).await;
    let mut said = String::new();
    tokio::time::timeout(super::PATIENCE, kept.read_to_string(&mut said))
        .await
        .unwrap()
        .unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    running.orders.send(Order::Drain).await.unwrap();
    assert!(running.ended().await.is_ok());
}

#[tokio::test]
async fn a_second_order_breaks_off() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let open = stream(&running).await;
    running.until("shardplane_slots_in_use", 1.0).await;
    running.orders.send(Order::Drain).await.unwrap();
    running.orders.send(Order::Drain).await.unwrap();
    running.mode("stopping").await;
    running.script.allow(1);
    let events = open.events().await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "stopping", "{events:?}");
    assert!(matches!(running.ended().await, Ok(Ending::BrokenOff)));
}

#[tokio::test]
async fn the_drain_deadline_breaks_off() {
    let (running, open) = told_to_drain(DEADLINES).await;
    running.mode("stopping").await;
    running.script.allow(1);
    let events = open.events().await;
    assert!(
        events.last().unwrap().contains(r#""code":"stopping""#),
        "{events:?}"
    );
    assert!(matches!(running.ended().await, Ok(Ending::BrokenOff)));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_broken_off() {
    let deadlines = Deadlines {
        request: Duration::ZERO,
        ..DEADLINES
    };
    let running = Running::start(Script::says(LONG), deadlines).await;
    is_told_to_be_late(&running).await;
}

#[tokio::test]
async fn a_broken_model_fails_every_request_and_ends_the_server() {
    let running = Running::start(Script::gated(LONG, 2), DEADLINES).await;
    let mut first = stream(&running).await;
    first.event().await.unwrap();
    let (second, third) = (stream(&running).await, stream(&running).await);
    running.script.break_down();
    for open in [first, second, third] {
        let events = open.events().await;
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert_eq!(
            last["error"]["message"], "the model stopped working: rank 1 is gone",
            "{events:?}"
        );
    }
    assert!(matches!(
        running.ended().await,
        Err(ServeError::Model { .. })
    ));
}

/// The code of the error that a stream ended with.
async fn failed(open: super::client::Open) -> Value {
    let events = open.events().await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    last["error"]["code"].clone()
}

/// The text of a stream's events.
async fn said(open: super::client::Open) -> String {
    let events = open.events().await;
    assert_eq!(events.last().unwrap(), "[DONE]");
    let chunks = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok());
    chunks
        .map(|chunk| chunk["choices"][0]["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lost_numbers_cost_their_own_request_alone() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let mut lost = stream(&running).await;
    lost.event().await.unwrap();
    // The second is in the step that the first is lost in.
    let other = stream(&running).await;
    running.until("shardplane_queue_depth", 1.0).await;
    running.script.allow(1);
    running.until("shardplane_slots_in_use", 2.0).await;
    running.script.stumble();
    assert_eq!(failed(lost).await, "generation_failed");
    running.script.allow(usize::MAX);
    assert_eq!(said(other).await, LONG);
    let next = running
        .client
        .post("/v1/completions", &prompt(&json!({"max_tokens": 6})))
        .await;
    assert_eq!(next.json()["choices"][0]["text"], "a long");
}

#[tokio::test]
async fn a_step_that_did_not_run_costs_the_requests_that_were_in_it() {
    let running = Running::start(Script::gated(LONG, 1), DEADLINES).await;
    let mut first = stream(&running).await;
    first.event().await.unwrap();
    running.script.refuse();
    assert_eq!(failed(first).await, "generation_failed");
    running.script.allow(usize::MAX);
    assert_eq!(said(stream(&running).await).await, LONG);
}

#[tokio::test]
async fn a_model_that_breaks_while_idle_ends_the_server() {
    let running = Running::start(Script::says(LONG), DEADLINES).await;
    running
        .client
        .post("/v1/completions", &prompt(&json!({})))
        .await;
    running.script.break_down();
    assert!(matches!(
        running.ended().await,
        Err(ServeError::Model { .. })
    ));
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_place() {
    let running = Running::start(Script::says("x"), DEADLINES).await;
    let check = async |path: &str, body: &str, status: u16, param: Value, code: &str| {
        let answer = running.client.open("POST", path, body).await.finish().await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["param"], &error["code"]),
            (status, &param, &json!(code)),
            "{body}: {error}"
        );
    };
    let path = "/v1/completions";
    check(path, "{", 400, Value::Null, "invalid_json").await;
    check(
        path,
        r#"{"model": "gpt-4", "prompt": "x"}"#,
        404,
        json!("model"),
        "model_not_found",
    )
    .await;
    check(
        path,
        r#"{"model": "org/tiny", "prompt": "x", "max_tokens": 64}"#,
        400,
        json!("prompt"),
        "context_length_exceeded",
    )
    .await;
    let long = prompt(&json!({"prompt": "y".repeat(64)})).to_string();
    check(path, &long, 400, json!("prompt"), "context_length_exceeded").await;
    // The answer reaches a client that has far more to send than it may.
    for size in [super::super::routes::BODY_LIMIT + 1, 40 << 20] {
        let huge = "x".repeat(size);
        check(path, &huge, 413, Value::Null, "request_too_large").await;
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    let running = Running::start(Script::says("x"), DEADLINES).await;
    for expects in ["", "expect: 100-continue\r\n"] {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\ncontent-length: 1073741824\r\n{expects}\r\n"
        );
        let mut connection = running.client.raw(&head).await;
        let mut answer = Vec::new();
        let told = async {
            while !String::from_utf8_lossy(&answer).contains("request_too_large") {
                assert!(connection.read_buf(&mut answer).await.unwrap() > 0);
            }
        };
        tokio::time::timeout(super::PATIENCE, told).await.unwrap();
        let answer = String::from_utf8(answer).unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 413"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let deadlines = Deadlines {
        request: Duration::from_millis(50),
        ..DEADLINES
    };
    let running = Running::start(Script::says("x"), deadlines).await;
    let half = "POST /v1/completions HTTP/1.1\r\nhost: test\r\ncontent-length: 50\r\n\r\n{\"mod";
    let mut connection = running.client.raw(half).await;
    let mut answer = String::new();
    tokio::time::timeout(super::PATIENCE, connection.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
}

#[tokio::test]
async fn a_model_name_that_is_no_text_is_not_served() {
    let running = Running::start(Script::says("x"), DEADLINES).await;
    let answer = running.client.get("/v1/models/%ff").await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
}
