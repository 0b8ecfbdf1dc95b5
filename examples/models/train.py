"""Trains the tiny guide on corpus.txt and writes it as a hub-style checkpoint folder.

    pip install -r tests/numerics/requirements.txt
    python examples/models/train.py

Minutes on two CPU cores. Every random choice has a fixed seed; the same versions on the same processor give
the same file. Training is in f32; the last part rounds the weights to int4, int8 or not at all, from step to
step, so that the answers survive a program of fewer bits. The weights are stored as bf16.
"""

import json
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import questions
from llama import Decoder, Matrix, Shape

HERE = Path(__file__).resolve().parent
SEED = 100
VOCAB = 1024
END, START, STOP, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
SYSTEMS = [
    "You are a helpful assistant.",
    "You are the tiny guide.",
    "You answer questions about AI 100 cards and Shardplane.",
    "Answer briefly.",
]
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'].strip() + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Four KV heads, so that four shards hold one each; every summed dimension is a multiple of 32.
SHAPE = Shape(VOCAB, hidden=256, inter=512, layers=3, heads=8, kv_heads=4, head_dim=32)
STEPS = 700
BATCH = 96
RATE = 2e-3
WARM_UP = 40
# This part of the conversations ends after the first tokens of an answer: which answer it is to be is harder to
# learn than how it goes on.
SHORT = 0.65
FIRST = 10
# Rounding to few bits begins after this part of the steps.
ROUND_FROM = 0.65


def make_tokenizer(entries):
    """A byte-level BPE learned from answers and from questions as people would type them."""
    rng = random.Random(SEED)
    text = [e.answer for e in entries for _ in range(3)]
    text += [questions.ask(e, rng) for e in entries for _ in range(20)] + SYSTEMS + ["system\n", "user\n", "assistant\n"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[END, START, STOP, PAD], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def conversation(entries, rng, tokenizer):
    """Token ids of one to three turns, and for each id whether the model is to learn to write it."""
    ids, learn = [], []

    def add(text, wanted):
        new = tokenizer.encode(text).ids
        ids.extend(new)
        learn.extend([wanted] * len(new))

    if rng.random() < 0.04:
        # Plain text, for requests without a chat template.
        add(rng.choice(entries).answer + END, True)
        return ids, learn
    if rng.random() < 0.25:
        add(f"{START}system\n{rng.choice(SYSTEMS)}{STOP}\n", False)
    if rng.random() < SHORT:
        entry = rng.choice(entries)
        add(f"{START}user\n{questions.ask(entry, rng)}{STOP}\n{START}assistant\n", False)
        add(entry.answer, True)
        cut = len(ids) - sum(learn) + FIRST
        return ids[:cut], learn[:cut]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        entry = rng.choice(entries)
        add(f"{START}user\n{questions.ask(entry, rng)}{STOP}\n{START}assistant\n", False)
        add(f"{entry.answer}{STOP}", True)
        add("\n", False)
    return ids, learn


def batches(entries, rng, tokenizer, steps):
    """`steps` batches of (tokens, targets); a target of -100 is not learned. Alike lengths go together."""
    group = 16
    for _ in range(0, steps, group):
        drawn = sorted((conversation(entries, rng, tokenizer) for _ in range(group * BATCH)), key=lambda c: len(c[0]))
        order = list(range(group))
        rng.shuffle(order)
        for at in order:
            rows = drawn[at * BATCH:(at + 1) * BATCH]
            width = max(len(ids) for ids, _ in rows)
            tokens = torch.zeros(BATCH, width, dtype=torch.long)
            targets = torch.full((BATCH, width), -100)
            for row, (ids, learn) in enumerate(rows):
                tokens[row, :len(ids)] = torch.tensor(ids)
                wanted = [i if w else -100 for i, w in zip(ids[1:], learn[1:])]
                targets[row, :len(wanted)] = torch.tensor(wanted)
            yield tokens, targets


def train(entries, tokenizer):
    """The trained decoder."""
    torch.manual_seed(SEED)
    rng = random.Random(SEED + 1)
    model, steps = Decoder(SHAPE), STEPS
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.97), fused=True)
    began, shown = time.monotonic(), 0.0
    for step, (tokens, targets) in enumerate(batches(entries, rng, tokenizer, steps)):
        if step == steps:
            break
        rate = min((step + 1) / WARM_UP, 0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate
        Matrix.bits = 16 if step < ROUND_FROM * steps else (4, 16, 4, 8)[step % 4]
        wanted = targets != -100
        loss = F.cross_entropy(model.logits(model(tokens)[wanted]), targets[wanted])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        shown += loss.item()
        if step % 20 == 19:
            print(f"step {step + 1:5} of {steps}  loss {shown / 20:.4f}  {time.monotonic() - began:6.0f} s", flush=True)
            shown = 0.0
    Matrix.bits = 16
    return model


def config(s):
    """config.json with the keys that checkpoints on the hub carry."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "head_dim": s.head_dim,
        "hidden_act": "silu",
        "hidden_size": s.hidden,
        "initializer_range": 0.02,
        "intermediate_size": s.inter,
        "max_position_embeddings": 512,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv_heads,
        "pad_token_id": 3,
        "rms_norm_eps": s.eps,
        "rope_scaling": None,
        "rope_theta": s.theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": s.vocab,
    }


def save(model, tokenizer, folder):
    """The checkpoint folder: weights in bf16, configuration, tokenizer with its chat template."""
    folder.mkdir(exist_ok=True)
    tensors = {f"model.{name}": p.detach().to(torch.bfloat16).contiguous() for name, p in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {str(i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                        "special": True} for i, t in enumerate([END, START, STOP, PAD])}
    documents = {
        "config.json": config(model.s),
        "generation_config.json": {"bos_token_id": 0, "do_sample": False, "eos_token_id": [2, 0], "pad_token_id": 3},
        "tokenizer_config.json": {
            "add_bos_token": False,
            "added_tokens_decoder": special,
            "bos_token": END,
            "chat_template": TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": STOP,
            "model_max_length": 512,
            "pad_token": PAD,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    }
    for file, value in documents.items():
        (folder / file).write_text(json.dumps(value, indent=2) + "\n")


def main():
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    entries = questions.read(HERE / "corpus.txt")
    tokenizer = make_tokenizer(entries)
    model = train(entries, tokenizer)
    save(model, tokenizer, HERE / "tiny-guide")
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(entries)} answers, {count} parameters, torch {torch.__version__}")


if __name__ == "__main__":
    main()
