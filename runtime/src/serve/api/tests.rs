//! Requests beside what they mean.

mod refusals;

use serde_json::{Value, json};

use super::*;
use crate::sample::SamplingParams;
use crate::serve::generation::EndTokens;
use crate::serve::tests::{TEMPLATE, served};
use refusals::refused;

const NOW: jiff::civil::DateTime = jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0);
/// Seeds requests that give no seed.
const ENTROPY: u64 = 99;
/// Bounds completions that name no length.
const MOST: Option<u32> = Some(completion::DEFAULT_MOST);

fn with(base: Value, extra: &Value) -> Vec<u8> {
    let mut body = base;
    let fields = extra.as_object().unwrap();
    body.as_object_mut().unwrap().extend(fields.clone());
    body.to_string().into_bytes()
}

fn chat(extra: &Value) -> Result<Prepared, ApiError> {
    let base = json!({"model": "org/tiny", "messages": [{"role": "user", "content": "hi"}]});
    chat::prepare(
        &with(base, extra),
        &served(Some(TEMPLATE)),
        ENTROPY,
        None,
        NOW,
    )
}

fn completion(extra: &Value) -> Result<Prepared, ApiError> {
    let base = json!({"model": "org/tiny", "prompt": "abc"});
    completion::prepare(&with(base, extra), &served(None), ENTROPY, MOST)
}

type Ask = fn(&Value) -> Result<Prepared, ApiError>;

const BOTH: [Ask; 2] = [chat, completion];

#[test]
fn tokens_that_the_model_does_not_have_are_the_requests_mistake() {
    let small = Served {
        vocab: 257,
        ..served(Some(TEMPLATE))
    };
    let chat = json!({"model": "org/tiny", "messages": [{"role": "user", "content": "hi"}]});
    let completion = json!({"model": "org/tiny", "prompt": "a<|user|>"});
    let answers = [
        chat::prepare(chat.to_string().as_bytes(), &small, ENTROPY, None, NOW),
        completion::prepare(completion.to_string().as_bytes(), &small, ENTROPY, MOST),
    ];
    for (answer, param) in answers.into_iter().zip(["messages", "prompt"]) {
        let error = answer.expect_err(param);
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)));
        let says = "\"<|user|>\" is token 257 to the tokenizer, and the model has 257 tokens";
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn the_context_is_kept_with_the_numbers() {
    // "<|user|>hi>" has 4 tokens, "abc" has 3; the context is 64.
    for (ask, param, prompt) in [
        (chat as Ask, "messages", 4),
        (completion as Ask, "prompt", 3),
    ] {
        let fits = ask(&json!({"max_tokens": 64 - prompt})).unwrap();
        assert_eq!(fits.wishes[0].most, 64 - prompt);
        let says = format!(
            "the request needs 65: {prompt} in the prompt and {}",
            65 - prompt
        );
        refused(ask, &json!({"max_tokens": 65 - prompt}), 400, param, &says);
    }
    assert_eq!(chat(&json!({})).unwrap().wishes[0].most, 60);
    assert_eq!(completion(&json!({})).unwrap().wishes[0].most, 16);
    assert_eq!(
        completion(&json!({"prompt": "y".repeat(63)}))
            .unwrap()
            .wishes[0]
            .most,
        1
    );
    let full = json!({"prompt": "y".repeat(64)});
    refused(completion, &full, 400, "prompt", "the prompt alone has 64");
}

#[test]
fn everything_reaches_the_wish() {
    let asked = json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.5,
        "presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {"65": -100}, "seed": -1,
        "max_tokens": 9, "min_tokens": 2, "stop": ["x", "yz"], "stop_token_ids": [3], "ignore_eos": true,
        "n": 2, "stream": true, "stream_options": {"include_usage": true}, "return_token_ids": true,
        "user": "me", "store": false, "metadata": {"a": "b"}, "service_tier": "auto", "unknown": null,
    });
    for ask in BOTH {
        let Prepared {
            wishes,
            stream,
            prompt_tokens,
            token_ids,
        } = ask(&asked).unwrap();
        assert_eq!(
            (stream, token_ids),
            (
                Some(StreamOptions {
                    include_usage: true
                }),
                true
            )
        );
        assert_eq!(wishes.len(), 2);
        assert_eq!(prompt_tokens, wishes[0].prompt.len());
        let expected = SamplingParams {
            temperature: 0.5,
            top_k: 7,
            top_p: 0.9,
            min_p: 0.1,
            repetition_penalty: 1.5,
            presence_penalty: 1.0,
            frequency_penalty: -1.0,
            logit_bias: vec![(65, -100.0)],
            seed: u64::MAX,
        };
        assert_eq!(wishes[0].sampling, expected);
        // The second choice draws otherwise, and wraps around.
        assert_eq!(wishes[1].sampling.seed, 0);
        assert_eq!((wishes[0].most, wishes[0].least), (9, 2));
        assert_eq!(wishes[0].stops, ["x", "yz"]);
        assert_eq!(wishes[0].stop_tokens, [3]);
        assert_eq!(wishes[0].endings, EndTokens::Ignore);
    }
}

#[test]
fn silence_means_the_defaults() {
    for ask in BOTH {
        let Prepared {
            wishes,
            stream,
            prompt_tokens: _,
            token_ids,
        } = ask(&json!({"top_k": -1, "stop": null})).unwrap();
        let plain = SamplingParams {
            temperature: 1.0,
            seed: ENTROPY,
            ..SamplingParams::greedy()
        };
        assert_eq!(wishes[0].sampling, plain);
        assert_eq!((stream, token_ids, wishes[0].logprobs), (None, false, None));
        assert_eq!(wishes[0].endings, EndTokens::Obey);
    }
    for harmless in [
        json!({"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "modalities": ["text"]}),
        json!({"logprobs": false, "top_logprobs": 0, "reasoning_effort": "none"}),
    ] {
        chat(&harmless).unwrap();
    }
    completion(&json!({"echo": false, "suffix": "", "best_of": 1, "logprobs": 0})).unwrap();
}

#[test]
fn messages_become_the_prompt() {
    let check = |messages: Value, extra: Value, expected: &str| {
        let mut asked = json!({"messages": messages});
        asked
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let prepared = chat(&asked).unwrap();
        let vocabulary = &served(None).text.vocabulary;
        let text: String = prepared.wishes[0]
            .prompt
            .iter()
            .map(|id| vocabulary.token_text(*id))
            .collect();
        assert_eq!(text, expected);
    };
    check(
        json!([{"role": "user", "content": "a"}]),
        json!({}),
        "<|user|>a>",
    );
    check(
        json!([{"role": "user", "content": "a"}]),
        json!({"add_generation_prompt": false}),
        "<|user|>a",
    );
    let parts = json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]);
    check(parts, json!({}), "<|user|>a\nb>");
}

#[test]
fn a_model_without_template_completes_but_does_not_chat() {
    let body =
        json!({"model": "org/tiny", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let error = chat::prepare(body.as_bytes(), &served(None), ENTROPY, None, NOW).unwrap_err();
    assert_eq!(error.status, 400);
    assert!(
        error
            .message
            .contains("no chat template; use /v1/completions"),
        "{error}"
    );
    completion(&json!({})).unwrap();
}

#[test]
fn a_template_that_refuses_is_quoted() {
    let strict = served(Some("{{ raise_exception('roles must alternate') }}"));
    let body =
        json!({"model": "org/tiny", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let error = chat::prepare(body.as_bytes(), &strict, ENTROPY, None, NOW).unwrap_err();
    assert_eq!(
        (error.status, error.param.as_deref()),
        (400, Some("messages"))
    );
    assert!(error.message.ends_with("roles must alternate"), "{error}");
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    for (body, says) in [
        ("", "not JSON"),
        ("{\"model\":", "not JSON"),
        ("[]", "a list, not a JSON object"),
        ("\"x\"", "a string, not a JSON object"),
        (&"[".repeat(10_000), "not JSON"),
    ] {
        let error = completion::prepare(body.as_bytes(), &served(None), ENTROPY, MOST).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("invalid_json")));
        assert!(error.message.contains(says), "{error}");
    }
}
