//! Templates in the idioms that published models use, against what each is meant to print.

use super::*;

const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const INST: &str = "{%- if messages[0]['role'] == 'system' %}
    {%- set loop_messages = messages[1:] %}
    {%- set system_message = messages[0]['content'] %}
{%- else %}
    {%- set loop_messages = messages %}
    {%- set system_message = false %}
{%- endif %}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if loop.index0 == 0 and system_message != false %}
        {%- set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}
    {%- else %}
        {%- set content = message['content'] %}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + content.strip() + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}";

const HEADERS: &str = "{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now(\"%d %b %Y\") %}
    {%- else %}
        {%- set date_string = \"26 Jul 2024\" %}
    {%- endif %}
{%- endif %}
{{- \"<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: \" + date_string + \"<|eot_id|>\" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}";

const NAMESPACE: &str = "{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == 'user' and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and '</think>' in message.content %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
    {%- else %}
        {%- set content = message.content %}
    {%- endif %}
    {{- message.role ~ (' (last)' if loop.index0 == ns.last else '') ~ ': ' ~ content ~ '\\n' }}
{%- endfor %}
{%- if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}
    {{- '<think>\\n\\n</think>' }}
{%- endif %}";

fn names() -> SpecialNames {
    [("bos_token", "<s>"), ("eos_token", "</s>")]
        .into_iter()
        .collect()
}

fn found(text: &str) -> Found {
    Found {
        text: text.to_owned(),
        path: PathBuf::from("F"),
    }
}

fn render(template: &str, messages: &Json, extra: &Json) -> Result<String, TextError> {
    let template = ChatTemplate::compile(found(template), names())?;
    template.render(&Conversation {
        messages: messages.as_array().unwrap(),
        prompt: GenerationPrompt::Open,
        extra: extra.as_object().unwrap(),
        now: jiff::civil::date(2026, 3, 9).at(14, 5, 0, 0),
    })
}

fn check(template: &str, messages: &Json, expected: &str) {
    assert_eq!(render(template, messages, &json!({})).unwrap(), expected);
}

/// Small templates, one feature each, beside what the library that they are written for renders of them
/// (`tests/numerics/chat_templates.py`). Null is where it raises.
#[test]
fn every_feature_is_rendered_as_the_reference_renders_it() {
    let file: Json = serde_json::from_str(include_str!("rendered.json")).unwrap();
    let special = file["special"].as_object().unwrap();
    let names: SpecialNames = special
        .iter()
        .map(|(name, token)| (name.as_str(), token.as_str().unwrap()))
        .collect();
    let mut differ = Vec::new();
    for row in file["rendered"].as_array().unwrap() {
        let [template, expected] = [&row[0], &row[1]].map(Json::as_str);
        let found =
            ChatTemplate::compile(found(template.unwrap()), names.clone()).and_then(|template| {
                template.render(&Conversation {
                    messages: file["messages"].as_array().unwrap(),
                    prompt: GenerationPrompt::Open,
                    extra: &Map::new(),
                    now: jiff::civil::date(2026, 3, 9).at(14, 5, 0, 0),
                })
            });
        if found.as_deref().ok() != expected {
            differ.push(format!(
                "{} is {}, not {expected:?}",
                row[0],
                found.map_or_else(
                    |error| crate::serve::chain(&error),
                    |text| format!("{text:?}")
                )
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn chatml() {
    check(
        CHATML,
        &json!([{"role": "user", "content": "Hi"}]),
        "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    check(
        CHATML,
        &json!([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]),
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n",
    );
}

#[test]
fn inst_with_system_and_turns() {
    check(
        INST,
        &json!([
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi "},
            {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Bye"},
        ]),
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST] Hello. </s><s>[INST] Bye [/INST]",
    );
}

#[test]
fn headers_with_the_date() {
    check(
        HEADERS,
        &json!([{"role": "user", "content": "  Hi\n"}]),
        "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 09 Mar 2026<|eot_id|>\
         <|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    );
    let fixed = render(HEADERS, &json!([]), &json!({"date_string": "1 Jan 2000"})).unwrap();
    assert!(
        fixed.contains("Today Date: 1 Jan 2000<|eot_id|>"),
        "{fixed}"
    );
}

#[test]
fn namespaces_slices_and_extra_arguments() {
    let messages = json!([
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nx</think>\n\nb"},
        {"role": "user", "content": "c"},
    ]);
    check(
        NAMESPACE,
        &messages,
        "user: a\nassistant: b\nuser (last): c\n",
    );
    let quiet = render(NAMESPACE, &messages, &json!({"enable_thinking": false})).unwrap();
    assert!(quiet.ends_with("c\n<think>\n\n</think>"), "{quiet}");
}

#[test]
fn small_idioms() {
    let messages =
        json!([{"role": "user", "content": "Ünï <b>'q'</b>", "n": 1.0, "ok": true, "none": null}]);
    let rows = [
        // Blocks leave neither their indentation nor their line behind.
        ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
        ("{{ messages[0].content }}\n", "Ünï <b>'q'</b>"),
        (
            "{{ messages[0] | tojson }}",
            r#"{"role": "user", "content": "Ünï <b>'q'</b>", "n": 1.0, "ok": true}"#,
        ),
        (
            "{{ {'b': [1, 2], 'a': {}} | tojson }}",
            r#"{"b": [1, 2], "a": {}}"#,
        ),
        (
            "{{ {'b': [1]} | tojson(indent=2) }}",
            "{\n  \"b\": [\n    1\n  ]\n}",
        ),
        ("{{ none }} {{ true }} {{ 1 }} {{ 1.0 }}", "None True 1 1.0"),
        ("{{ undefined_name }}|{{ pad_token is defined }}", "|False"),
        (
            "{% for m in [1, 2, 3] %}{% if m == 2 %}{% break %}{% endif %}{{ m }}{% endfor %}",
            "1",
        ),
        (
            "{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% endfor %}",
            "user",
        ),
        ("a {%- generation -%} b {%- endgeneration %} c", "ab c"),
        (
            "{%- macro say(x) -%}<{{ x }}>{%- endmacro -%}{{ say('hi') }}",
            "<hi>",
        ),
        (
            "{{ messages[0].get('missing', 'x') }}{% for k, v in messages[0].items() %}{{ k[0] }}{% endfor %}",
            "xrcno",
        ),
        (
            "{{ 'a,b'.split(',') | join('+') }} {{ 'Ab'.upper() }} {{ 'x' in 'xyz' }}",
            "a+b AB True",
        ),
        (
            "{{ 'a-b-c'.rsplit('-', 1) }} {{ ' a b  c '.rsplit() }} {{ 'a b c'.rsplit(none, 1) }}",
            "['a-b', 'c'] ['a', 'b', 'c'] ['a b', 'c']",
        ),
        (
            "{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('x') }} {{ 'a=b'.partition('=') | list }}",
            "bc abc ['a', '=', 'b']",
        ),
        (
            "{{ messages | length }} {{ messages[-1]['role'] }} {{ messages is iterable }}",
            "1 user True",
        ),
        (
            "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
            "1",
        ),
        (
            "{{ messages | map(attribute='role') | list | first }}",
            "user",
        ),
        ("{{ '%s-%s' | format('a', 1) }}", "a-1"),
    ];
    for (template, expected) in rows {
        check(template, &messages, expected);
    }
}

#[test]
fn refusals_are_told_from_breakage() {
    let check = |template: &str, expected: &str| {
        let error = render(
            template,
            &json!([{"role": "user", "content": "x"}]),
            &json!({}),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        "{{ raise_exception('Only user and assistant roles are supported!') }}",
        "the model's chat template refuses this conversation: Only user and assistant roles are supported!",
    );
    check(
        "{{ messages[0].content.nope() }}",
        "the model's chat template does not render this conversation; use /v1/completions, or correct the template in F",
    );
    check(
        "{{ missing.attribute.deeper }}",
        "the model's chat template does not render this conversation; use /v1/completions, or correct the template in F",
    );
    check(
        "{% if %}",
        "the chat template in F does not compile; fetch the file again, correct the template, or remove it to do without chat",
    );
}

#[test]
fn a_template_that_no_conversation_suits_is_found_without_one() {
    let check = |text: &str, expected: Option<&str>| {
        let template = ChatTemplate::compile(found(text), names()).unwrap();
        let found = template.check(jiff::civil::date(2026, 3, 9).at(14, 5, 0, 0));
        let found = found.err().map(|error| crate::serve::chain(&error));
        match (found.as_deref(), expected) {
            (None, None) => {}
            (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
            other => panic!("{text}: {other:?}"),
        }
    };
    check(CHATML, None);
    check(INST, None);
    check("{{ raise_exception('no system messages') }}", None);
    check("{{ messages[0].content|urlize }}", Some("urlize"));
    check(
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content.nothing() }}{% endif %}{% endfor %}",
        Some("nothing"),
    );
}

#[test]
fn what_the_caller_names_wins_over_what_the_model_names() {
    let template = "{{ bos_token }}{{ tools|length }}{{ messages|length }}";
    let extra = json!({"bos_token": "<b>", "tools": [1, 2], "messages": []});
    let found = render(template, &json!([{"role": "user", "content": "x"}]), &extra);
    assert_eq!(found.unwrap(), "<b>21");
}

#[test]
fn messages_are_plain() {
    check(
        "{{ messages[0]|tojson }}",
        &json!([{"role": "assistant", "content": null, "reasoning": "hm", "name": null}]),
        r#"{"role": "assistant", "reasoning": "hm", "thinking": "hm", "reasoning_content": "hm"}"#,
    );
}

#[test]
fn templates_are_found_where_checkpoints_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let find = |config: Json| {
        let found = super::find(folder.path(), config.as_object().unwrap());
        found.map(|found| found.map(|found| found.text))
    };
    assert_eq!(find(json!({})).unwrap(), None);
    assert_eq!(
        find(json!({"chat_template": "T"})).unwrap().as_deref(),
        Some("T")
    );
    let named = json!({"chat_template": [{"name": "tool_use", "template": "U"}, {"name": "default", "template": "D"}]});
    assert_eq!(find(named).unwrap().as_deref(), Some("D"));
    let single = json!({"chat_template": [{"name": "rag", "template": "R"}]});
    assert_eq!(find(single).unwrap().as_deref(), Some("R"));
    let unnamed = json!({"chat_template": [{"name": "rag", "template": "R"}, {"name": "tool_use", "template": "U"}]});
    assert_eq!(find(unnamed).unwrap(), None);
    for bad in [
        json!({"chat_template": 3}),
        json!({"chat_template": [{"name": "default"}]}),
        json!({"chat_template": {}}),
    ] {
        assert!(matches!(find(bad), Err(TextError::TemplateShape { .. })));
    }
    std::fs::write(folder.path().join("chat_template.jinja"), "F").unwrap();
    assert_eq!(
        find(json!({"chat_template": "T"})).unwrap().as_deref(),
        Some("F")
    );
}
