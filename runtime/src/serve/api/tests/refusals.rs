//! Bad requests beside the error that names their parameter.

use serde_json::{Value, json};

use super::{ApiError, Ask, BOTH, ENTROPY, NOW, Prepared, chat, completion, served};

pub(super) fn refused(ask: Ask, extra: &Value, status: u16, param: &str, says: &str) {
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

/// What cannot fit is neither tokenised nor rendered to its end.
#[test]
fn what_is_far_too_long_is_refused_without_being_counted() {
    let says = "context is 64 tokens, and the prompt alone has more";
    let check = |answer: Result<Prepared, ApiError>, param: &str| {
        let error = answer.expect_err(param);
        assert_eq!(
            (error.status, error.param.as_deref(), error.code),
            (400, Some(param), Some("context_length_exceeded")),
            "{error}"
        );
        assert!(error.message.contains(says), "{error}");
    };
    check(
        completion(&json!({"prompt": "wxyz".repeat(2 << 20)})),
        "prompt",
    );
    let long = json!([{"role": "user", "content": "wxyz".repeat(2 << 20)}]);
    check(chat(&json!({"messages": long})), "messages");
    // Many small ones: the template never comes to the hundredth.
    let template = "{% for m in messages %}{{ m.content }}{% if loop.index > 99 %}\
                    {{ raise_exception('it came this far') }}{% endif %}{% endfor %}";
    let many = json!({"model": "org/tiny", "messages": vec![json!({"role": "user", "content": "xy"}); 100_000]});
    let body = many.to_string().into_bytes();
    check(
        chat::prepare(&body, &served(Some(template)), ENTROPY, None, NOW),
        "messages",
    );
    // What fits to the token is taken.
    assert!(completion(&json!({"prompt": "wxyz".repeat(15), "max_tokens": 4})).is_ok());
    let many = json!({"prompt": vec!["x"; 100_000]});
    refused(
        completion,
        &many,
        400,
        "n",
        "asks for 100000 answers at once",
    );
}
