//! The shape of a Llama-family model: everything about it but its weights.

use serde::{Deserialize, Serialize};

/// The checkpoint families that the forward pass implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// `LlamaForCausalLM`: Llama 2, Llama 3.x, TinyLlama.
    Llama,
    /// `MistralForCausalLM`: Llama with a sliding attention window.
    Mistral,
    /// `Qwen2ForCausalLM`: Llama with biases on q, k and v. Qwen2.5 is the same.
    Qwen2,
    /// `Qwen3ForCausalLM`: Llama with a norm on every head of q and k.
    Qwen3,
}

/// How rotary frequencies are changed for contexts longer than the trained one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// Frequencies as trained.
    Default,
    /// Every frequency divided by `factor`.
    Linear {
        /// Divisor of every frequency.
        factor: f64,
    },
    /// Llama 3.1's scaling by wavelength.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are scaled wholly.
        low: f64,
        /// Wavelengths below `original / high` are left alone.
        high: f64,
        /// The context the model was first trained on, in tokens.
        original: f64,
    },
}

/// Rotary position embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// Change of the frequencies.
    pub scaling: RopeScaling,
}

/// Longest side of a matrix: four times the largest vocabulary seen, and no product of two overflows 64 bits.
pub const LARGEST: u32 = 1 << 20;
/// Longest context.
pub const LARGEST_CONTEXT: u32 = 1 << 30;
/// Most layers: thirty times the deepest model seen.
pub const LARGEST_LAYERS: u32 = 4096;

/// Everything about a model but its weights. Counts are in elements unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelShape {
    /// Checkpoint family.
    pub architecture: Architecture,
    /// Decoder layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Width of the MLP between its two projections.
    pub intermediate: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Width of one head.
    pub head_dim: u32,
    /// Rows of the embedding and of the output head.
    pub vocab: u32,
    /// Longest context that the checkpoint declares, in tokens.
    pub context: u32,
    /// Epsilon of every RMS norm.
    pub norm_epsilon: f64,
    /// Rotary embedding.
    pub rope: Rope,
    /// Attention window of each layer in tokens, `None` for full attention; `layers` long.
    pub windows: Vec<Option<u32>>,
    /// The output head is the embedding matrix.
    pub tied: bool,
    /// q, k and v carry biases.
    pub qkv_bias: bool,
    /// The attention output projection carries a bias.
    pub output_bias: bool,
    /// The MLP's projections carry biases.
    pub mlp_bias: bool,
    /// q and k are normed head by head (Qwen3).
    pub head_norm: bool,
    /// Tokens that begin a sequence, by `config.json` and `generation_config.json`.
    pub bos: Vec<u32>,
    /// Tokens that end a sequence, by `config.json` and `generation_config.json`.
    pub eos: Vec<u32>,
}

impl ModelShape {
    /// Query heads that share one key/value head.
    pub fn group(&self) -> u32 {
        self.heads / self.kv_heads
    }

    /// Whether the sizes fit each other and what the runtime can count; says what does not.
    pub fn check(&self) -> Result<(), String> {
        for (name, count) in [
            ("hidden", self.hidden),
            ("intermediate", self.intermediate),
            ("heads", self.heads),
            ("head width", self.head_dim),
            ("vocabulary", self.vocab),
            ("context", self.context),
        ] {
            let largest = if name == "context" {
                LARGEST_CONTEXT
            } else {
                LARGEST
            };
            if count == 0 || count > largest {
                return Err(format!(
                    "{name} of {count}, and 1 to {largest} are possible"
                ));
            }
        }
        let queries = u64::from(self.heads) * u64::from(self.head_dim);
        if queries > u64::from(LARGEST) {
            return Err(format!(
                "{} heads of {} are wider than {LARGEST}",
                self.heads, self.head_dim
            ));
        }
        if self.layers == 0 || self.layers > LARGEST_LAYERS {
            return Err(format!(
                "{} layers, and 1 to {LARGEST_LAYERS} are possible",
                self.layers
            ));
        }
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!(
                "{} heads over {} key/value heads",
                self.heads, self.kv_heads
            ));
        }
        if self.windows.len() != self.layers as usize || self.windows.contains(&Some(0)) {
            return Err(format!(
                "{} attention windows for {} layers",
                self.windows.len(),
                self.layers
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "a head width of {}, and rotary embedding turns pairs",
                self.head_dim
            ));
        }
        Ok(())
    }

    /// Trained numbers in the checkpoint, tied matrices counted once.
    pub fn parameters(&self) -> u64 {
        let [hidden, inter, vocab] = [self.hidden, self.intermediate, self.vocab].map(u64::from);
        let [q, kv] =
            [self.heads, self.kv_heads].map(|heads| u64::from(heads) * u64::from(self.head_dim));
        let bias = |on: bool, count: u64| if on { count } else { 0 };
        let layer = hidden * (2 * q + 2 * kv + 3 * inter + 2)
            + bias(self.qkv_bias, q + 2 * kv)
            + bias(self.output_bias, hidden)
            + bias(self.mlp_bias, 2 * inter + hidden)
            + bias(self.head_norm, 2 * u64::from(self.head_dim));
        let tables = if self.tied { 1 } else { 2 };
        u64::from(self.layers) * layer + tables * vocab * hidden + hidden
    }
}
