//! Names and shapes of a checkpoint's tensors.

use crate::model::ModelShape;

/// Every tensor that a model must have, with its shape.
pub(super) fn tensors(shape: &ModelShape) -> impl Iterator<Item = (String, Vec<u64>)> {
    let [hidden, inter, vocab, width] = [
        shape.hidden,
        shape.intermediate,
        shape.vocab,
        shape.head_dim,
    ]
    .map(u64::from);
    let (q, kv) = (
        u64::from(shape.heads) * width,
        u64::from(shape.kv_heads) * width,
    );
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, hidden])];
    all.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !shape.tied {
        all.push(("lm_head.weight".to_owned(), vec![vocab, hidden]));
    }
    for layer in 0..shape.layers {
        let mut add = |name: &str, sizes: &[u64]| {
            all.push((format!("model.layers.{layer}.{name}"), sizes.to_vec()));
        };
        add("input_layernorm.weight", &[hidden]);
        add("post_attention_layernorm.weight", &[hidden]);
        add("self_attn.q_proj.weight", &[q, hidden]);
        add("self_attn.k_proj.weight", &[kv, hidden]);
        add("self_attn.v_proj.weight", &[kv, hidden]);
        add("self_attn.o_proj.weight", &[hidden, q]);
        add("mlp.gate_proj.weight", &[inter, hidden]);
        add("mlp.up_proj.weight", &[inter, hidden]);
        add("mlp.down_proj.weight", &[hidden, inter]);
        if shape.qkv_bias {
            add("self_attn.q_proj.bias", &[q]);
            add("self_attn.k_proj.bias", &[kv]);
            add("self_attn.v_proj.bias", &[kv]);
        }
        if shape.output_bias {
            add("self_attn.o_proj.bias", &[hidden]);
        }
        if shape.mlp_bias {
            add("mlp.gate_proj.bias", &[inter]);
            add("mlp.up_proj.bias", &[inter]);
            add("mlp.down_proj.bias", &[hidden]);
        }
        if shape.head_norm {
            add("self_attn.q_norm.weight", &[width]);
            add("self_attn.k_norm.weight", &[width]);
        }
    }
    all.into_iter()
}

/// Whether a tensor that the model does not have may be there all the same: old exports carry the rotary
/// frequencies, and tied ones a copy of the embedding.
pub(super) fn harmless(name: &str, shape: &ModelShape) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || (shape.tied && name == "lm_head.weight")
}
