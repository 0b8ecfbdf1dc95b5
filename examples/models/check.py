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
BATCH = 32


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
def answers(tokenizer, model, asked):
    """For each question its answer up to the end-of-sequence token, and whether that token came."""
    tokenizer.padding_side = "left"
    for at in range(0, len(asked), BATCH):
        chats = [[{"role": "user", "content": question}] for question in asked[at:at + BATCH]]
        prompt = tokenizer.apply_chat_template(chats, add_generation_prompt=True, padding=True,
                                               return_tensors="pt", return_dict=True)
        out = model.generate(**prompt, do_sample=False, max_new_tokens=80)[:, prompt["input_ids"].shape[1]:]
        for row in out:
            yield tokenizer.decode(row, skip_special_tokens=True), tokenizer.eos_token_id in row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("question", nargs="*")
    parser.add_argument("--bits", type=int, default=16)
    parser.add_argument("--all", action="store_true", help="ask the corpus's own questions instead")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(2)
    tokenizer, model = load(args.folder, args.bits)
    if args.question:
        for question, (said, _) in zip(args.question, answers(tokenizer, model, args.question)):
            print(f"? {question}\n= {said}")
        return
    corpus = questions.read(HERE / "corpus.txt")
    known = [e.answer for e in corpus]
    cases = corpus if args.all else questions.read(HERE / "heldout.txt")
    asked = [(question, case.answer) for case in cases for question in case.questions]
    right = 0
    for (question, wanted), (said, ended) in zip(asked, answers(tokenizer, model, [q for q, _ in asked])):
        good = said.startswith(wanted) and said in known and ended
        right += good
        if not (args.all and good):
            print(f"{'ok ' if good else 'BAD'} ? {question}\n    = {said}{'' if ended else ' ... (never ended)'}")
    print(f"{right} of {len(asked)} questions answered as they should be ({args.bits} bits)")
    if right < MIN_RIGHT * len(asked):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
