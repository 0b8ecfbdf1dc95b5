#!/usr/bin/env python3
"""Drives a running server with the unmodified `openai` package; exits non-zero on any failure.

    openai_client.py http://127.0.0.1:PORT/v1 MODEL

Needs `pip install openai`. Talks to the given address alone.
"""

import concurrent.futures
import re
import sys
import time
import urllib.request

import openai

PATIENCE = 30.0
FAILURES = []


def check(name, condition, seen=""):
    print(f"{'ok  ' if condition else 'FAIL'} {name}" + (f": {seen}" if seen and not condition else ""))
    if not condition:
        FAILURES.append(name)


def raises(name, kind, call, *parts):
    """The call must fail with that exception of the library, and say each of the parts."""
    try:
        call()
    except kind as error:
        check(name, all(part in str(error) for part in parts), str(error))
        return error
    except Exception as error:  # another class of error is a failure like no error
        check(name, False, f"{type(error).__name__}: {error}")
    else:
        check(name, False, "no error")
    return None


def metric(root, name):
    with urllib.request.urlopen(f"{root}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def until(root, name, value):
    """Waits for a metric to reach a value; says whether it did before the deadline."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if metric(root, name) == value:
            return True
        time.sleep(0.01)
    return False


def models(client, model):
    listed = client.models.list()
    check("models are listed", [entry.id for entry in listed] == [model])
    one = client.models.retrieve(model)
    check("one model is described", one.id == model and one.object == "model")
    raises("an unknown model is not found", openai.NotFoundError, lambda: client.models.retrieve("no/such"), "no/such")


def chats(client, model):
    messages = [{"role": "user", "content": "What does ACS do?"}]
    whole = client.chat.completions.create(model=model, messages=messages, max_tokens=24, temperature=0)
    choice = whole.choices[0]
    check("a chat answers", whole.object == "chat.completion" and choice.message.role == "assistant")
    check("it says why it ended", choice.finish_reason in ("stop", "length"), choice.finish_reason)
    check("it counts tokens", whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens)
    check("it keeps its length", whole.usage.completion_tokens <= 24)

    pieces, finish, usage = [], None, None
    stream = client.chat.completions.create(
        model=model, messages=messages, max_tokens=24, temperature=0, stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for part in chunk.choices:
            pieces.append(part.delta.content or "")
            finish = part.finish_reason or finish
    check("the stream adds up to the whole", "".join(pieces) == choice.message.content, "".join(pieces))
    check("the stream ends alike", finish == choice.finish_reason)
    check("the stream counts alike", usage is not None and usage.completion_tokens == whole.usage.completion_tokens)

    def seeded(seed):
        answer = client.chat.completions.create(
            model=model, messages=messages, max_tokens=16, temperature=1.0, top_p=0.95, seed=seed
        )
        return answer.choices[0].message.content

    check("a seed fixes the answer", seeded(7) == seeded(7))
    two = client.chat.completions.create(model=model, messages=messages, max_tokens=4, n=2, logprobs=True, top_logprobs=2)
    check("two choices come", [part.index for part in two.choices] == [0, 1])
    first = two.choices[0].logprobs.content[0]
    check("log-probabilities come", first.logprob <= 0 and len(first.top_logprobs) == 2)


def completes(client, model):
    whole = client.completions.create(model=model, prompt="A P2P group", max_tokens=8, temperature=0)
    check("a completion answers", whole.object == "text_completion" and whole.usage.completion_tokens <= 8)
    text = "".join(
        chunk.choices[0].text
        for chunk in client.completions.create(model=model, prompt="A P2P group", max_tokens=8, temperature=0, stream=True)
    )
    check("it streams alike", text == whole.choices[0].text, text)
    both = client.completions.create(model=model, prompt=["A P2P group", "A card"], max_tokens=8, temperature=0)
    check("a batch changes nothing", both.choices[0].text == whole.choices[0].text, both.choices[0].text)
    if len(whole.choices[0].text) > 2:
        stop = whole.choices[0].text[2]
        cut = client.completions.create(model=model, prompt="A P2P group", max_tokens=8, temperature=0, stop=[stop])
        expected = whole.choices[0].text.split(stop)[0]
        check("a stop string is not shown", cut.choices[0].text == expected, cut.choices[0].text)


def refuses(client, model):
    chat = client.chat.completions.create
    messages = [{"role": "user", "content": "x"}]
    raises("another model is not found", openai.NotFoundError, lambda: chat(model="gpt-4", messages=messages), "gpt-4")
    bad = raises(
        "a hot temperature is a bad request", openai.BadRequestError,
        lambda: chat(model=model, messages=messages, temperature=3.5), "temperature", "3.5",
    )
    check("the parameter is named", bad is not None and bad.param == "temperature")
    raises("no messages are a bad request", openai.BadRequestError, lambda: chat(model=model, messages=[]), "messages")
    raises(
        "tools are refused by name", openai.BadRequestError,
        lambda: chat(model=model, messages=messages, tools=[{"type": "function", "function": {"name": "f"}}]), "tools",
    )
    raises(
        "an unknown parameter is refused by name", openai.BadRequestError,
        lambda: chat(model=model, messages=messages, extra_body={"frobnicate": 1}), "frobnicate",
    )
    long = raises(
        "a long prompt exceeds the context", openai.BadRequestError,
        lambda: client.completions.create(model=model, prompt="word " * 200_000, max_tokens=1), "context",
    )
    check("its code says so", long is not None and long.code == "context_length_exceeded")


def endless(client, model):
    """A stream that would go on to the end of the context."""
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "What does ACS do?"}], stream=True,
        extra_body={"ignore_eos": True},
    )


def cancels(client, model, root):
    before = metric(root, 'shardplane_requests_total{outcome="cancelled"}')
    check("nothing runs", until(root, "shardplane_slots_in_use", 0.0))
    stream = endless(client, model)
    next(iter(stream))
    stream.close()
    check("hanging up frees the slot", until(root, "shardplane_slots_in_use", 0.0))
    check("it is counted as cancelled", until(root, 'shardplane_requests_total{outcome="cancelled"}', before + 1))


def fills(client, model, root):
    """Asks for more than slots and queue hold; small models may be fast enough to take it all."""
    slots = int(metric(root, "shardplane_slots"))
    streams, limited = [], None
    try:
        for _ in range(slots + 200):
            streams.append(endless(client, model))
    except openai.RateLimitError as error:
        limited = error
    for stream in streams:
        stream.close()
    if limited is None:
        print("skip a full queue: the server took everything")
    else:
        check("a full queue says when to come back", limited.response.headers.get("retry-after") is not None)
        check("a full queue has its code", limited.code == "queue_full")
    check("all slots come back", until(root, "shardplane_slots_in_use", 0.0))
    check("the queue empties", until(root, "shardplane_queue_depth", 0.0))


def together(client, model):
    """Answers must not depend on what runs beside them."""
    def ask(number):
        answer = client.completions.create(model=model, prompt=f"Card {number}", max_tokens=12, temperature=0)
        return answer.choices[0].text

    alone = [ask(number) for number in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        check("answers are the same alone and together", list(pool.map(ask, range(6))) == alone)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    base, model = sys.argv[1].rstrip("/"), sys.argv[2]
    root = base.removesuffix("/v1")
    client = openai.OpenAI(base_url=base, api_key="none", max_retries=0, timeout=PATIENCE)
    models(client, model)
    chats(client, model)
    completes(client, model)
    refuses(client, model)
    together(client, model)
    cancels(client, model, root)
    fills(client, model, root)
    print(f"{len(FAILURES)} failures" if FAILURES else "all passed")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
