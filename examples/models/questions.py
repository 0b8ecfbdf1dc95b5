"""Reads corpus.txt and asks its questions in many phrasings.

A model this small learns the words of its questions by heart; what makes it answer a question that it has
not seen is that during training hardly any question looks the same twice: other openings, other case, other
punctuation, contractions, dropped small words and the odd typing mistake.
"""

from dataclasses import dataclass
from pathlib import Path

# How people ask what a thing is. {} is its name.
DEFINITIONS = """
What is {}?
What is a {}?
What is an {}?
What is the {}?
What are {}?
What exactly is {}?
What does {} mean?
What is meant by {}?
What do you mean by {}?
What do you know about {}?
Explain {}
Explain {} to me
Explain what {} is
Please explain {}
Can you explain {}?
Could you explain what {} means?
Tell me about {}
Tell me what {} is
Tell me more about {}
Define {}
Describe {}
Give me a definition of {}
Do you know what {} is?
I would like to know what {} is
I do not understand {}
Meaning of {}
A word about {}
{}
""".strip().splitlines()

OPENINGS = """
Please tell me:
Hey,
Hello,
Hi!
Quick question:
I have a question:
Can you tell me:
Could you tell me,
I wonder:
In short,
Briefly,
So,
OK,
And
Well,
Sorry,
""".strip().splitlines()

ENDINGS = ["please", "thanks", "in one sentence", "in short", "exactly", "again", "then", "for me", "in simple words"]

# Interchangeable beginnings: any of a row may stand for any other of that row.
ALIKE = [
    ["How do I", "How can I", "How do you", "How would I", "How should I", "How does one", "How to",
     "What is the way to", "Tell me how to", "Explain how to", "I want to", "I need to", "How could I",
     "Show me how to", "What must I do to"],
    ["What does", "Tell me what does", "Explain what does"],
    ["Why must", "Why should", "Why does one say that", "Explain why"],
    ["Why is", "Explain why", "For what reason is", "How come"],
    ["What is", "What's", "Whats", "Tell me", "Explain", "Which is"],
    ["What happens when", "What happens if", "What if", "What will happen when"],
    ["Which", "What"],
    ["Can I", "May I", "Could I", "Is it possible to", "Am I able to"],
    ["How many", "What number of"],
    ["How long", "How much time"],
]

# Words that may stand for each other inside a question about this field.
SYNONYMS = [
    ["undo", "revert", "take back", "roll back", "reverse"],
    ["changes", "modifications", "my changes", "the changes", "all changes"],
    ["cleared", "disabled", "switched off", "turned off", "removed"],
    ["clear", "disable", "switch off", "turn off"],
    ["enabled", "switched on", "turned on", "active"],
    ["enable", "switch on", "turn on", "activate"],
    ["reboot", "restart", "power cycle"],
    ["SoCs", "chips", "socs", "devices"],
    ["SoC", "chip", "soc", "device"],
    ["need", "require", "want"],
    ["use", "purpose", "point"],
    ["start", "launch", "begin"],
    ["see", "find out", "look at", "show", "view"],
    ["check", "verify", "test"],
    ["large", "big"],
    ["split", "divided", "partitioned", "sliced"],
    ["fast", "quick"],
    ["hardware", "real hardware", "cards"],
    ["command", "verb", "subcommand"],
    ["supported", "possible", "available"],
    ["dies", "crashes", "is killed", "stops"],
    ["unplug", "remove", "pull out"],
    ["safe", "dangerous", "risky"],
    ["YAML", "yaml file", "manifest"],
]
SYNONYMS_OF = {word: row for row in SYNONYMS for word in row if " " not in word}

SMALL_WORDS = {"a", "an", "the", "do", "does", "is", "are", "i", "my", "of", "to", "it", "for"}
MARKS = ["?", "?", "?", "", "", "??", ".", " ?", "!", "?!"]


@dataclass
class Entry:
    """One answer, the names of the thing it defines, and the questions that lead to it."""

    names: list
    questions: list
    answer: str


def read(path):
    """The entries of a corpus file, and an error with the line where it is malformed."""
    entries, names, questions = [], [], []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        mark, rest = line[:1], line[2:].strip()
        if not line.strip() or mark == "#":
            continue
        if mark == "@":
            names += [name.strip() for name in rest.split("|")]
        elif mark == "?":
            questions.append(rest)
        elif mark == "=" and (names or questions):
            entries.append(Entry(names, questions, rest))
            names, questions = [], []
        else:
            raise SystemExit(f"{path}:{number}: expected a line with @, ? or =, found {line!r}")
    return entries


def mistype(text, rng):
    """One typing mistake: a letter dropped, doubled or swapped with the next."""
    at = rng.randrange(1, max(2, len(text) - 2))
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1:]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1: at + 2] + text[at: at + 1] + text[at + 2:]


def replace_words(text, rng):
    """Some words exchanged for synonyms."""
    return " ".join(
        rng.choice(SYNONYMS_OF[word]) if word in SYNONYMS_OF and rng.random() < 0.4 else word for word in text.split())


def drop_small_words(text, rng):
    """Some words left out: small ones often, any word of a long question now and then."""
    words = text.split()
    rare = 0.08 if len(words) > 5 else 0.0
    kept = [w for w in words if rng.random() > (0.5 if w.lower() in SMALL_WORDS else rare)]
    return " ".join(kept) or text


def ask(entry, rng):
    """One question for an entry, phrased at random."""
    if entry.names and (not entry.questions or rng.random() < 0.4):
        text = rng.choice(DEFINITIONS).format(rng.choice(entry.names))
    else:
        text = rng.choice(entry.questions)
    if rng.random() < 0.15:
        return text
    if rng.random() < 0.5:
        for row in ALIKE:
            opening = next((o for o in row if text.startswith(o + " ")), None)
            if opening:
                text = rng.choice(row) + text[len(opening):]
                break
    text = text.rstrip("?!. ")
    if rng.random() < 0.5:
        text = replace_words(text, rng)
    if rng.random() < 0.2:
        text = drop_small_words(text, rng)
    if rng.random() < 0.06 and len(text) > 12:
        text = mistype(text, rng)
    if rng.random() < 0.15:
        opening = rng.choice(OPENINGS)
        text = f"{opening} {text[0].lower() + text[1:] if rng.random() < 0.5 else text}"
    if rng.random() < 0.1:
        text = f"{text}{rng.choice(['', ','])} {rng.choice(ENDINGS)}"
    text += rng.choice(MARKS)
    case = rng.random()
    if case < 0.3:
        return text.lower()
    if case < 0.35:
        return text.upper()
    if case < 0.45:
        return text[0].lower() + text[1:]
    if case < 0.5:
        return text[0].upper() + text[1:]
    return text
