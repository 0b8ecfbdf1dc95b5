//! Requests that run to their end.

use serde_json::{Value, json};

use super::script::Script;
use super::{DEADLINES, Running};

fn chat(extra: &Value) -> Value {
    let mut body = json!({"model": "org/tiny", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_chat_comes_whole() {
    let running = Running::start(Script::says("héllo"), DEADLINES).await;
    let answer = running
        .client
        .post("/v1/chat/completions", &chat(&json!({"temperature": 0})))
        .await;
    let body = answer.json();
    assert_eq!(answer.status, 200, "{body}");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "org/tiny");
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(
        body["choices"],
        json!([{"index": 0, "message": {"role": "assistant", "content": "héllo", "refusal": null},
            "logprobs": null, "finish_reason": "stop"}])
    );
    // <|user|>, H, i, >; six bytes and the end token.
    assert_eq!(
        body["usage"],
        json!({"prompt_tokens": 4, "completion_tokens": 7, "total_tokens": 11})
    );
}

#[tokio::test]
async fn a_chat_streams_in_whole_characters() {
    let running = Running::start(Script::says("hé☃"), DEADLINES).await;
    let body = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let open = running
        .client
        .open("POST", "/v1/chat/completions", &body.to_string())
        .await;
    assert!(
        open.headers.contains("content-type: text/event-stream"),
        "{}",
        open.headers
    );
    let mut events = open.events().await;
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk"
                && chunk["id"] == chunks[0]["id"])
    );
    let deltas: Vec<&Value> = chunks
        .iter()
        .filter(|c| c["choices"] != json!([]))
        .map(|c| &c["choices"][0]["delta"])
        .collect();
    assert_eq!(
        json!(deltas),
        json!([{"role": "assistant", "content": ""}, {"content": "h"}, {"content": "é"}, {"content": "☃"}, {}])
    );
    assert_eq!(
        chunks[chunks.len() - 2]["choices"][0]["finish_reason"],
        "stop"
    );
    assert_eq!(chunks[0]["usage"], Value::Null);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 7);
}

#[tokio::test]
async fn completions_take_every_kind_of_prompt() {
    let running = Running::start(Script::says("ok then"), DEADLINES).await;
    for (prompt, texts, tokens) in [
        (json!("ab"), 1, 2),
        (json!(["a", "bc"]), 2, 3),
        (json!([97, 98, 99]), 1, 3),
        (json!([[97], [98, 99]]), 2, 3),
    ] {
        let body = json!({"model": "org/tiny", "prompt": prompt, "max_tokens": 2});
        let answer = running.client.post("/v1/completions", &body).await.json();
        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len(), texts, "{answer}");
        for (index, choice) in choices.iter().enumerate() {
            let expected =
                json!({"index": index, "text": "ok", "logprobs": null, "finish_reason": "length"});
            assert_eq!(*choice, expected);
        }
        assert_eq!(answer["usage"]["prompt_tokens"], tokens);
    }
}

#[tokio::test]
async fn settings_reach_the_answer() {
    let running = Running::start(Script::says("one two three"), DEADLINES).await;
    let check = async |extra: Value, text: &str, finish: &str| {
        let mut body = json!({"model": "org/tiny", "prompt": "x"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = running.client.post("/v1/completions", &body).await.json();
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["text"], &choice["finish_reason"]),
            (&json!(text), &json!(finish)),
            "{answer}"
        );
    };
    check(json!({}), "one two three", "stop").await;
    check(json!({"max_tokens": 3}), "one", "length").await;
    check(json!({"stop": "tw"}), "one ", "stop").await;
    check(json!({"stop": ["nothing", " "]}), "one", "stop").await;
    check(json!({"stop": "threefold"}), "one two three", "stop").await;
    check(json!({"stop_token_ids": [116]}), "one ", "stop").await;
    check(
        json!({"max_tokens": 15, "ignore_eos": true}),
        "one two three",
        "length",
    )
    .await;
    check(
        json!({"logit_bias": {"65": 100}, "max_tokens": 3, "temperature": 0}),
        "AAA",
        "length",
    )
    .await;
    check(
        json!({"max_tokens": 14, "min_tokens": 14, "temperature": 0}),
        "one two three\0",
        "length",
    )
    .await;
}

#[tokio::test]
async fn choices_and_logprobs_have_the_apis_shape() {
    let running = Running::start(Script::says("é!"), DEADLINES).await;
    let body =
        chat(&json!({"n": 2, "logprobs": true, "top_logprobs": 1, "return_token_ids": true}));
    let answer = running
        .client
        .post("/v1/chat/completions", &body)
        .await
        .json();
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2, "{answer}");
    assert_eq!(choices[1]["index"], 1);
    assert_eq!(choices[1]["token_ids"], json!([0xC3, 0xA9, 33, 256]));
    let entries = choices[0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[2]["token"], "!");
    assert_eq!(entries[2]["bytes"], json!([33]));
    assert_eq!(entries[2]["top_logprobs"][0]["token"], "!");
    assert!(entries[2]["logprob"].as_f64().unwrap() > -1e-3);
    assert_eq!(answer["usage"]["completion_tokens"], 8);
    let body = json!({"model": "org/tiny", "prompt": "x", "logprobs": 1});
    let answer = running.client.post("/v1/completions", &body).await.json();
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"][2], "!");
    assert_eq!(logprobs["token_logprobs"].as_array().unwrap().len(), 4);
    assert_eq!(logprobs["text_offset"], json!([0, 1, 2, 3]));
}

#[tokio::test]
async fn models_and_health_answer() {
    let running = Running::start(Script::says(""), DEADLINES).await;
    let check = async |path: &str, status: u16, part: &str| {
        let answer = running.client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    };
    check(
        "/v1/models",
        200,
        r#""object":"list","data":[{"id":"org/tiny","object":"model""#,
    )
    .await;
    check("/v1/models/org/tiny", 200, r#""max_model_len":64"#).await;
    check("/v1/models/other", 404, r#""code":"model_not_found""#).await;
    check("/healthz", 200, "ok").await;
    check("/readyz", 200, "ready").await;
    check("/metrics", 200, "shardplane_slots 2\n").await;
    check("/v2/none", 404, r#""code":"unknown_url""#).await;
    check("/v1/completions", 405, r#""code":"method_not_allowed""#).await;
}

#[tokio::test]
async fn tokens_are_counted() {
    let running = Running::start(Script::says("abc"), DEADLINES).await;
    running
        .client
        .post(
            "/v1/completions",
            &json!({"model": "org/tiny", "prompt": "x".repeat(40)}),
        )
        .await;
    running.until("shardplane_slots_in_use", 0.0).await;
    // Counted when the answer is let go, which may be after the client has it.
    let ended = r#"shardplane_requests_total{outcome="stop"}"#;
    running.until(ended, 1.0).await;
    for (name, value) in [
        ("shardplane_prompt_tokens_total", 40.0),
        ("shardplane_generated_tokens_total", 4.0),
        ("shardplane_time_to_first_token_seconds_count", 1.0),
        ("shardplane_inter_token_latency_seconds_count", 3.0),
        ("shardplane_batch_size_count", 6.0),
    ] {
        assert!((running.metric(name).await - value).abs() < 0.1, "{name}");
    }
}

/// The byte tokens from 128 on are one text each, which is no whole one.
#[tokio::test]
async fn of_tokens_that_read_alike_the_likeliest_has_its_value() {
    let running = Running::start(Script::says("\u{e9}"), DEADLINES).await;
    let body = json!({"model": "org/tiny", "prompt": "x", "logprobs": 5, "max_tokens": 1});
    let answer = running.client.post("/v1/completions", &body).await.json();
    let logprobs = &answer["choices"][0]["logprobs"];
    let chosen = &logprobs["tokens"][0];
    assert_eq!(chosen, "\u{fffd}");
    let value = &logprobs["token_logprobs"][0];
    assert!(value.as_f64().unwrap() > -1e-3);
    assert_eq!(
        &logprobs["top_logprobs"][0][chosen.as_str().unwrap()],
        value
    );
}
