"""The small random checkpoints that the numeric tests use: shapes, weights, config.json styles.

One `Case` is one checkpoint. Its weights are drawn so that a mistake shows: attention scores have a
spread of about two, norm weights and biases are far from their neutral values, and the logits spread
over several units. `ablations` name what the case is about; `make_reference.py` refuses a case whose
logits hardly move when one of them is taken away, because such a case would prove nothing.
"""

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    # 8192 in the published models; 64 here so that a prompt of 48 tokens feels the scaling.
    "original_max_position_embeddings": 64,
}


@dataclass
class Without:
    """One feature taken away: config keys replaced, or matching tensors set to a constant."""

    config: dict = field(default_factory=dict)
    tensors: str = ""
    value: float = 0.0


@dataclass
class Case:
    """One checkpoint: what it stands for, its shape, how its files are written."""

    name: str
    about: str
    model_type: str
    architecture: str
    shape: dict
    ablations: dict
    dtype: str = "bfloat16"
    # "hub4": the keys that checkpoints published before transformers 5 carry; "hub5": those after.
    style: str = "hub5"
    # More than one file adds model.safetensors.index.json.
    files: int = 1
    # Keys written over the styled config, for the oldest spellings; None removes a key.
    spelling: dict = field(default_factory=dict)
    seed: int = 1


def rope(theta, **scaling):
    """`rope_parameters` as transformers 5 spells it."""
    return {"rope_type": "default", **scaling, "rope_theta": theta}


def shape(hidden, inter, heads, kv, vocab, layers=2, **more):
    """The keys that every architecture here has in common."""
    return {
        "hidden_size": hidden,
        "intermediate_size": inter,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "num_hidden_layers": layers,
        "vocab_size": vocab,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **more,
    }


LLAMA = {"model_type": "llama", "architecture": "LlamaForCausalLM"}
MISTRAL = {"model_type": "mistral", "architecture": "MistralForCausalLM"}
QWEN2 = {"model_type": "qwen2", "architecture": "Qwen2ForCausalLM"}
QWEN3 = {"model_type": "qwen3", "architecture": "Qwen3ForCausalLM"}

PLAIN_ROPE = Without(config={"rope_parameters": rope(10000.0)})
QKV_BIAS = Without(tensors=r"\.[qkv]_proj\.bias$")
NORMS = Without(tensors=r"norm\.weight$", value=1.0)

CASES = [
    Case(
        "llama2-mha", "Llama 2: one KV head per head, no rope scaling, stored in f16",
        **LLAMA, dtype="float16", style="hub4",
        shape=shape(64, 64, 4, 4, 100, rope_parameters=rope(10000.0)),
        ablations={"norm weights": NORMS, "rope theta": Without(config={"rope_parameters": rope(100.0)})},
    ),
    Case(
        "llama2-sharded", "Llama 2 in f32 over three files with an index",
        **LLAMA, dtype="float32", style="hub4", files=3,
        shape=shape(32, 64, 4, 4, 96, rope_parameters=rope(10000.0)),
        ablations={"norm weights": NORMS},
    ),
    Case(
        "llama3-hub4", "Llama 3.1: grouped KV heads and llama3 rope scaling, config.json of transformers 4",
        **LLAMA, style="hub4",
        shape=shape(40, 96, 8, 2, 104, head_dim=16, eos_token_id=[2, 3],
                    rope_parameters=rope(500000.0, **LLAMA3_ROPE)),
        ablations={"rope scaling": Without(config={"rope_parameters": rope(500000.0)})},
    ),
    Case(
        "llama3-hub5", "Llama 3.2: four KV heads, tied embeddings, config.json of transformers 5",
        **LLAMA,
        shape=shape(32, 128, 8, 4, 103, head_dim=16, tie_word_embeddings=True,
                    rope_parameters=rope(500000.0, **{**LLAMA3_ROPE, "factor": 32.0})),
        ablations={"rope scaling": Without(config={"rope_parameters": rope(500000.0)})},
    ),
    Case(
        "llama-linear", "linear rope scaling under its oldest spelling",
        **LLAMA, style="hub4", spelling={"rope_scaling": {"type": "linear", "factor": 4.0}},
        shape=shape(64, 96, 4, 2, 98, rope_parameters=rope(10000.0, rope_type="linear", factor=4.0)),
        ablations={"rope scaling": PLAIN_ROPE},
    ),
    Case(
        "tinyllama", "TinyLlama: eight heads over four KV heads, f32, no rope or bias keys in config.json",
        **LLAMA, dtype="float32", style="hub4",
        spelling={"rope_theta": None, "attention_bias": None, "mlp_bias": None, "head_dim": None,
                  "attention_dropout": None},
        shape=shape(32, 64, 8, 4, 100, rope_parameters=rope(10000.0)),
        ablations={"norm weights": NORMS},
    ),
    Case(
        "llama-odd", "six heads over three KV heads, biases everywhere, odd vocabulary, a large epsilon",
        **LLAMA,
        shape=shape(48, 80, 6, 3, 101, head_dim=16, attention_bias=True, mlp_bias=True,
                    rms_norm_eps=0.1, rope_parameters=rope(10000.0)),
        ablations={
            "qkv bias": QKV_BIAS,
            "output bias": Without(tensors=r"\.o_proj\.bias$"),
            "mlp bias": Without(tensors=r"mlp\..*\.bias$"),
            "epsilon": Without(config={"rms_norm_eps": 1e-6}),
        },
    ),
    Case(
        "mistral-window", "Mistral with a window of 8 tokens and a head_dim of its own",
        **MISTRAL, style="hub4",
        shape=shape(48, 96, 4, 2, 100, head_dim=16, sliding_window=8, rope_parameters=rope(10000.0)),
        ablations={
            "window": Without(config={"sliding_window": None}),
            "window is 8, not 9": Without(config={"sliding_window": 9}),
        },
    ),
    Case(
        "mistral-hub5", "Mistral without a window, config.json of transformers 5",
        **MISTRAL,
        shape=shape(64, 96, 8, 2, 99, sliding_window=None, rope_parameters=rope(1000000.0)),
        ablations={"rope theta": PLAIN_ROPE},
    ),
    Case(
        "qwen2-tied", "Qwen2: bias on q, k and v, tied embeddings, a declared but unused window",
        **QWEN2, style="hub4",
        spelling={"sliding_window": 8, "use_sliding_window": False, "max_window_layers": 2},
        shape=shape(64, 96, 4, 2, 102, tie_word_embeddings=True, rms_norm_eps=1e-6,
                    rope_parameters=rope(1000000.0)),
        ablations={"qkv bias": QKV_BIAS, "rope theta": PLAIN_ROPE},
    ),
    Case(
        "qwen25-hub5", "Qwen2.5: bias on q, k and v, its own output matrix, config.json of transformers 5",
        **QWEN2,
        shape=shape(64, 64, 4, 4, 103, rms_norm_eps=1e-6, rope_parameters=rope(1000000.0)),
        ablations={"qkv bias": QKV_BIAS},
    ),
    Case(
        "qwen2-window", "Qwen2 where the layers from max_window_layers on see 8 tokens only",
        **QWEN2,
        shape=shape(48, 96, 4, 2, 100, use_sliding_window=True, sliding_window=8, max_window_layers=1,
                    rms_norm_eps=1e-6, rope_parameters=rope(1000000.0)),
        ablations={
            "window": Without(config={"use_sliding_window": False, "sliding_window": None,
                                      "layer_types": ["full_attention"] * 2}),
            "full first layer": Without(config={"layer_types": ["sliding_attention"] * 2}),
        },
    ),
    Case(
        "qwen3-hub4", "Qwen3: norms on q and k, a head_dim of its own, tied embeddings",
        **QWEN3, style="hub4",
        shape=shape(40, 96, 4, 2, 100, head_dim=32, tie_word_embeddings=True, rms_norm_eps=1e-6,
                    rope_parameters=rope(1000000.0)),
        ablations={"q and k norms": Without(tensors=r"[qk]_norm\.weight$", value=1.0)},
    ),
    Case(
        "qwen3-hub5", "Qwen3 with eight heads over four KV heads and attention biases, transformers 5",
        **QWEN3,
        shape=shape(32, 64, 8, 4, 99, head_dim=16, attention_bias=True, rms_norm_eps=1e-6,
                    rope_parameters=rope(1000000.0)),
        ablations={
            "q and k norms": Without(tensors=r"[qk]_norm\.weight$", value=1.0),
            "qkv bias": QKV_BIAS,
        },
    ),
]


def make_config(case, **changes):
    """The transformers config of a case, with `changes` written over its shape."""
    return AutoConfig.for_model(case.model_type, architectures=[case.architecture],
                                **{**case.shape, **changes})


def draw(name, tensor, seed, tied):
    """Random values for one parameter; the generator depends on its name, not on the order of names."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + sum(map(ord, name)) * 7919 + len(name))
    noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float32)
    if name.endswith("norm.weight"):
        return 1.0 + 0.3 * noise
    if name.endswith(".bias"):
        return 0.5 * noise
    if "embed_tokens" in name:
        # Small where it is also the output matrix: else the last token always predicts itself.
        return noise * (0.15 if tied else 1.0)
    gain = {"q_proj": 1.5, "k_proj": 1.5, "lm_head": 3.0}.get(name.split(".")[-2], 1.2)
    return noise * gain / tensor.shape[1] ** 0.5


def make_model(case, config, seed):
    """A model in f32 whose weights are exact in the dtype that the case is stored in."""
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = draw(name, parameter, seed, config.tie_word_embeddings)
            parameter.copy_(values.to(DTYPES[case.dtype]).float())
    return model


def styled_config(case, saved):
    """`saved` (as transformers 5 writes it) under the style and spelling of the case."""
    out = dict(saved)
    if case.style == "hub4":
        parameters = dict(out.pop("rope_parameters"))
        out["rope_theta"] = parameters.pop("rope_theta")
        out["rope_scaling"] = None if parameters["rope_type"] == "default" else parameters
        out["torch_dtype"] = out.pop("dtype")
        out["transformers_version"] = "4.44.0"
        out.pop("layer_types", None)
    for key, value in case.spelling.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = value
    return dict(sorted(out.items()))


def save(case, model, folder):
    """Writes the checkpoint: config.json in the style of the case, and its tensors over `case.files` files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "as-saved"
    stored = model.to(DTYPES[case.dtype])
    stored.save_pretrained(scratch)
    tensors = load_file(scratch / "model.safetensors")
    saved = json.loads((scratch / "config.json").read_text())
    shutil.rmtree(scratch)
    config = styled_config(case, saved)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    names = sorted(tensors)
    if case.files == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map = {}
    for part in range(case.files):
        file = f"model-{part + 1:05}-of-{case.files:05}.safetensors"
        # Interleaved on purpose: a layer's tensors are spread over the files.
        mine = names[part :: case.files]
        save_file({n: tensors[n] for n in mine}, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(mine, file))
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def load(folder, config=None):
    """The checkpoint as transformers reads it, in f32 with the plain attention implementation."""
    return AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()


def ablate(folder, without):
    """The checkpoint with one feature taken away."""
    config = AutoConfig.from_pretrained(folder)
    for key, value in without.config.items():
        setattr(config, key, value)
    model = load(folder, config)
    if without.tensors:
        hit = 0
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if re.search(without.tensors, name):
                    parameter.fill_(without.value)
                    hit += 1
        assert hit, f"no tensor of {folder} matches {without.tensors}"
    return model
