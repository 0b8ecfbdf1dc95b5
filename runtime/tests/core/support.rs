//! Random checkpoints, programs made of them, and ranks that run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::program::{BuildError, BuildRequest, Built, MemoryLimit, Precision, Program, build};
use runtime::ranks::{Connectivity, Feed, InstructionSet, Logits, RankOptions, Ranks};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A checkpoint in the making: change it, then write it.
pub struct Recipe {
    /// The text of `config.json`, as a value.
    pub config: Value,
    /// Name, type, sizes, numbers.
    pub tensors: Vec<(String, &'static str, Vec<usize>, Vec<f32>)>,
}

/// Sizes of a random model.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub vocab: usize,
    pub layers: usize,
}

/// Six heads over three, a vocabulary that nothing divides, more than one block of MLP columns and a short last one.
pub const ODD: Sizes = Sizes {
    hidden: 72,
    intermediate: 180,
    heads: 6,
    kv_heads: 3,
    head_dim: 20,
    vocab: 131,
    layers: 2,
};
/// Eight heads, as eight ranks need them.
pub const EIGHT: Sizes = Sizes {
    hidden: 64,
    intermediate: 320,
    heads: 8,
    kv_heads: 2,
    head_dim: 16,
    vocab: 97,
    layers: 2,
};

/// Thirty-two heads, for more ranks than any P2P group has.
pub const MANY: Sizes = Sizes {
    hidden: 48,
    intermediate: 160,
    heads: 32,
    kv_heads: 8,
    head_dim: 4,
    vocab: 97,
    layers: 2,
};

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

impl Recipe {
    /// A random model of a family. Keys of `extra` replace or join those of the configuration.
    pub fn new(family: &str, sizes: Sizes, extra: Value) -> Self {
        let Sizes {
            hidden,
            intermediate,
            heads,
            kv_heads,
            head_dim,
            vocab,
            layers,
        } = sizes;
        let mut config = json!({
            "architectures": [format!("{}ForCausalLM", match family { "qwen2" => "Qwen2", "qwen3" => "Qwen3", "mistral" => "Mistral", _ => "Llama" })],
            "model_type": family, "hidden_size": hidden, "intermediate_size": intermediate,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim, "vocab_size": vocab,
            "num_hidden_layers": layers, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "hidden_act": "silu", "tie_word_embeddings": false, "torch_dtype": "float32", "eos_token_id": 2,
        });
        let (Some(map), Value::Object(extra)) = (config.as_object_mut(), extra) else {
            unreachable!("objects")
        };
        map.extend(extra);
        let flag = |key: &str| config.get(key) == Some(&Value::Bool(true));
        let (q, kv) = (heads * head_dim, kv_heads * head_dim);
        let mut noise = Noise(0x5eed_0f00_d5ee_d123);
        let mut tensors = Vec::new();
        let mut add = |name: String, shape: Vec<usize>| {
            let count = shape.iter().product();
            // Norms lie around one, as trained ones do.
            let middle = if name.contains("norm") { 1.0 } else { 0.0 };
            tensors.push((
                name,
                "F32",
                shape,
                (0..count)
                    .map(|_| middle + 0.2 * noise.next())
                    .collect::<Vec<f32>>(),
            ));
        };
        add("model.embed_tokens.weight".into(), vec![vocab, hidden]);
        add("model.norm.weight".into(), vec![hidden]);
        if !flag("tie_word_embeddings") {
            add("lm_head.weight".into(), vec![vocab, hidden]);
        }
        for layer in 0..layers {
            let mut add = |name: &str, shape: &[usize]| {
                add(format!("model.layers.{layer}.{name}"), shape.to_vec());
            };
            add("input_layernorm.weight", &[hidden]);
            add("post_attention_layernorm.weight", &[hidden]);
            for (name, rows) in [("q", q), ("k", kv), ("v", kv)] {
                add(&format!("self_attn.{name}_proj.weight"), &[rows, hidden]);
                if family == "qwen2" || flag("attention_bias") {
                    add(&format!("self_attn.{name}_proj.bias"), &[rows]);
                }
            }
            add("self_attn.o_proj.weight", &[hidden, q]);
            if flag("attention_bias") {
                add("self_attn.o_proj.bias", &[hidden]);
            }
            if family == "qwen3" {
                add("self_attn.q_norm.weight", &[head_dim]);
                add("self_attn.k_norm.weight", &[head_dim]);
            }
            for (name, rows, columns) in [
                ("gate", intermediate, hidden),
                ("up", intermediate, hidden),
                ("down", hidden, intermediate),
            ] {
                add(&format!("mlp.{name}_proj.weight"), &[rows, columns]);
                if flag("mlp_bias") {
                    add(&format!("mlp.{name}_proj.bias"), &[rows]);
                }
            }
        }
        Self { config, tensors }
    }

    /// Writes the folder, everything in one file.
    pub fn write(&self) -> TempDir {
        let folder = self.folder();
        fs::write(
            folder.path().join("model.safetensors"),
            safetensors(&self.tensors),
        )
        .expect("weights");
        folder
    }

    /// Writes the folder with its tensors dealt out to two files and an index.
    pub fn write_split(&self) -> TempDir {
        let folder = self.folder();
        let mut map = Map::new();
        for (number, half) in self
            .tensors
            .chunks(self.tensors.len().div_ceil(2))
            .enumerate()
        {
            let name = format!("model-{number}.safetensors");
            map.extend(
                half.iter()
                    .map(|(tensor, ..)| (tensor.clone(), json!(name))),
            );
            fs::write(folder.path().join(name), safetensors(half)).expect("weights");
        }
        let index = json!({"metadata": {}, "weight_map": map});
        fs::write(
            folder.path().join("model.safetensors.index.json"),
            index.to_string(),
        )
        .expect("index");
        folder
    }

    fn folder(&self) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("config.json"), self.config.to_string()).expect("config");
        fs::write(folder.path().join("tokenizer.json"), "{}").expect("tokenizer");
        folder
    }
}

/// The bytes of a safetensors file.
pub fn safetensors(tensors: &[(String, &'static str, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = Map::new();
    let mut body: Vec<u8> = Vec::new();
    for (name, dtype, shape, values) in tensors {
        let start = body.len();
        match *dtype {
            "BF16" => body.extend(
                values
                    .iter()
                    .flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()),
            ),
            "F16" => body.extend(
                values
                    .iter()
                    .flat_map(|value| half::f16::from_f32(*value).to_le_bytes()),
            ),
            _ => body.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        }
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [start, body.len()]}),
        );
    }
    file(&Value::Object(header).to_string(), &body)
}

/// A safetensors file of any header and body.
pub fn file(header: &str, body: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        body,
    ]
    .concat()
}

/// Builds with what most tests want.
pub fn try_build(
    checkpoint: &Path,
    out: &Path,
    shards: u32,
    precision: Precision,
) -> Result<Built, BuildError> {
    build(&BuildRequest {
        checkpoint,
        out,
        shards,
        precision,
        key: None,
        slots: 1,
        context: 64,
        memory: MemoryLimit::Machine,
        patience: Duration::from_secs(20),
        progress: &|_| {},
        stop: &|| false,
    })
}

/// A program in a folder of its own.
pub fn program(checkpoint: &Path, shards: u32, precision: Precision) -> (TempDir, Program) {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("program");
    try_build(checkpoint, &out, shards, precision).expect("build");
    let program = Program::open(&out).expect("open");
    (folder, program)
}

/// Options with what most tests want.
pub fn options(connectivity: Connectivity) -> RankOptions {
    RankOptions {
        connectivity,
        slots: 4,
        context: 96,
        executable: PathBuf::from(env!("CARGO_BIN_EXE_shardplane-worker")),
        instructions: InstructionSet::Best,
        deadline: Duration::from_mins(1),
        memory: MemoryLimit::Machine,
    }
}

/// A feed that wants logits.
pub fn feed(slot: u32, position: u32, tokens: &[u32]) -> Feed<'_> {
    Feed {
        slot,
        position,
        tokens,
        logits: Logits::Last,
    }
}

/// Every instruction set that this machine has, best first.
pub fn instruction_sets() -> Vec<InstructionSet> {
    [
        InstructionSet::Avx512,
        InstructionSet::Avx2,
        InstructionSet::Portable,
    ]
    .into_iter()
    .filter(|set| set.kernels().is_ok())
    .collect()
}

/// The bits of one step's logits.
pub fn step(ranks: &mut Ranks, feeds: &[Feed<'_>]) -> Vec<u32> {
    let mut logits = Vec::new();
    ranks.step(feeds, &mut logits).expect("a step");
    logits.iter().map(|value| value.to_bits()).collect()
}

/// An error with its causes, as a person would see it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
