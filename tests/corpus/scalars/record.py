#!/usr/bin/env python3
"""Records what PyYAML, a YAML 1.1 reader, makes of plain scalars: run it to rewrite pyyaml.json beside it."""
import json
import pathlib
import random

import yaml

CHOSEN = """
on off yes no y n true false On OFF Yes NO True FALSE oN yES null Null NULL nULL ~ = << .nan .NaN .inf -.INF
0 7 10 -3 +4 007 0755 08 0o17 0x1F 0xZZ 0b101 0b12 1_000 _1 1__0 0_ 0x_ 0b_ 1.5 1. .5 . -.5 1e3 1.0e3 1.0e+3 1.e-3 1E5
0000:21:00.0 0000:05:00.0 0000:3b:00.0 0000:81:00.0 10000:e1:1f.7 12:30 22:30 24:61 1:2:3 -12:30 12:30.5 190:20:30.15 0:30
2026-01-01 2026-1-1 2026-01-01T00:00:00Z 2026-1-1t1:02:03 2026-01-01x 1970-01-01T00:00:00.5+01:00 20260101
0x001d 0x17cb 1.21.0 1.17 v1.2 node:b3:00 b3:0123 quad/0@aic-07 0000:00:01.0/00.0/02.0/00.0 02.0 1f.7 name some-name a.b Ultra
""".split() + ["PCIe Ultra", "2026-01-01 12:30:00", "", "16.0 GT/s PCIe", "- a", "a: b", "a #b", "#a", "@a", "%a", "!a", "&a", "*a",
    "'a", '"a', "[a", "{a", "a, b", "|", ">", "? a", "---", "...", " a", "a ", "a\nb", "a\n", "\ta", "é", "東京", "\u0007", "\u2028"]


def reading(text):
    """The type PyYAML gives a plain scalar, or why it gives none."""
    try:
        value = yaml.safe_load("k: " + text)
    except Exception:  # any failure means: cannot be written plain
        return "error"
    if not isinstance(value, dict) or list(value) != ["k"]:
        return "error"
    if isinstance(value["k"], str):
        return "str" if value["k"] == text else "other text"
    return type(value["k"]).__name__


def main():
    draw = random.Random(20261122)
    alphabet = "0011223456789::..__--++xobeEonyfTtZ~ "
    drawn = ["".join(draw.choice(alphabet) for _ in range(draw.randint(1, 9))) for _ in range(1500)]
    texts = sorted(set(CHOSEN + drawn))
    table = {"pyyaml": yaml.__version__, "readings": [[text, reading(text)] for text in texts]}
    path = pathlib.Path(__file__).with_name("pyyaml.json")
    path.write_text(json.dumps(table, indent=0, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
