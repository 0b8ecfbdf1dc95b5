"""Makes a random checkpoint with a real tokenizer, and what transformers says about it: nothing here was tuned.

    python tests/numerics/hidden_checkpoint.py make qwen3-hub4 /tmp/hidden --seed 7
    python tests/numerics/hidden_checkpoint.py make llama-odd /tmp/hidden --layers 4 --set hidden_size=96
    python tests/numerics/hidden_checkpoint.py ask http://127.0.0.1:8080 /tmp/hidden

`make` writes a hub-style folder (config.json, safetensors, tokenizer) and expected.json: prompts, their token
ids, greedy tokens, the text of those, and the logits at the prompt's last position. Hand the folder to
`shardplane-worker` and compare. `ask` compares for you: a server that serves the folder is asked through
/v1/completions at temperature 0, and the exit status is 1 where its text differs.
"""

import argparse
import dataclasses
import json
import shutil
import urllib.request
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer

import architectures as arch
from make_reference import floats, greedy, logits

TOKENIZER = Path(__file__).resolve().parents[2] / "examples" / "models" / "tiny-guide"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")
PROMPTS = (
    "What does ACS do?",
    "A P2P group of 4 SoCs under one PCIe switch is declared, planned and applied; then",
    "SoC 0000:21:00.0 is",
)
CHAT = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Explain tensor slicing."}]


def override(text):
    """`key=JSON` as a pair."""
    key, _, value = text.partition("=")
    return key, json.loads(value)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    ask = verbs.add_parser("ask", help="compare a server with expected.json")
    ask.add_argument("url")
    ask.add_argument("folder", type=Path)
    make = verbs.add_parser("make", help="write a checkpoint and expected.json")
    make.add_argument("architecture", choices=[c.name for c in arch.CASES])
    make.add_argument("folder", type=Path)
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--tokens", type=int, default=16, help="greedy tokens per prompt")
    make.add_argument("--layers", type=int, default=3)
    make.add_argument("--dtype", choices=arch.DTYPES)
    make.add_argument("--style", choices=["hub4", "hub5"])
    make.add_argument("--files", type=int)
    make.add_argument("--set", type=override, action="append", default=[], metavar="KEY=JSON",
                      help="a config.json key of the shape, such as hidden_size=128")
    make.add_argument("--tokenizer", type=Path, default=TOKENIZER)
    make.add_argument("--prompt", action="append", help="instead of the built-in prompts; repeatable")
    return parser.parse_args()


def hidden_case(args, tokenizer):
    """The named case with the vocabulary of the tokenizer and the changes that were asked for."""
    base = next(c for c in arch.CASES if c.name == args.architecture)
    shape = {
        **base.shape,
        "num_hidden_layers": args.layers,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **dict(args.set),
    }
    return dataclasses.replace(base, shape=shape, dtype=args.dtype or base.dtype, style=args.style or base.style,
                               files=args.files or base.files)


def expectation(model, tokenizer, stops, prompt, count):
    """What the server must answer to one prompt; `stops_after` counts the tokens before an end-of-sequence id."""
    ids = tokenizer(prompt)["input_ids"]
    tokens, gap = greedy(model, ids, count)
    end = next((at for at, token in enumerate(tokens) if token in stops), None)
    return {
        "prompt": prompt,
        "prompt_tokens": ids,
        "tokens": tokens,
        "text": tokenizer.decode(tokens[:end], skip_special_tokens=True),
        "stops_after": end,
        "smallest_gap": gap,
        "logits": floats(logits(model, ids)),
    }


def make(args):
    """Writes the checkpoint and expected.json, and prints what is in it."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    case = hidden_case(args, tokenizer)
    arch.save(case, arch.make_model(case, arch.make_config(case), args.seed), args.folder)
    for file in TOKENIZER_FILES:
        if (args.tokenizer / file).exists():
            shutil.copy(args.tokenizer / file, args.folder / file)
    # transformers chooses the tokenizer's class by the model's type too, so it is read where both stand.
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    model = arch.load(args.folder)
    ends = model.generation_config.eos_token_id
    stops = set(ends if isinstance(ends, list) else [ends])
    chat = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    expected = [expectation(model, tokenizer, stops, p, args.tokens) for p in args.prompt or [*PROMPTS, chat]]
    (args.folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for e in expected:
        print(f"prompt {e['prompt']!r}\n  ids    {e['prompt_tokens']}\n  greedy {e['tokens']}"
              f"\n  text   {e['text']!r}\n  smallest gap {e['smallest_gap']:.4f}")


def ask(args):
    """Compares a server's texts with the expected ones; returns how many differ."""
    differ = 0
    for e in json.loads((args.folder / "expected.json").read_text()):
        body = {"model": args.folder.name, "prompt": e["prompt"], "max_tokens": len(e["tokens"]), "temperature": 0}
        request = urllib.request.Request(f"{args.url}/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            text = json.load(reply)["choices"][0]["text"]
        print(f"prompt {e['prompt']!r}\n  transformers {e['text']!r}\n  server       {text!r}")
        differ += text != e["text"]
    print(f"{differ} texts differ")
    return differ


def main():
    args = arguments()
    if args.verb == "make":
        make(args)
    elif ask(args):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
