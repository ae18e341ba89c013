"""`ocx serve --record` and `--replay`: a program's answers kept, and played without a network."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx, Process, Run
from tests.support.raw_server import RawServer

SCRIPT = """
{ocx} chat one
{ocx} chat --no-stream two
{ocx} chat --json three
{ocx} chat --json --stream four
{ocx} models
{ocx} balance
{ocx} chat -x five || echo "exit $?"
{ocx} chat -m no-such-model six 2>&1 || echo "exit $?"
printf seven | {ocx} chat -I eight
{ocx} api GET models
"""


@pytest.fixture
def script(ocx: Ocx) -> Path:
    path = ocx.work / "pipeline.sh"
    path.write_text(SCRIPT.format(ocx=shlex.join(ocx.program)))
    return path


OFFLINE = {"OCX_API_KEY": "", "OCX_BASE_URL": "http://127.0.0.1:9/nowhere"}


def record(ocx: Ocx, *command: str) -> Run:
    return ocx("serve", "--record", "tape.jsonl", "--", *command)


def replay(ocx: Ocx, *command: str, flags: tuple[str, ...] = ()) -> Run:
    return ocx("serve", "--replay", "tape.jsonl", *flags, "--", *command, env=OFFLINE)


def all_ten(process: Process) -> Run:
    """Wait for one after the other: ten starts may take a busy machine more than one wait."""
    assert process.stdout is not None
    for word in (b"Two", b"Four", b"credits", b"Eight"):
        process.stdout.until(word)
    return process.finish()


def chat(ocx: Ocx, *args: str) -> tuple[str, ...]:
    return (*ocx.program, "chat", *args)


def test_ten_commands_print_the_same_offline(
    online: Ocx, chat_server: ChatServer, script: Path
) -> None:
    chat_server.answer(
        answers.stream("One", "!"),
        answers.answer(answers.completion("Two")),
        answers.answer(answers.completion("Three")),
        answers.stream("Four"),
        answers.stream("```\nfive\n```"),
        answers.error(404, "model_not_found", "no such model"),
        answers.stream("Eight"),
        path=CHAT,
    )
    pipeline = ("--", "sh", str(script))
    first = all_ten(online.spawn("serve", "--record", "tape.jsonl", *pipeline)).has(0)
    assert "One!" in first.text
    assert "exit 7" in first.text
    asked = len(chat_server.requests)
    chat_server.close()
    again = all_ten(online.spawn("serve", "--replay", "tape.jsonl", *pipeline, env=OFFLINE))
    assert again.has(0).stdout == first.stdout
    assert len(chat_server.requests) == asked


def test_no_key_is_on_the_tape(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.error(400, None, f"what is {KEY}?"), path=CHAT)
    record(online, *chat(online, "hi")).has(7)
    tape = online.work / "tape.jsonl"
    assert KEY not in tape.read_text()
    assert "authorization" not in tape.read_text().lower()
    assert tape.stat().st_mode & 0o777 == 0o600


def test_no_key_in_a_header_or_in_another_spelling_is_on_the_tape(
    online: Ocx, chat_server: ChatServer
) -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    packed = gzip.compress(f'"{KEY}"'.encode())
    bodies = (f'"{KEY}"'.encode(), f'"{escaped}"'.encode(), f'"{KEY}"'.encode("utf-16"), packed)
    for body in bodies:
        fields = {"x-request-id": KEY, "retry-after": KEY}
        if body is packed:
            fields["content-encoding"] = "gzip"
        chat_server.answer(answers.answer(body, 400, fields), path=CHAT)
        record(online, *chat(online, "hi", "--retries", "0"))
        tape = (online.work / "tape.jsonl").read_text()
        assert KEY not in tape
        assert escaped not in json.loads(tape)["pieces"][0][1]
        assert "\0".join(KEY) not in json.loads(tape)["pieces"][0][1]


def test_a_proxy_of_the_environment_sees_nothing_of_loopback(
    online: Ocx, chat_server: ChatServer, raw_server: Callable[..., RawServer]
) -> None:
    proxy = raw_server("127.0.0.2")
    online.env |= dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), proxy.url)
    record(online, *chat(online, "hi")).has(0)
    assert proxy.connections == 0
    assert len(chat_server.requests) == 1


def test_an_old_tape_that_others_can_read_is_closed_to_them(online: Ocx) -> None:
    tape = online.work / "tape.jsonl"
    tape.touch(0o644)
    record(online, *chat(online, "hi")).has(0)
    assert tape.stat().st_mode & 0o777 == 0o600


def test_an_unknown_request_says_what_differs(online: Ocx) -> None:
    record(online, *chat(online, "hi")).has(0)
    run = replay(online, *chat(online, "ho")).has(7)
    assert "differs first in body.messages[0].content" in run.stderr
    assert '"hi" was recorded, "ho" is asked' in run.stderr


def test_missing_pass_asks_the_endpoint(online: Ocx, chat_server: ChatServer) -> None:
    record(online, *chat(online, "hi")).has(0)
    before = (online.work / "tape.jsonl").read_bytes()
    run = online(
        "serve", "--replay", "tape.jsonl", "--missing", "pass", "--", *chat(online, "ho")
    ).has(0)
    assert run.text == "Hello!\n"
    assert chat_server.body()["messages"][0]["content"] == "ho"
    assert (online.work / "tape.jsonl").read_bytes() == before


def test_equal_requests_play_in_order(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer(answers.stream("1"), answers.stream("2"), path=CHAT)
    twice = ("sh", "-c", '"$@"; "$@"', "sh", *chat(online, "hi"))
    assert record(online, *twice).has(0).text == "1\n2\n"
    assert replay(online, *twice).has(0).text == "1\n2\n"


def test_the_pieces_are_those_of_the_network(online: Ocx) -> None:
    record(online, *chat(online, "hi")).has(0)
    (line,) = (online.work / "tape.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["request"]["path"] == "/chat/completions"
    assert len(entry["pieces"]) >= 2
    assert replay(online, *chat(online, "hi"), flags=("--timing",)).has(0).text == "Hello!\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--record", "t"), "a tape is for one command"),
        (("--record", "t", "--replay", "t", "--", "true"), "exclude each other"),
        (("--replay", "none", "--", "true"), "there is no tape at none"),
        (("--replay", "t", "--missing", "x", "--", "true"), "fail or pass"),
        (("--record", "no/t", "--", "true"), "cannot write the tape"),
    ],
)
def test_mistakes(online: Ocx, args: tuple[str, ...], message: str) -> None:
    run = online("serve", *args)
    assert run.status in {2, 3}
    assert message in run.stderr


def test_a_broken_tape_names_the_line(online: Ocx) -> None:
    (online.work / "tape.jsonl").write_text('{"key": 1}\n')
    assert "tape.jsonl:1: not a recording" in replay(online, "true").has(3).stderr


def test_without_a_key_nothing_is_recorded(ocx: Ocx) -> None:
    ocx("serve", "--record", "tape.jsonl", "--", "true").has(4)
    assert not (ocx.work / "tape.jsonl").exists()
