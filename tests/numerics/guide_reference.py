"""Writes tiny-guide.json: how transformers tokenizes, templates and answers with examples/models/tiny-guide.

    python tests/numerics/guide_reference.py

Run it again whenever the model is trained again. README.md has the format.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

import architectures as arch
from make_reference import greedy

HERE = Path(__file__).resolve().parent
GUIDE = HERE.parents[1] / "examples" / "models" / "tiny-guide"
MAX_TOKENS = 80

# Whitespace, case, digits, accents, symbols outside ASCII, special tokens in the text.
TEXTS = [
    "",
    " ",
    "What does ACS do?",
    "  two  spaces\tand a tab\n\nand lines ",
    "SoC 0000:21:00.0 has BAR4 = 2 GiB (0x80000000).",
    "can't won't it's we'll THEY'RE",
    "Grüße, naïve café",
    "日本語 🚀 ok",
    "<|im_start|>user\nhi<|im_end|>",
    "qaic-util -q | grep MDP+",
]

CHATS = [
    [{"role": "user", "content": "What does ACS do?"}],
    [{"role": "user", "content": "  what is a p2p group  "}],
    [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "How do I undo changes?"}],
    [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! Ask me about AI 100 cards, PCIe or Shardplane."},
        {"role": "user", "content": "Explain tensor slicing"},
    ],
]


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer, model = AutoTokenizer.from_pretrained(GUIDE), arch.load(GUIDE)
    texts = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        texts.append({"text": text, "tokens": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True)})
    chats = []
    for messages in CHATS:
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt)["input_ids"]
        tokens, gap = greedy(model, ids, MAX_TOKENS, stops={tokenizer.eos_token_id})
        chats.append({"messages": messages, "prompt": prompt, "prompt_tokens": ids, "tokens": tokens,
                      "answer": tokenizer.decode(tokens, skip_special_tokens=True), "smallest_gap": gap})
        print(f"{messages[-1]['content']!r}\n  {chats[-1]['answer']}")
    made_by = {"torch": torch.__version__, "transformers": transformers.__version__}
    lines = ",\n".join("    " + json.dumps(t) for t in texts), ",\n".join("    " + json.dumps(c) for c in chats)
    (HERE / "tiny-guide.json").write_text(
        f'{{\n  "made_by": {json.dumps(made_by)},\n  "texts": [\n{lines[0]}\n  ],\n  "chats": [\n{lines[1]}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
