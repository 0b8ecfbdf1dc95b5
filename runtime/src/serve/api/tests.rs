//! Requests beside what they mean, or the error that names their parameter.

use serde_json::{Value, json};

use super::*;
use crate::sample::SamplingParams;
use crate::serve::generation::EndTokens;
use crate::serve::tests::{TEMPLATE, served};

const NOW: jiff::civil::DateTime = jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0);
/// Seeds requests that give no seed.
const ENTROPY: u64 = 99;

fn with(base: Value, extra: &Value) -> Vec<u8> {
    let mut body = base;
    let fields = extra.as_object().unwrap();
    body.as_object_mut().unwrap().extend(fields.clone());
    body.to_string().into_bytes()
}

fn chat(extra: &Value) -> Result<Prepared, ApiError> {
    let base = json!({"model": "org/tiny", "messages": [{"role": "user", "content": "hi"}]});
    chat::prepare(&with(base, extra), &served(Some(TEMPLATE)), ENTROPY, NOW)
}

fn completion(extra: &Value) -> Result<Prepared, ApiError> {
    let base = json!({"model": "org/tiny", "prompt": "abc"});
    completion::prepare(&with(base, extra), &served(None), ENTROPY)
}

type Ask = fn(&Value) -> Result<Prepared, ApiError>;

const BOTH: [Ask; 2] = [chat, completion];

fn refused(ask: Ask, extra: &Value, status: u16, param: &str, says: &str) {
    let error = ask(extra).expect_err(&extra.to_string());
    let seen = (error.status, error.param.as_deref().unwrap_or("-"));
    assert_eq!(seen, (status, param), "{extra}: {error}");
    assert!(error.message.contains(says), "{extra}: {error}");
}

#[test]
fn bad_values_are_refused_by_name() {
    let rows = [
        (json!({"model": null}), "model", "missing"),
        (json!({"model": 3}), "model", "a string, not a number"),
        (
            json!({"temperature": 2.1}),
            "temperature",
            "from 0 to 2, not 2.1",
        ),
        (json!({"temperature": -0.1}), "temperature", "from 0 to 2"),
        (json!({"temperature": "hot"}), "temperature", "not a string"),
        (json!({"top_p": 1.5}), "top_p", "from 0 to 1"),
        (json!({"min_p": -1}), "min_p", "from 0 to 1"),
        (json!({"top_k": -2}), "top_k", "from -1"),
        (json!({"top_k": 1.5}), "top_k", "a whole number"),
        (
            json!({"frequency_penalty": 2.5}),
            "frequency_penalty",
            "from -2 to 2",
        ),
        (
            json!({"presence_penalty": -3}),
            "presence_penalty",
            "from -2 to 2",
        ),
        (
            json!({"repetition_penalty": 0}),
            "repetition_penalty",
            "from 0.01",
        ),
        (json!({"seed": "x"}), "seed", "a whole number"),
        (json!({"seed": 1e30}), "seed", "a whole number"),
        (json!({"n": 0}), "n", "from 1 to 128"),
        (json!({"n": 4}), "n", "at most 3"),
        (json!({"max_tokens": 0}), "max_tokens", "from 1"),
        (json!({"max_tokens": -1}), "max_tokens", "from 1"),
        (
            json!({"max_tokens": 5, "max_completion_tokens": 6}),
            "max_tokens",
            "send one of them",
        ),
        (json!({"min_tokens": -1}), "min_tokens", "from 0"),
        (json!({"stop": 5}), "stop", "a string or a list of strings"),
        (
            json!({"stop": ["a", 5]}),
            "stop",
            "a string or a list of strings",
        ),
        (json!({"stop": ""}), "stop", "empty"),
        (json!({"stop": vec!["x"; 17]}), "stop", "at most 16"),
        (
            json!({"stop_token_ids": [260]}),
            "stop_token_ids",
            "below 260",
        ),
        (
            json!({"stop_token_ids": 1}),
            "stop_token_ids",
            "a list of token ids",
        ),
        (json!({"logit_bias": [1]}), "logit_bias", "an object"),
        (
            json!({"logit_bias": {"x": 1}}),
            "logit_bias",
            "token ids below 260, not x",
        ),
        (
            json!({"logit_bias": {"260": 1}}),
            "logit_bias",
            "token ids below 260",
        ),
        (
            json!({"logit_bias": {"5": 101}}),
            "logit_bias",
            "from -100 to 100, not 101",
        ),
        (json!({"stream": "yes"}), "stream", "true or false"),
        (
            json!({"stream_options": {"include_usage": true}}),
            "stream_options",
            "stream to be true",
        ),
        (
            json!({"stream": true, "stream_options": 1}),
            "stream_options",
            "an object",
        ),
        (
            json!({"stream": true, "stream_options": {"include_usage": 1}}),
            "stream_options.include_usage",
            "true or false",
        ),
        (
            json!({"stream": true, "stream_options": {"other": 1}}),
            "stream_options.other",
            "unrecognised",
        ),
        (json!({"ignore_eos": 1}), "ignore_eos", "true or false"),
        (
            json!({"frobnicate": 1}),
            "frobnicate",
            "unrecognised request argument: frobnicate",
        ),
        (json!({"suffix_": "x"}), "suffix_", "unrecognised"),
    ];
    for (extra, param, says) in rows {
        for ask in BOTH {
            refused(ask, &extra, 400, param, says);
        }
    }
}

#[test]
fn chats_have_their_own_mistakes() {
    let rows = [
        (json!({"messages": null}), "messages", "missing"),
        (
            json!({"messages": "hi"}),
            "messages",
            "a list of messages, not a string",
        ),
        (json!({"messages": []}), "messages", "empty"),
        (
            json!({"messages": ["hi"]}),
            "messages[0]",
            "an object with role and content",
        ),
        (
            json!({"messages": [{"content": "x"}]}),
            "messages[0].role",
            "a string, not absent",
        ),
        (
            json!({"messages": [{"role": "king", "content": "x"}]}),
            "messages[0].role",
            "not \"king\"",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "messages[0].content",
            "not absent",
        ),
        (
            json!({"messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
            "not a number",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            "messages[0].content[0]",
            "text alone",
        ),
        (
            json!({"messages": [{"role": "user", "content": ["x"]}]}),
            "messages[0].content[0]",
            "without type",
        ),
        (json!({"logprobs": 3}), "logprobs", "true or false"),
        (json!({"top_logprobs": 3}), "top_logprobs", "needs logprobs"),
        (
            json!({"logprobs": true, "top_logprobs": 21}),
            "top_logprobs",
            "from 0 to 20",
        ),
        (
            json!({"tools": [{"type": "function"}]}),
            "tools",
            "calls no tools",
        ),
        (
            json!({"tool_choice": "required"}),
            "tool_choice",
            "calls no tools",
        ),
        (json!({"functions": [{}]}), "functions", "calls no tools"),
        (
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
            "plain text",
        ),
        (
            json!({"modalities": ["text", "audio"]}),
            "modalities",
            "plain text",
        ),
        (json!({"audio": {}}), "audio", "plain text"),
        (
            json!({"reasoning_effort": "high"}),
            "reasoning_effort",
            "chat_template_kwargs",
        ),
        (
            json!({"chat_template_kwargs": 1}),
            "chat_template_kwargs",
            "an object",
        ),
        (json!({"prompt": "x"}), "prompt", "unrecognised"),
        (json!({"echo": true}), "echo", "unrecognised"),
    ];
    for (extra, param, says) in rows {
        refused(chat, &extra, 400, param, says);
    }
}

#[test]
fn completions_have_their_own_mistakes() {
    let rows = [
        (json!({"prompt": null}), "prompt", "missing"),
        (
            json!({"prompt": 5}),
            "prompt",
            "a string, a list of strings",
        ),
        (json!({"prompt": ""}), "prompt", "no tokens"),
        (json!({"prompt": []}), "prompt", "no tokens"),
        (json!({"prompt": [[]]}), "prompt", "no tokens"),
        (json!({"prompt": ["a", true]}), "prompt", "not a boolean"),
        (json!({"prompt": [1, "a"]}), "prompt", "token ids below 260"),
        (json!({"prompt": [260]}), "prompt", "not 260"),
        (json!({"prompt": [-1]}), "prompt", "not -1"),
        (json!({"prompt": ["a", "b", "c", "d"]}), "n", "at most 3"),
        (json!({"logprobs": 6}), "logprobs", "from 0 to 5"),
        (json!({"logprobs": true}), "logprobs", "a whole number"),
        (json!({"echo": true}), "echo", "never repeats"),
        (json!({"suffix": "x"}), "suffix", "only continues"),
        (json!({"best_of": 2}), "best_of", "ask for n"),
        (json!({"messages": []}), "messages", "unrecognised"),
    ];
    for (extra, param, says) in rows {
        refused(completion, &extra, 400, param, says);
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
    let error = chat::prepare(body.as_bytes(), &served(None), ENTROPY, NOW).unwrap_err();
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
    let error = chat::prepare(body.as_bytes(), &strict, ENTROPY, NOW).unwrap_err();
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
        let error = completion::prepare(body.as_bytes(), &served(None), ENTROPY).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("invalid_json")));
        assert!(error.message.contains(says), "{error}");
    }
}
