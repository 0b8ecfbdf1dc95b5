"""Records what transformers makes of small tokenizers under every class and option, for the tests of `runtime`.

    python tests/numerics/tokenizer_classes.py > runtime/src/text/class/recorded.json

transformers 5 takes words and merges of tokenizer.json and the rest from a class that `tokenizer_class` and the model's
type choose. Each case is a folder (config.json, tokenizer.json, and what else it names); recorded are the class, the
ids of texts with and without the tokens that are put around them, the texts of random ids without special tokens, and
the names that chat templates are given. `others` are the classes that make more of a file than it says, and that
`runtime` refuses by name.
"""

import copy
import inspect
import json
import random
import tempfile
from pathlib import Path

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name
from transformers.tokenization_utils_tokenizers import TokenizersBackend

CORPUS = [
    "A card is a board in a slot, and a SoC on it is one accelerator with 14 or 16 cores.",
    "What does ACS do? It sends what one card says to another through the root port.",
    "they're, it's, we'll, I'd: the 2048 tokens of a prompt are user and assistant words.",
    "  two blanks, a\ttab,\nlines\n\nand   more  of them  ",
    "user assistant system Hello world! INST SYS the cat sat on the mat 1234567890",
]
SPECIALS = ["<unk>", "<s>", "</s>"]
MARKS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]


def added(token_id, content, **flags):
    token = {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    return {**token, **flags}


def pieces():
    """As Llama 2 and TinyLlama come: pieces with a mark for blanks, and bytes."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=200, show_progress=False))
    file = json.loads(trained.to_str())
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    vocab = list(dict.fromkeys([*SPECIALS, *bytes_, *sorted(file["model"]["vocab"], key=file["model"]["vocab"].get)]))
    file["model"] |= {"vocab": {token: i for i, token in enumerate(vocab)}, "byte_fallback": True, "fuse_unk": True,
                      "unk_token": "<unk>"}
    file["added_tokens"] = [added(i, token) for i, token in enumerate(SPECIALS)]
    file["normalizer"] = json.loads(json.dumps({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}))
    file["pre_tokenizer"] = None
    file["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    file["post_processor"] = {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    return file


def letters():
    """As Llama 3, Qwen2 and SmolLM come: bytes, split in a way of the file's own, here into single digits."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=360, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trained.decoder = decoders.ByteLevel()
    trained.post_processor = processors.ByteLevel(trim_offsets=False)
    file = json.loads(trained.to_str())
    count = len(file["model"]["vocab"])
    file["added_tokens"] = [added(count + i, token) for i, token in enumerate(MARKS)]
    return file


def changed(file, **parts):
    file = copy.deepcopy(file)
    for key, value in parts.items():
        if key in file["model"]:
            file["model"][key] = value
        else:
            file[key] = value
    return file


PIECES, LETTERS = pieces(), letters()
COUNT = len(PIECES["model"]["vocab"])
FILES = {
    "pieces": PIECES,
    "pieces-chat": changed(PIECES, added_tokens=[*PIECES["added_tokens"], added(COUNT, "<|im_start|>"),
                                                 added(COUNT + 1, "<|im_end|>", rstrip=True),
                                                 added(COUNT + 2, "<tool>", special=False, normalized=True)]),
    # As newer conversions have it, with nothing around a text.
    "pieces-metaspace": changed(
        PIECES, normalizer=None, post_processor=None, ignore_merges=True,
        pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
        decoder={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}),
    "pieces-strict": changed(PIECES, added_tokens=[added(0, "<unk>", normalized=True, special=False),
                                                   added(2, "</s>", lstrip=True)]),
    "letters": LETTERS,
    "letters-named": changed(LETTERS, added_tokens=LETTERS["added_tokens"][:1]),
    "letters-composed": changed(LETTERS, normalizer=json.loads(Tokenizer.to_str(
        (lambda t: (setattr(t, "normalizer", normalizers.NFC()), t)[1])(Tokenizer(models.BPE()))))["normalizer"]),
}
AS_ADDED = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
CHAT = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
DECODER = {str(i): {key: value for key, value in added(i, token).items() if key != "id"} for i, token in enumerate(SPECIALS)}

# (type of the model, tokenizer.json, tokenizer_config.json, other files)
CASES = [
    ("llama", "pieces", None, {}),
    ("llama", "pieces", {}, {}),
    ("llama", "pieces", {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES}, {}),
    ("llama", "pieces", {"tokenizer_class": "TokenizersBackend", "legacy": True}, {}),
    ("llama", "pieces", {"tokenizer_class": "NoSuchTokenizer"}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer"}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizerFast", "legacy": False, **NAMES}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": False}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "legacy": None, "add_eos_token": True}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, "legacy": True}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": None, "legacy": True}, {}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer", "split_special_tokens": True}, {}),
    ("llama", "pieces", {}, {"config.json": {"tokenizer_class": "LlamaTokenizer"}}),
    ("llama", "pieces-chat", {"tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": DECODER, **NAMES}, {}),
    ("llama", "pieces-chat", {"tokenizer_class": "LlamaTokenizer", "legacy": False, "eos_token": "<|im_end|>"}, {}),
    ("llama", "pieces-chat", {"tokenizer_class": "LlamaTokenizer", "legacy": True, "pad_token": "<pad>"}, {}),
    ("llama", "pieces-chat", {"tokenizer_class": "LlamaTokenizer", "additional_special_tokens": ["<tool>", "<new>"]}, {}),
    ("llama", "pieces-chat", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": {"content": "Hello", **AS_ADDED}}, {}),
    ("llama", "pieces-chat", {"tokenizer_class": "LlamaTokenizer", "image_token": "<image>", "extra_special_tokens": {"end_of_word": "<end>"}}, {}),
    ("llama", "pieces-metaspace", {"tokenizer_class": "LlamaTokenizer"}, {}),
    ("llama", "pieces-metaspace", {}, {}),
    ("llama", "pieces-strict", {"tokenizer_class": "LlamaTokenizer", "legacy": True}, {}),
    ("llama", "pieces-strict", {}, {"special_tokens_map.json": {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False, "normalized": False, "rstrip": True, "single_word": False}}}),
    ("llama", "pieces", {"tokenizer_class": "LlamaTokenizer"}, {"special_tokens_map.json": {"pad_token": "<pad>", "additional_special_tokens": ["<a>"]}, "added_tokens.json": {"<tool>": COUNT, "<pad>": COUNT + 1}}),
    ("llama", "letters", {"tokenizer_class": "LlamaTokenizer", **CHAT}, {}),
    ("llama", "letters", {"tokenizer_class": "GPT2Tokenizer", **CHAT}, {}),
    ("llama", "letters", {"tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": True}, {}),
    ("llama", "letters", {"tokenizer_class": "GPTNeoXTokenizer", **CHAT}, {}),
    ("llama", "letters-composed", {"tokenizer_class": "GPTNeoXTokenizerFast"}, {}),
    ("llama", "letters", {"tokenizer_class": "Qwen2Tokenizer", **CHAT}, {}),
    ("llama", "letters-composed", {"tokenizer_class": "PreTrainedTokenizerFast", **CHAT}, {}),
    ("mistral", "pieces", {"tokenizer_class": "LlamaTokenizer", "legacy": False}, {}),
    ("mistral", "pieces-chat", {"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": False, **NAMES}, {}),
    ("mistral", "letters", {"tokenizer_class": "GPT2Tokenizer"}, {}),
    ("qwen2", "letters", {"tokenizer_class": "Qwen2Tokenizer", **CHAT}, {}),
    ("qwen2", "letters", {"tokenizer_class": "PreTrainedTokenizerFast"}, {}),
    ("qwen2", "letters-named", {"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": True}, {}),
    ("qwen2", "pieces", {"tokenizer_class": "LlamaTokenizer"}, {}),
    ("qwen3", "letters", None, {}),
    ("qwen3", "letters-composed", {"tokenizer_class": "Qwen2Tokenizer", **CHAT, "additional_special_tokens": MARKS}, {}),
    ("qwen3", "letters", {"tokenizer_class": "PreTrainedTokenizerFast", **CHAT}, {}),
    ("qwen3", "letters", {"tokenizer_class": "LlamaTokenizerFast"}, {}),
    ("qwen3", "pieces", {"tokenizer_class": "LlamaTokenizerFast"}, {}),
    ("qwen3", "letters", {"tokenizer_class": "GPT2Tokenizer"}, {}),
]
TEXTS = [
    "", " ", "Hello world!", " Hello", "  two", "a\n\nb", "\n", "▁", "▁▁a", "12345 2048", "they're it's WE'LL", "é e\u0301 \u1112\u1161\u11ab ☃ 🦀",
    "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat does ACS do? [/INST]", "[INST] a [/INST] b </s><s>[INST] c [/INST]",
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n<|assistant|>\n",
    "a</s> b", "a </s>b", "<s> a", "<unk>a<unk> b", "<tool>user <tool>", "<new> <a> <pad> <image> <end>", "Hello<|endoftext|> world", "\u3000wide\u00a0blank\t\ttab",
    "<0x41>", "the  cat\r\nsat 7", "</s>", "</s> ",
]


def random_texts():
    chance = random.Random(7)
    parts = [*SPECIALS, *MARKS, "[INST]", "[/INST]", " ", "  ", "\n", "user", "assistant", "card", "the cat", "ACS", "1234", "é", "☃", "'s", "▁",
             "<tool>", "<pad>", "Hello", "\t", ".", "two blanks"]
    return ["".join(chance.choices(parts, k=chance.randint(2, 9))) for _ in range(30)]


def random_ids(size):
    chance = random.Random(size)
    few = [*range(3, 12), *range(0x41 + 3, 0x45 + 3), 0xC3 + 3, 0xA9 + 3]
    def one():
        return chance.choice([chance.randrange(size), chance.choice(few), size - 1 - chance.randrange(6)])
    return [[one() for _ in range(chance.randint(1, 10))] for _ in range(20)]


def record(case, texts):
    kind, name, config, others = case
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write = lambda file, content: (folder / file).write_text(json.dumps(content))
        write("tokenizer.json", FILES[name])
        model = {"model_type": kind, **others.get("config.json", {})}
        files = {**({} if config is None else {"tokenizer_config.json": config}), **others, "config.json": model}
        for file, content in files.items():
            write(file, content)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = lambda text, around: tokenizer.encode(text, add_special_tokens=around)
    spell = lambda ids: " ".join(map(str, ids))
    runs = random_ids(len(tokenizer))
    return {
        "tokenizer": name,
        "files": files,
        "class": type(tokenizer).__name__,
        "names": tokenizer.special_tokens_map,
        "around": [spell(ids(text, True)) for text in texts],
        "bare": [spell(ids(text, False)) for text in texts],
        "decoded": [[spell(run), tokenizer.decode(run, skip_special_tokens=True)] for run in runs],
    }


def others():
    """Classes that make a tokenizer in a way of their own, but for those of the cases above."""
    names = {name for name in TOKENIZER_MAPPING_NAMES.values() if name} | {n for n in dir(transformers) if "Tokenizer" in n}
    found = set()
    for name in names:
        tokenizer = tokenizer_class_from_name(name)
        if not inspect.isclass(tokenizer) or not issubclass(tokenizer, PreTrainedTokenizerBase):
            continue
        as_written = issubclass(tokenizer, TokenizersBackend) and "__init__" not in tokenizer.__dict__
        plain = tokenizer.__name__ in ("TokenizersBackend", "PythonBackend", "PreTrainedTokenizerBase")
        if not as_written and not plain:
            found.add(name.removesuffix("Fast"))
    return sorted(found - {"LlamaTokenizer", "Qwen2Tokenizer", "GPT2Tokenizer", "GPTNeoXTokenizer"})


def main():
    transformers.logging.set_verbosity_error()
    texts = TEXTS + random_texts()
    print("{" + f'"transformers": {json.dumps(transformers.__version__)},')
    print(f'"others": {json.dumps(others())},')
    print(f'"tokenizers": {json.dumps(FILES, ensure_ascii=False)},')
    print(f'"texts": {json.dumps(texts, ensure_ascii=False)},')
    rows = ",\n".join(json.dumps(record(case, texts), ensure_ascii=False) for case in CASES)
    print(f'"cases": [\n{rows}\n]}}')


main()
