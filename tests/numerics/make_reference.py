"""Writes tests/checkpoints/* and the values that transformers computes for them into tests/numerics/*.json.

    python tests/numerics/make_reference.py            # all cases
    python tests/numerics/make_reference.py qwen3-hub4 # one case
    python tests/numerics/make_reference.py --check    # recompute from the checkpoints, write nothing

The versions that made the files are in each of them and in requirements.txt. README.md has the format.
"""

import json
import platform
import sys
from pathlib import Path

import torch
import transformers

import architectures as arch

HERE = Path(__file__).resolve().parent
CHECKPOINTS = HERE.parent / "checkpoints"
# 1: no history; 5: shorter than the windows; 17: longer; 48: past the point where rope scaling bites.
LENGTHS = (1, 5, 17, 48)
GREEDY_PROMPT = 17
GREEDY_TOKENS = 16
# A greedy step whose two best logits lie closer than this part of the logit scale could be decided
# by rounding; another seed is drawn instead.
MIN_GAP = 0.01
# The tests allow 1e-3 of the logit scale. A feature must be worth at least fifty times that.
MIN_EFFECT = 0.05


@torch.no_grad()
def logits(model, tokens):
    """Logits of the last position, as f32 or f64 according to the model."""
    return model(torch.tensor([tokens]), use_cache=False).logits[0, -1]


def greedy(model, prompt, count, stops=()):
    """Up to `count` greedy tokens without a KV cache, and the smallest distance of best and second best logit.

    One of `stops` ends the tokens and is not among them.
    """
    tokens, gap = list(prompt), float("inf")
    for _ in range(count):
        best = logits(model, tokens).topk(2)
        gap = min(gap, float(best.values[0] - best.values[1]))
        if int(best.indices[0]) in stops:
            break
        tokens.append(int(best.indices[0]))
    return tokens[len(prompt):], gap


def cached_greedy(model, prompt, count):
    """The same tokens through `generate` and its KV cache: a second opinion on the loop above."""
    model.generation_config.eos_token_id = None
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                         do_sample=False, max_new_tokens=count, min_new_tokens=count, pad_token_id=0)
    return out[0, len(prompt):].tolist()


def prompts(vocab, seed):
    """One random prompt per length; ids 0 to 3 are left to bos, eos and the like."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, vocab, (n,), generator=generator).tolist() for n in LENGTHS]


def floats(tensor):
    """Numbers that parse back to the same f32 bits (nine significant digits do)."""
    return [float(f"{x:.9g}") for x in tensor.float().tolist()]


def reference(case, folder):
    """Everything that the JSON of a case holds, computed from the checkpoint on disk."""
    model = arch.load(folder)
    inputs = prompts(case.shape["vocab_size"], 11)
    outputs = [logits(model, tokens) for tokens in inputs]
    scale = max(float(o.abs().max()) for o in outputs)
    start = inputs[LENGTHS.index(GREEDY_PROMPT)]
    continuation, gap = greedy(model, start, GREEDY_TOKENS)
    if cached_greedy(model, start, GREEDY_TOKENS) != continuation:
        raise SystemExit(f"{case.name}: generate and the plain loop disagree")
    effects = {}
    for name, without in case.ablations.items():
        other = arch.ablate(folder, without)
        moved = max(float((logits(other, t) - o).abs().max()) for t, o in zip(inputs, outputs))
        effects[name] = round(moved / scale, 4)
        if moved < MIN_EFFECT * scale:
            raise SystemExit(f"{case.name}: without {name} the logits move by {moved:.3g} of {scale:.3g} only")
    exact = arch.load(folder).double()
    noise = max(float((logits(exact, t) - o.double()).abs().max()) for t, o in zip(inputs, outputs))
    return {
        "checkpoint": case.name,
        "about": case.about,
        "made_by": {"torch": torch.__version__, "transformers": transformers.__version__,
                    "machine": platform.machine()},
        "logit_scale": scale,
        "f32_noise": noise,
        "effect_of": effects,
        "greedy": {"prompt": start, "tokens": continuation, "smallest_gap": gap},
        "prompts": [{"tokens": t, "logits": floats(o)} for t, o in zip(inputs, outputs)],
    }


def make(case):
    """Draws seeds until the greedy path of the case is clear of ties; writes checkpoint and values."""
    folder = CHECKPOINTS / case.name
    for seed in range(case.seed, case.seed + 200):
        model = arch.make_model(case, arch.make_config(case), seed)
        inputs = prompts(case.shape["vocab_size"], 11)
        scale = max(float(logits(model, t).abs().max()) for t in inputs)
        tokens, gap = greedy(model, inputs[LENGTHS.index(GREEDY_PROMPT)], GREEDY_TOKENS)
        if gap >= MIN_GAP * scale and len(set(tokens)) > GREEDY_TOKENS // 2:
            break
    else:
        raise SystemExit(f"{case.name}: no seed without near ties")
    before = [logits(model, t) for t in inputs]
    arch.save(case, model, folder)
    found = {**reference(case, folder), "seed": seed}
    for entry, mine in zip(found["prompts"], before):
        if not torch.equal(torch.tensor(entry["logits"]), mine):
            raise SystemExit(f"{case.name}: the checkpoint on disk is not the model that was drawn")
    return found


def text(found):
    """JSON with one prompt, one logit row to a line, so that a change reads well in a diff."""
    rows = ",\n".join(
        '    {"tokens": %s,\n     "logits": %s}' % (json.dumps(p["tokens"]), json.dumps(p["logits"]))
        for p in found["prompts"])
    head = json.dumps({k: v for k, v in found.items() if k not in ("prompts", "greedy")}, indent=2)[:-2]
    return f'{head},\n  "greedy": {json.dumps(found["greedy"])},\n  "prompts": [\n{rows}\n  ]\n}}\n'


def check(case):
    """Compares the stored values with freshly computed ones; returns a complaint or None."""
    stored = json.loads((HERE / f"{case.name}.json").read_text())
    fresh = reference(case, CHECKPOINTS / case.name)
    for old, new in zip(stored["prompts"], fresh["prompts"], strict=True):
        worst = (torch.tensor(old["logits"]) - torch.tensor(new["logits"])).abs().max()
        # Another processor may sum in another order: f32 noise is allowed, nothing more.
        if old["tokens"] != new["tokens"] or worst > 1e-4 * stored["logit_scale"]:
            return f"{case.name}: {len(old['tokens'])} tokens differ by {worst:.3g}"
    if stored["greedy"]["tokens"] != fresh["greedy"]["tokens"]:
        return f"{case.name}: greedy tokens differ"
    return None


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    unknown = set(wanted) - {c.name for c in arch.CASES}
    if unknown:
        raise SystemExit(f"unknown case {sorted(unknown)}; known: {[c.name for c in arch.CASES]}")
    complaints = []
    for case in arch.CASES:
        if wanted and case.name not in wanted:
            continue
        if "--check" in sys.argv:
            complaint = check(case)
            complaints += [complaint] if complaint else []
            print(complaint or f"{case.name}: agrees")
            continue
        found = make(case)
        (HERE / f"{case.name}.json").write_text(text(found))
        size = sum(f.stat().st_size for f in (CHECKPOINTS / case.name).iterdir())
        print(f"{case.name:16} seed {found['seed']:3}  {size / 1024:6.1f} KiB  scale {found['logit_scale']:6.2f}  "
              f"noise {found['f32_noise']:.1e}  gap {found['greedy']['smallest_gap']:.2f}  {found['effect_of']}",
              flush=True)
    if complaints:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
