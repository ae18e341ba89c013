"""What a server repeats of a secret comes out nowhere: errors, reports, rows, history, tapes.

Not a half of it either: texts are masked before they are cut.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import ChatServer
from tests.support.program import Ocx
from tests.support.sizes import FULL

KEY = "gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0aa55"
PASSWORD = "Pr0xyP4ssw0rdOfMine77"
SECRETS = (KEY, TOKEN, PASSWORD)
WINDOW = 10
"""So many characters of a secret, of those that its mask does not show, are too many."""


def error(status: int, text: str, **headers: str) -> bytes:
    return answers.error(status, text, text, **headers)


def event_stream(*events: str) -> bytes:
    data = b"".join(answers.event(each) for each in events)
    return answers.STREAM_HEAD + data + answers.LAST_PIECE


def reason(text: str) -> bytes:
    chunks = [answers.chunk("some"), answers.chunk(finish=text)]
    return event_stream(*map(json.dumps, chunks))


def in_utf16(text: str) -> bytes:
    body = json.dumps({"error": {"message": text}}).encode("utf-16")
    return answers.answer(body, 400)


def escaped(text: str) -> bytes:
    digits = "".join(f"\\u{ord(char):04x}" for char in text)
    return answers.answer(f'{{"error":{{"message":"{digits}","type":"{digits}"}}}}', 422)


SAYS: dict[str, Callable[[str], bytes]] = {
    "400": lambda text: error(400, text),
    "401": lambda text: error(401, text, x_request_id=text),
    "402": lambda text: error(402, text),
    "429": lambda text: error(429, text, retry_after=text),
    "503": lambda text: error(503, f"{text} try again in 700s"),
    "302": lambda text: answers.answer(b"", 302, {"location": f"https://x.test/?k={text}"}),
    "page": lambda text: answers.answer(f"<p>{text}</p>", 500, content_type="text/html"),
    "utf-16": in_utf16,
    "digits": escaped,
    "error in 200": lambda text: answers.answer({"error": {"message": text, "code": text}}),
    "no JSON": lambda text: answers.answer(f"no {text}"),
    "no chunk": lambda text: event_stream(json.dumps([text])),
    "broken": lambda text: event_stream(json.dumps(answers.chunk("some")), f"{{{text}"),
    "error event": lambda text: event_stream(
        json.dumps(answers.chunk("some")), json.dumps({"error": {"message": text, "code": text}})
    ),
    "a list": lambda text: answers.answer([{"error": {"message": text, "status": text}}], 404),
    "a field": lambda text: answers.answer({text: [{text: text}], "detail": [{"loc": text}]}, 400),
}


def padded(secret: str) -> Iterator[str]:
    """Texts whose cut at 200, 300 or 500 characters would leave a part of the secret."""
    yield f"a {secret} b"
    for most in (60, 80, 200, 300, 500):
        for before in (8, len(secret) // 2):
            yield "x" * (most - before - 30) + secret * 2


def leaks(text: str) -> list[str]:
    plain = text.replace("\\u", "\0u")
    return [
        secret[at : at + WINDOW]
        for secret in SECRETS
        for at in range(len(secret) - WINDOW + 1)
        if secret[at : at + WINDOW] in plain
    ]


def check(ocx: Ocx, *texts: str) -> None:
    for text in texts:
        assert not leaks(text), text
    for path in [*ocx.home.rglob("*"), *ocx.work.rglob("*")]:
        given = path.name in {"config.toml", "credentials.toml"}
        if path.is_file() and not given:
            assert not leaks(path.read_bytes().decode("latin-1")), path


CONFIG = """
[profiles.default]
history = "on"
base_url = "{url}"
proxy = "http://me:{password}@127.0.0.1:9"
retries = 0
[profiles.default.headers]
X-Auth-Token = "{token}"
"""


@pytest.fixture
def secretive(ocx: Ocx, chat_server: ChatServer) -> Ocx:
    ocx.write_config(CONFIG.format(url=chat_server.base_url, token=TOKEN, password=PASSWORD))
    ocx.env |= {"OCX_API_KEY": KEY}
    (ocx.work / "in.txt").write_text("one\n")
    (ocx.work / "in.csv").write_text("id,text\n1,one\n")
    return ocx.forked().unmeasured()


SOME = ["400", "503", "no JSON", "broken", "a field"]
EACH = list(SAYS) if os.environ.get(FULL) else SOME


def said(way: str) -> str:
    """All secrets, and for each way of saying it another of them at another cut."""
    number = list(SAYS).index(way)
    secret = SECRETS[number % 3]
    texts = list(padded(secret))
    return " ".join([texts[number * 7 % len(texts)], *SECRETS])


@pytest.mark.parametrize("way", EACH)
def test_no_exit_of_chat_and_batch(secretive: Ocx, chat_server: ChatServer, way: str) -> None:
    chat_server.answer_all(*[SAYS[way](said(way))] * 12)
    at_once = ("--max-outage", "0")
    chat = secretive("chat", "--json", "hi")
    runs = [
        secretive("chat", "--report", "r.json", "hi"),
        secretive("batch", "--text", "in.txt", "-o", "out.jsonl", "--report", "b.json", *at_once),
        secretive("batch", "in.csv", "--merge", "-o", "out.csv", "${text}?", *at_once),
        secretive("history", "list", "--json"),
    ]
    assert len(chat_server.requests) >= 4
    # An answer that came is printed as it came.
    check(secretive, chat.stderr, *(run.stderr for run in runs), *(run.text for run in runs))


def test_a_finish_reason_that_is_a_secret(secretive: Ocx, chat_server: ChatServer) -> None:
    for text in (f"a {KEY}", "x" * 180 + KEY, "x" * 499 + TOKEN):
        chat_server.answer_all(*[reason(text)] * 2)
        chat = secretive("chat", "hi").has(0)
        batch = secretive("batch", "--text", "in.txt", "--format", "text").has(0)
        assert "is not known" in chat.stderr + batch.stderr
        check(secretive, chat.stderr, batch.stderr)


@pytest.mark.parametrize("way", ["401", "page", "a list"])
def test_no_exit_of_the_other_commands(secretive: Ocx, chat_server: ChatServer, way: str) -> None:
    chat_server.answer_all(*[SAYS[way](said(way))] * 30)
    chat = ("chat", "--no-stream", "hi")
    runs = [
        secretive("models"),
        secretive("models", "--json"),
        secretive("balance", "--json", "-o", "balance.json"),
        secretive("balance", "--format", "nagios", "--min", "1"),
        secretive("balance", "--format", "prometheus", "-o", "b.prom"),
        secretive("keys", "check"),
        secretive("doctor", "--json"),
        secretive("--debug", "models"),
        secretive("serve", "--record", "tape.jsonl", "--", *secretive.program, *chat),
        secretive("serve", "--replay", "tape.jsonl", "--", *secretive.program, *chat),
    ]
    assert len(chat_server.requests) >= 8
    check(secretive, *(run.stderr for run in runs), *(run.text for run in runs))


@pytest.mark.parametrize("size", [1, 3, 7, 40])
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_that_repeats_a_secret_in_pieces(
    secretive: Ocx, chat_server: ChatServer, size: int, field: str
) -> None:
    text = f"I see {KEY}, {TOKEN} and {PASSWORD}; so"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    events = [answers.event(answers.chunk(**{field: piece})) for piece in pieces]
    end = answers.delta("well") + answers.finish() + answers.event(answers.DONE)
    chat_server.answer_all(answers.STREAM_HEAD + b"".join(events) + end + answers.LAST_PIECE)
    run = secretive("chat", "--reasoning", "show", "hi").has(0)
    assert "I see …" in run.stderr
    assert "; so" in run.stderr
    check(secretive, run.stderr)


UPSTREAM = """
[upstreams.up]
base_url = "{url}"
api_key_env = "UP_KEY"
[models.front]
route = "forward:up"
"""


@pytest.mark.parametrize("way", EACH)
def test_a_gateway_keeps_its_upstreams_key(ocx: Ocx, chat_server: ChatServer, way: str) -> None:
    text = f"{said(way).rsplit(maxsplit=3)[0]} {KEY}".replace(TOKEN, KEY).replace(PASSWORD, KEY)
    chat_server.answer_all(*[SAYS[way](text)] * 5)
    (ocx.work / "serve.toml").write_text(UPSTREAM.format(url=chat_server.base_url))
    whole = ("--no-stream",) if len(way) % 2 else ()
    words = ("chat", "--retries", "0", "--json", *whole, "-m", "front", "hi")
    ocx.env |= {"UP_KEY": KEY}
    serve = ("serve", "--config", "serve.toml", "--log", "log.jsonl")
    run = ocx(*serve, "--", *ocx.forked().program, *words)
    assert chat_server.requests
    check(ocx, run.stderr, run.text, Path(ocx.work / "log.jsonl").read_text())


def test_a_program_under_a_gateway_does_not_get_its_upstreams_key(
    ocx: Ocx, chat_server: ChatServer
) -> None:
    (ocx.work / "serve.toml").write_text(UPSTREAM.format(url=chat_server.base_url))
    ocx.env |= {"UP_KEY": KEY}
    words = (sys.executable, "-c", "import os; print(dict(os.environ))")
    run = ocx("serve", "--config", "serve.toml", "--", *words).has(0)
    check(ocx, run.stderr, run.text)
