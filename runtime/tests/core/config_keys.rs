//! Every configuration key is used, harmless, or refused by name.

use runtime::checkpoint::Checkpoint;
use runtime::model::{Architecture, ModelShape, RopeScaling};
use runtime::program::inspect;
use serde_json::{Value, json};

use crate::support::{ODD, Recipe, chain};

/// Opens a model of `family` with some keys changed; `Value::Null` is as good as an absent key.
fn open(family: &str, keys: Value) -> Result<ModelShape, String> {
    let folder = Recipe::new(family, ODD, keys).write();
    Checkpoint::open(folder.path())
        .map(|checkpoint| checkpoint.shape)
        .map_err(|error| chain(&error))
}

#[test]
fn keys_that_change_nothing_are_ignored() {
    let plain = open("llama", json!({})).expect("plain");
    for keys in [
        json!({"attention_dropout": 0.1, "use_cache": false, "pretraining_tp": 2, "transformers_version": "5.23.0"}),
        json!({"dtype": "bfloat16", "torch_dtype": null, "_name_or_path": "somebody/model", "pad_token_id": 3}),
        json!({"quantization_config": null, "rope_scaling": null, "sliding_window": null, "mystery": null}),
        json!({"partial_rotary_factor": 1.0, "hidden_act": "silu", "architectures": null}),
        json!({"rope_theta": null, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
        json!({"rope_scaling": {"type": "default"}}),
        json!({"rope_scaling": {"rope_type": "default", "factor": 1.0}}),
        json!({"layer_types": ["full_attention", "full_attention"]}),
    ] {
        assert_eq!(open("llama", keys.clone()).as_ref(), Ok(&plain), "{keys}");
    }
}

#[test]
fn keys_that_change_the_numbers_are_used() {
    let windows = |family, keys| open(family, keys).map(|shape| shape.windows);
    assert_eq!(
        windows("mistral", json!({"sliding_window": 7})),
        Ok(vec![Some(7), Some(7)])
    );
    assert_eq!(
        windows("mistral", json!({"sliding_window": null})),
        Ok(vec![None, None])
    );
    // The class's own default; only null takes the window away.
    assert_eq!(
        windows("mistral", json!({})),
        Ok(vec![Some(4096), Some(4096)])
    );
    let named =
        json!({"sliding_window": 7, "layer_types": ["sliding_attention", "sliding_attention"]});
    assert_eq!(windows("mistral", named), Ok(vec![Some(7), Some(7)]));
    let assumed = json!({"use_sliding_window": true, "max_window_layers": 0});
    assert_eq!(windows("qwen2", assumed), Ok(vec![Some(4096), Some(4096)]));
    let used = json!({"use_sliding_window": true, "sliding_window": 7, "max_window_layers": 1});
    assert_eq!(windows("qwen2", used), Ok(vec![None, Some(7)]));
    let unused = json!({"use_sliding_window": false, "sliding_window": 7, "max_window_layers": 1});
    assert_eq!(windows("qwen3", unused), Ok(vec![None, None]));
    let named = json!({"use_sliding_window": true, "sliding_window": 7, "layer_types": ["sliding_attention", "full_attention"]});
    assert_eq!(windows("qwen2", named), Ok(vec![Some(7), None]));

    let new = json!({"rope_theta": null, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}});
    let old = json!({"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}});
    let rope = open("llama", new).expect("new").rope;
    assert_eq!(rope.theta.to_bits(), 5e5_f64.to_bits());
    assert_eq!(rope.scaling, RopeScaling::Linear { factor: 2.0 });
    assert_eq!(open("llama", old).expect("old").rope, rope);

    let ends = open("llama", json!({"eos_token_id": [2, 5], "bos_token_id": 1})).expect("ends");
    assert_eq!((ends.eos, ends.bos), (vec![2, 5], vec![1]));
    let biased = open("llama", json!({"attention_bias": true, "mlp_bias": true})).expect("biased");
    assert!(biased.qkv_bias && biased.output_bias && biased.mlp_bias);
    let qwen = open("qwen2", json!({})).expect("qwen2");
    assert!(qwen.qkv_bias && !qwen.output_bias && qwen.architecture == Architecture::Qwen2);
    assert!(open("qwen3", json!({})).expect("qwen3").head_norm);
}

#[test]
fn anything_else_is_refused_by_name() {
    for (family, keys, expected) in [
        (
            "llama",
            json!({"architectures": ["MixtralForCausalLM"]}),
            "`architectures` is [\"MixtralForCausalLM\"]",
        ),
        (
            "llama",
            json!({"model_type": "gemma"}),
            "`model_type` is \"gemma\"",
        ),
        (
            "llama",
            json!({"model_type": "qwen2"}),
            "`model_type` is \"qwen2\", expected the type that belongs",
        ),
        (
            "llama",
            json!({"architectures": null, "model_type": null}),
            "`architectures` is missing",
        ),
        (
            "llama",
            json!({"hidden_act": "gelu"}),
            "`hidden_act` is \"gelu\"",
        ),
        (
            "llama",
            json!({"partial_rotary_factor": 0.5}),
            "`partial_rotary_factor` is 0.5",
        ),
        (
            "llama",
            json!({"quantization_config": {"bits": 4}}),
            "`quantization_config` is {\"bits\":4}",
        ),
        (
            "llama",
            json!({"logit_scale": 0.5}),
            "`logit_scale` (= 0.5) is not known",
        ),
        (
            "llama",
            json!({"num_local_experts": 8}),
            "`num_local_experts` (= 8) is not known",
        ),
        (
            "llama",
            json!({"sliding_window": 9}),
            "`sliding_window` is 9",
        ),
        (
            "llama",
            json!({"layer_types": ["full_attention", "sliding_attention"]}),
            "`layer_types` is",
        ),
        (
            "llama",
            json!({"layer_types": ["full_attention"]}),
            "expected a list of 2 names",
        ),
        (
            "llama",
            json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
            "`rope_scaling.rope_type` is \"yarn\"",
        ),
        (
            "llama",
            json!({"rope_scaling": {"type": "dynamic", "factor": 4.0}}),
            "`rope_scaling.type` is \"dynamic\"",
        ),
        (
            "llama",
            json!({"rope_scaling": {"type": "linear"}}),
            "`rope_scaling.factor` is missing",
        ),
        (
            "llama",
            json!({"rope_scaling": {"type": "linear", "factor": 2.0, "mrope_section": [1]}}),
            "`rope_scaling.mrope_section` (= [1]) is not known",
        ),
        (
            "llama",
            json!({"rope_parameters": {"full_attention": {}}}),
            "`rope_parameters.full_attention` (= {}) is not known",
        ),
        (
            "llama",
            json!({"rope_parameters": {"rope_theta": 5e5}}),
            "`rope_theta` is 10000.0, expected 500000",
        ),
        (
            "mistral",
            json!({"attention_bias": true}),
            "`attention_bias` is true",
        ),
        (
            "mistral",
            json!({"sliding_window": 7, "layer_types": ["sliding_attention", "full_attention"]}),
            "`layer_types` is",
        ),
        ("qwen2", json!({"mlp_bias": true}), "`mlp_bias` is true"),
        (
            "llama",
            json!({"num_key_value_heads": 4}),
            "`num_key_value_heads` is 4, expected a divisor of the 6",
        ),
        (
            "qwen2",
            json!({"num_key_value_heads": null}),
            "`num_key_value_heads` is missing",
        ),
        (
            "llama",
            json!({"head_dim": 15}),
            "`head_dim` is 15, expected an even number",
        ),
        (
            "llama",
            json!({"head_dim": 1_048_576}),
            "6 heads of 1048576 are wider than 1048576",
        ),
        (
            "llama",
            json!({"head_dim": null, "hidden_size": 73}),
            "`hidden_size` is 73, expected a multiple of the 6",
        ),
        (
            "llama",
            json!({"hidden_size": null}),
            "`hidden_size` is missing",
        ),
        (
            "llama",
            json!({"vocab_size": -1}),
            "`vocab_size` is -1, expected a whole number",
        ),
        (
            "llama",
            json!({"intermediate_size": 1.5}),
            "`intermediate_size` is 1.5",
        ),
        (
            "llama",
            json!({"num_hidden_layers": 9_999_999_999_u64}),
            "`num_hidden_layers` is 9999999999",
        ),
        (
            "llama",
            json!({"rms_norm_eps": "small"}),
            "`rms_norm_eps` is \"small\"",
        ),
        (
            "llama",
            json!({"eos_token_id": "</s>"}),
            "`eos_token_id` is \"</s>\"",
        ),
        (
            "llama",
            json!({"eos_token_id": [2, 99999]}),
            "`eos_token_id` is [2,99999], expected nothing but ids below 131, the `vocab_size`",
        ),
        (
            "llama",
            json!({"bos_token_id": 131}),
            "`bos_token_id` is 131, expected nothing but ids below 131",
        ),
        (
            "llama",
            json!({"tie_word_embeddings": "yes"}),
            "`tie_word_embeddings` is \"yes\", expected true or false",
        ),
    ] {
        let error = open(family, keys.clone()).expect_err(expected);
        assert!(
            error.contains("config.json: ") && error.contains(expected),
            "{keys}: {error}"
        );
    }
}

#[test]
fn token_ids_beyond_the_vocabulary_are_told() {
    let folder = Recipe::new("llama", ODD, json!({"pad_token_id": 131})).write();
    let seen = inspect(folder.path(), 1).expect("nothing is padded");
    let [warning] = seen.warnings.as_slice() else {
        panic!("{:?}", seen.warnings);
    };
    assert!(
        warning.contains("config.json: `pad_token_id` is 131, expected nothing but ids below 131"),
        "{warning}"
    );
    let path = folder.path().join("generation_config.json");
    std::fs::write(path, r#"{"eos_token_id": 99999}"#).expect("write");
    let error = inspect(folder.path(), 1).expect_err("no such token");
    assert!(
        chain(&error).contains("generation_config.json: `eos_token_id` is 99999"),
        "{}",
        chain(&error)
    );
    // Unlearned padding by convention.
    let folder = Recipe::new("llama", ODD, json!({"pad_token_id": -1})).write();
    assert!(
        inspect(folder.path(), 1)
            .expect("inspect")
            .warnings
            .is_empty()
    );
}

#[test]
fn inspection_counts() {
    let folder = Recipe::new("llama", ODD, json!({"tie_word_embeddings": true})).write_split();
    let seen = inspect(folder.path(), 4).expect("inspect");
    assert_eq!(seen.checkpoint_bytes, seen.parameters * 4);
    assert_eq!(seen.shard_counts, [1, 2, 3, 4, 5, 6]);
    // Heads 0..1, 1..3, 3..4, 4..6 over three key heads of two: the second and third are shared.
    assert_eq!(seen.slices.replicated_kv_heads, 2);
    assert!(inspect(folder.path(), 7).is_err());
}
