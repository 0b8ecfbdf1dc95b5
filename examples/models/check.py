"""Asks a trained checkpoint the questions of heldout.txt through transformers, greedily.

    python examples/models/check.py examples/models/tiny-guide            # bf16 weights as stored
    python examples/models/check.py examples/models/tiny-guide --bits 4   # matrices rounded to int4 blocks
    python examples/models/check.py examples/models/tiny-guide "What is ACS?"

Exits 1 when fewer than four of five held-out questions get the answer that belongs to them.
"""

import argparse
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

import questions
from llama import quantised

HERE = Path(__file__).resolve().parent
MIN_RIGHT = 0.8


def load(folder, bits):
    """Tokenizer and model in f32, its matrices rounded in blocks of 32 when `bits` is below 16."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if bits < 16:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 2:
                    parameter.copy_(quantised(parameter, bits))
    return AutoTokenizer.from_pretrained(folder), model


@torch.no_grad()
def answer(tokenizer, model, question):
    """The answer up to the end-of-sequence token, and whether that token came."""
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                           return_tensors="pt", return_dict=True)
    out = model.generate(**prompt, do_sample=False, max_new_tokens=80)[0, prompt["input_ids"].shape[1]:]
    return tokenizer.decode(out, skip_special_tokens=True), int(out[-1]) == tokenizer.eos_token_id


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("question", nargs="*")
    parser.add_argument("--bits", type=int, default=16)
    parser.add_argument("--all", action="store_true", help="ask the corpus's own questions too")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(2)
    tokenizer, model = load(args.folder, args.bits)
    for question in args.question:
        print(f"? {question}\n= {answer(tokenizer, model, question)[0]}")
    if args.question:
        return
    known = [e.answer for e in questions.read(HERE / "corpus.txt")]
    cases = questions.read(HERE / "heldout.txt")
    if args.all:
        cases = questions.read(HERE / "corpus.txt")
    right = total = 0
    for case in cases:
        for question in case.questions:
            said, ended = answer(tokenizer, model, question)
            good = said.startswith(case.answer) and said in known and ended
            right, total = right + good, total + 1
            if not (args.all and good):
                print(f"{'ok ' if good else 'BAD'} ? {question}\n    = {said}{'' if ended else ' ... (never ended)'}")
    print(f"{right} of {total} questions answered as they should be ({args.bits} bits)")
    if right < MIN_RIGHT * total:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
