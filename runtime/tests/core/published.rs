//! Configurations as they are published, key for key, with smaller sizes; and what else real folders hold.

use std::fs;
use std::path::Path;

use runtime::checkpoint::Checkpoint;
use runtime::model::ModelShape;
use runtime::program::Precision;
use serde_json::{Value, json};

use crate::support::{Recipe, Sizes, chain, program, safetensors, try_build};

/// A checkpoint with exactly these keys.
fn published(config: &str) -> Recipe {
    let config: Value = serde_json::from_str(config).expect("JSON");
    let family = config["model_type"].as_str().expect("a family").to_owned();
    let size = |key: &str| config[key].as_u64().map(|size| size as usize);
    let must = |key: &str| size(key).expect(key);
    let heads = must("num_attention_heads");
    let sizes = Sizes {
        hidden: must("hidden_size"),
        intermediate: must("intermediate_size"),
        heads,
        kv_heads: size("num_key_value_heads").unwrap_or(heads),
        head_dim: size("head_dim").unwrap_or(must("hidden_size") / heads),
        vocab: must("vocab_size"),
        layers: must("num_hidden_layers"),
    };
    let mut recipe = Recipe::new(&family, sizes, config.clone());
    recipe.config = config;
    recipe
}

const LLAMA_1: &str = r#"{"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.02,
    "max_sequence_length": 2048, "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2,
    "pad_token_id": 0, "rms_norm_eps": 1e-06, "torch_dtype": "float16", "transformers_version": "4.28.0.dev0",
    "use_cache": true, "vocab_size": 64}"#;
const LLAMA_2: &str = r#"{"_name_or_path": "meta-llama/Llama-2-7b-chat-hf", "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
    "intermediate_size": 48, "max_length": 4096, "max_position_embeddings": 4096, "model_type": "llama",
    "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 4, "pad_token_id": 0,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
    "torch_dtype": "float16", "transformers_version": "4.32.0.dev0", "use_cache": true, "vocab_size": 64}"#;
const LLAMA_3_2: &str = r#"{"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 40, "eos_token_id": [41, 42, 43], "head_dim": 8, "hidden_act": "silu", "hidden_size": 32,
    "initializer_range": 0.02, "intermediate_size": 48, "max_position_embeddings": 131072, "mlp_bias": false,
    "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0", "use_cache": true,
    "vocab_size": 64}"#;
const SMOL: &str = r#"{"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 36, "initializer_range": 0.041666666666666664,
    "intermediate_size": 96, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
    "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 2, "num_key_value_heads": 3, "pad_token_id": 2,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16",
    "fp16": "float16"}}, "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 64}"#;
const TINY: &str = r#"{"architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 56,
    "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 8, "num_hidden_layers": 2,
    "num_key_value_heads": 4, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.35.0", "use_cache": true,
    "vocab_size": 64}"#;
const MISTRAL_1: &str = r#"{"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 56,
    "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 4, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0", "use_cache": true,
    "vocab_size": 64}"#;
const MISTRAL_3: &str = r#"{"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 56,
    "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 4, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0", "use_cache": true,
    "vocab_size": 64, "head_dim": null}"#;
const QWEN_2_5: &str = r#"{"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 61,
    "eos_token_id": 62, "hidden_act": "silu", "hidden_size": 56, "initializer_range": 0.02, "intermediate_size": 76,
    "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2", "num_attention_heads": 14,
    "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
    "use_cache": true, "use_mrope": false, "use_sliding_window": false, "vocab_size": 64}"#;
const QWEN_3: &str = r#"{"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 61, "eos_token_id": 62, "head_dim": 16, "hidden_act": "silu", "hidden_size": 32,
    "initializer_range": 0.02, "intermediate_size": 96, "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true,
    "use_sliding_window": false, "vocab_size": 64}"#;
/// Qwen3 as transformers 5 writes it, with every key that its base class has ever spelled out.
const QWEN_3_NEW: &str = r#"{"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": null, "chunk_size_feed_forward": 0, "dtype": "bfloat16", "eos_token_id": [61, 62], "head_dim": 16,
    "hidden_act": "silu", "hidden_size": 32, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "initializer_range": 0.02,
    "intermediate_size": 96, "is_encoder_decoder": false, "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "layer_types": ["full_attention", "full_attention"], "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
    "output_attentions": false, "output_hidden_states": false, "pad_token_id": null, "problem_type": null,
    "return_dict": true, "rms_norm_eps": 1e-06, "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
    "sliding_window": null, "tie_word_embeddings": true, "transformers_version": "5.0.0", "unsloth_fixed": true,
    "use_cache": true, "use_sliding_window": false, "vocab_size": 64}"#;

#[test]
fn published_configurations_build() {
    for config in [
        LLAMA_1, LLAMA_2, LLAMA_3_2, SMOL, TINY, MISTRAL_1, MISTRAL_3, QWEN_2_5, QWEN_3, QWEN_3_NEW,
    ] {
        let folder = published(config).write();
        let (_folder, program) = program(folder.path(), 2, Precision::Bf16);
        let parsed: Value = serde_json::from_str(config).expect("JSON");
        let context = parsed["max_position_embeddings"].as_u64().unwrap_or(2048);
        assert_eq!(
            u64::from(program.manifest().shape.context),
            context,
            "{config}"
        );
    }
}

fn shape(folder: &Path) -> Result<ModelShape, String> {
    Checkpoint::open(folder)
        .map(|checkpoint| checkpoint.shape)
        .map_err(|error| chain(&error))
}

#[test]
fn a_generation_configuration_has_the_last_word_on_endings() {
    let folder = published(QWEN_2_5).write();
    let generation = r#"{"bos_token_id": 61, "pad_token_id": 61, "do_sample": true, "eos_token_id": [62, 61],
        "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "transformers_version": "4.37.0"}"#;
    fs::write(folder.path().join("generation_config.json"), generation).expect("write");
    let shape = shape(folder.path()).expect("it opens");
    assert_eq!((shape.eos, shape.bos), (vec![62, 61], vec![61]));
}

#[test]
fn leftovers_of_old_exports_are_no_tensors_of_the_model() {
    let mut recipe = published(LLAMA_2);
    for layer in 0..2 {
        let name = format!("model.layers.{layer}.self_attn.rotary_emb.inv_freq");
        recipe.tensors.push((name, "F32", vec![4], vec![0.5; 4]));
    }
    // One type a tensor: norms stay wide, some matrices are halves of the other kind.
    for (at, (name, dtype, ..)) in recipe.tensors.iter_mut().enumerate() {
        if !name.contains("norm") {
            *dtype = ["BF16", "F16", "F32"][at % 3];
        }
    }
    let folder = recipe.write();
    program(folder.path(), 2, Precision::F32);
}

#[test]
fn a_single_file_counts_before_an_index() {
    let recipe = published(LLAMA_2);
    let folder = recipe.write();
    let index = json!({"metadata": {"total_size": 1}, "weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}});
    let index_path = folder.path().join("model.safetensors.index.json");
    fs::write(index_path, index.to_string()).expect("index");
    assert!(shape(folder.path()).is_ok());
    fs::remove_file(folder.path().join("model.safetensors")).expect("remove");
    let error = shape(folder.path()).expect_err("the index alone");
    assert!(
        error.contains("model-00001-of-00002.safetensors is missing"),
        "{error}"
    );
}

#[test]
fn a_tied_head_that_is_stored_must_be_the_embedding() {
    let recipe = published(LLAMA_3_2);
    let embedding = recipe.tensors[0].clone();
    assert_eq!(embedding.0, "model.embed_tokens.weight");
    let check = |sizes: Vec<usize>, values: Vec<f32>, expected: Option<&str>| {
        let folder = recipe.write();
        let mut tensors = recipe.tensors.clone();
        tensors.push(("lm_head.weight".to_owned(), "F32", sizes, values));
        fs::write(
            folder.path().join("model.safetensors"),
            safetensors(&tensors),
        )
        .expect("write");
        let out = folder.path().join("program");
        let outcome =
            try_build(folder.path(), &out, 2, Precision::F32).map_err(|error| chain(&error));
        match (outcome, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.contains(expected), "{error}");
                assert!(!out.exists());
            }
            (outcome, expected) => panic!("{outcome:?} where {expected:?} was expected"),
        }
    };
    let (sizes, values) = (embedding.2, embedding.3);
    check(sizes.clone(), values.clone(), None);
    let mut other = values.clone();
    other[3 * 32 + 7] += 0.5;
    check(
        sizes,
        other,
        Some("differs from `model.embed_tokens.weight` at row 3, and config.json says"),
    );
    check(
        vec![32, 64],
        values,
        Some("`lm_head.weight` has shape [32, 64] and config.json implies [64, 32]"),
    );
}
