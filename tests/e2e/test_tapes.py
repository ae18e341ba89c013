"""`ocx serve --record` and `--replay`: a program's answers kept, and played without a network."""

from __future__ import annotations

import gzip
import json
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx, Process, Run
from tests.support.raw_server import CLOSE, RawServer
from tests.support.sizes import some

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


@pytest.fixture(autouse=True)
def many_calls(ocx: Ocx) -> None:
    ocx.forked()


@pytest.fixture
def script(ocx: Ocx) -> Path:
    path = ocx.work / "pipeline.sh"
    path.write_text(SCRIPT.format(ocx=shlex.join(ocx.program)))
    return path


OFFLINE = {"OCX_API_KEY": "", "OCX_BASE_URL": "http://127.0.0.1:9/nowhere"}


def record(ocx: Ocx, *command: str, flags: tuple[str, ...] = ()) -> Run:
    return ocx("serve", "--record", "tape.jsonl", *flags, "--", *command)


ANYWAY = ("--record-on-failure",)


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
    record(online, *chat(online, "hi"), flags=ANYWAY).has(7)
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
        record(online, *chat(online, "hi", "--retries", "0"), flags=ANYWAY)
        tape = (online.work / "tape.jsonl").read_text()
        assert KEY not in tape
        assert escaped not in json.loads(tape)["pieces"][0][1]
        assert "\0".join(KEY) not in json.loads(tape)["pieces"][0][1]


def test_a_proxy_of_the_environment_sees_nothing_of_loopback(
    online: Ocx, chat_server: ChatServer, raw_server: Callable[..., RawServer]
) -> None:
    proxy = raw_server()
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
        (("--replay", "t", "--missing", "x", "--", "true"), "fail, pass or record"),
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


def tape_of(ocx: Ocx) -> bytes:
    return (ocx.work / "tape.jsonl").read_bytes()


def files(ocx: Ocx) -> list[str]:
    return sorted(path.name for path in ocx.work.iterdir())


@pytest.mark.parametrize(
    ("command", "status", "left"),
    some(
        [
            (("false",), 1, []),
            (("sh", "-c", "kill -9 $$"), 137, []),
            (("no-such-command",), 127, []),
            (("true",), 0, []),
            (("CHAT", "but this"), 8, ["tape.jsonl.partial"]),
        ],
        2,
    ),
)
def test_a_tape_is_replaced_only_by_a_run_that_went_well(
    online: Ocx, chat_server: ChatServer, command: tuple[str, ...], status: int, left: list[str]
) -> None:
    record(online, *chat(online, "hi")).has(0)
    old = tape_of(online)
    chat_server.answer(answers.error(500, None, "down"), path=CHAT)
    words = chat(online, "--retries", "0", *command[1:]) if command[0] == "CHAT" else command
    run = record(online, *words).has(status)
    assert tape_of(online) == old
    assert files(online) == ["tape.jsonl", *left]
    assert not left or "what was recorded is in tape.jsonl.partial" in run.stderr
    assert status or "nothing was recorded: tape.jsonl is as it was" in run.stderr


def test_record_on_failure_replaces_it(online: Ocx) -> None:
    record(online, *chat(online, "hi")).has(0)
    fails = ("sh", "-c", '"$@"; exit 3', "sh", *chat(online, "other"))
    record(online, *fails, flags=ANYWAY).has(3)
    assert b"other" in tape_of(online)
    assert b'"hi"' not in tape_of(online)
    assert files(online) == ["tape.jsonl"]


def test_missing_record_adds_what_the_tape_lacks(online: Ocx, chat_server: ChatServer) -> None:
    def both(text: str, status: int = 0) -> Run:
        words = ("sh", "-c", f'"$@" hi && "$@" {text} && exit {status}', "sh", *chat(online))
        args = ("serve", "--replay", "tape.jsonl", "--missing", "record", "--", *words)
        return online(*args).has(status)

    both("ho")
    assert len(chat_server.requests) == 2, "a tape that is not there yet holds nothing"
    old = tape_of(online)
    both("ho")
    assert len(chat_server.requests) == 2
    assert tape_of(online) == old
    both("more")
    assert len(chat_server.requests) == 3
    assert tape_of(online).startswith(old)
    assert tape_of(online).count(b"\n") == 3
    added = tape_of(online)
    both("last", 4)
    assert tape_of(online) == added, "the command failed"
    assert replay(online, *chat(online, "more")).has(0).text == "Hello!\n"


def test_a_tape_has_one_recorder_at_a_time(online: Ocx) -> None:
    waits = ("sh", "-c", "echo begun; read line")
    first = online.spawn("serve", "--record", "tape.jsonl", "--", *waits, stdin=-1)
    assert first.stdout is not None
    first.stdout.until(b"begun")
    assert "another ocx is writing tape.jsonl" in record(online, "true").has(2).stderr
    first.signal(signal.SIGKILL)
    first.end_input()
    first.finish()
    record(online, *chat(online, "hi")).has(0)
    assert files(online) == ["tape.jsonl"]


def test_an_answer_that_did_not_come_whole_is_told(online: Ocx, chat_server: ChatServer) -> None:
    """Replayed, it would be missing."""
    cut = [answers.STREAM_HEAD + answers.delta("half"), CLOSE]
    chat_server.answer(cut, answers.stream("whole"), path=CHAT)
    both = ("sh", "-c", '"$@" one; "$@" two', "sh", *chat(online))
    run = record(online, *both).has(0)
    assert "1 request got no whole answer and is not on tape.jsonl" in run.stderr
    assert replay(online, *chat(online, "two")).has(0).text == "whole\n"


def test_a_link_at_the_tape_is_replaced_not_followed(online: Ocx) -> None:
    victim = online.work / "victim"
    victim.write_text("precious")
    (online.work / "tape.jsonl").symlink_to(victim)
    record(online, *chat(online, "hi")).has(0)
    assert victim.read_text() == "precious"
    assert not (online.work / "tape.jsonl").is_symlink()


KEYS = {
    "ours": KEY,
    "another shape": "gsk_0123456789abcdefGHIJ",
    "with signs": "AIza+/=9-~!x{}9f8e7d6c",
    "hex": "0123456789abcdef0123456789abcdef",
}


@pytest.mark.parametrize("name", some(KEYS, 1))
def test_a_key_in_a_request_is_not_on_the_tape_and_the_request_plays(
    online: Ocx, chat_server: ChatServer, name: str
) -> None:
    """A diff of .env, and a query; whoever plays it has no key."""
    key = KEYS[name]
    online.env["OCX_API_KEY"] = key
    chat_server.answer(answers.answer({"data": []}), path="x=1")
    (online.work / ".env").write_text(f"+API_KEY={key}\n-other\n")
    text = chat(online, "-f", ".env", "what is this?")
    words = ("sh", "-c", '"$@" && exec $0 api GET "models?key=$(sed -n s/.API_KEY=//p .env)&x=1"')
    pipeline = (*words, shlex.join(online.program), *text)
    record(online, *pipeline).has(0)
    tape = tape_of(online).decode()
    for line in tape.splitlines():
        assert key not in json.dumps(json.loads(line)["request"], ensure_ascii=False)
    assert json.dumps(key)[1:-1] not in tape
    assert replay(online, *pipeline).has(0).text.startswith("Hello!")
    (online.work / ".env").write_text(f"+API_KEY={key}\n-something else\n")
    replay(online, *text).has(7)


FOREIGN = "sk-proj-AbCdEf0123456789ZyXw"


@pytest.mark.parametrize(
    "text",
    some(
        [f'{{"OPENAI_API_KEY":"{FOREIGN}"}}', f"export KEY={FOREIGN}\n", f"?key={FOREIGN}&y=1"], 1
    ),
)
def test_a_key_of_somebody_else_that_the_answer_repeats_is_not_on_the_tape(
    online: Ocx, chat_server: ChatServer, text: str
) -> None:
    chat_server.answer(answers.stream("It says:\n", text), path=CHAT)
    (online.work / ".env").write_text(text)
    asks = chat(online, "-f", ".env", "what is this?")
    assert FOREIGN in record(online, *asks).has(0).text
    assert FOREIGN not in tape_of(online).decode()
    assert "sk-…ZyXw" in replay(online, *asks).has(0).text


def test_a_tape_that_loses_answers_says_so(online: Ocx) -> None:
    three = ("sh", "-c", '"$@" one; "$@" two; "$@" three', "sh", *chat(online))
    assert "held" not in record(online, *three).has(0).stderr
    run = record(online, *chat(online, "one")).has(0)
    assert "tape.jsonl held 3 answers and now holds 1" in run.stderr
    assert "--missing record" in run.stderr


def test_the_programs_own_key_in_a_request_plays_in_the_next_run(online: Ocx) -> None:
    tells = ("sh", "-c", 'exec "$@" "my key is $OCX_API_KEY"', "sh", *chat(online))
    record(online, *tells).has(0)
    replay(online, *tells).has(0)


def test_a_key_that_the_server_repeats_in_pieces_reaches_no_program_and_no_tape(
    online: Ocx, chat_server: ChatServer
) -> None:
    key = "gsk_0123456789abcdefGHIJ"
    online.env["OCX_API_KEY"] = key
    data = answers.event(answers.chunk(f"your key is {key}, is it not?"))
    cut = data.index(b"cdefGH")
    rest = data[cut:] + answers.finish() + answers.event("[DONE]") + answers.LAST_PIECE
    chat_server.answer(
        [answers.STREAM_HEAD + data[:cut], rest],
        answers.stream("Hello"),
        path=CHAT,
    )
    again = ("sh", "-c", 'said=$("$@" hi); echo "$said"; "$@" "$said"', "sh", *chat(online))
    run = record(online, *again).has(0)
    assert key not in run.text
    assert "your key is …GHIJ, is it not?" in run.text
    assert key not in tape_of(online).decode()
    assert replay(online, *again).has(0).text == run.text
    chat_server.answer(answers.stream(f"It is {key}"), path=CHAT)
    twice = ("sh", "-c", '"$@" hi; "$@" hi', "sh", *chat(online))
    flags = ("--replay", "new.jsonl", "--missing", "record")
    assert online("serve", *flags, "--", *twice).has(0).text == "It is …GHIJ\n" * 2
