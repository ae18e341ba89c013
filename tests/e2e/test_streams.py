"""What stands on stdout, byte for byte: in a pipe, in a file, on a full disk, on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.answers import LAST_PIECE, STREAM_HEAD, answer, chunk, delta, event, finish
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx
from tests.support.raw_server import CLOSE, STALL

pytestmark = pytest.mark.unmeasured

END = finish() + event(answers.DONE) + LAST_PIECE
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def shell(ocx: Ocx, script: str) -> None:
    """Run `script` in place of the program; in it, "$@" is the program."""
    ocx.program = ("bash", "-o", "pipefail", "-c", script, "bash", *ocx.forked().program)


def test_a_pipe_gets_the_answer_and_nothing_else(ocx: Ocx) -> None:
    """`printf 'hi' | ocx --sandbox chat | od -c` is `h i \\n`."""
    run = ocx("--sandbox", "chat", input="hi").has(0)
    assert run.stdout == b"hi\n"
    assert run.stderr == "", "stderr is no terminal and the sandbox was asked for by its flag"


@pytest.mark.skipif(shutil.which("head") is None, reason="no head(1) here")
def test_head_leaves_no_traceback(ocx: Ocx) -> None:
    shell(ocx, '"$@" | head -c1')
    run = ocx("--sandbox", "chat", "hi")
    assert (run.stdout, run.stderr) == (b"h", "")


@needs_dev_full
def test_a_full_disk_is_one_line_and_exit_1(ocx: Ocx) -> None:
    """`seq 10000 | ocx --sandbox chat > /dev/full`."""
    prompt = "".join(f"{n}\n" for n in range(1, 10_001))
    with Path("/dev/full").open("wb") as full:
        process = ocx.spawn("--sandbox", "chat", stdin=subprocess.PIPE, stdout=full.fileno())
        process.send(prompt)
        process.end_input()
        run = process.finish().has(1)
    assert run.stderr == "ocx: error: cannot write to stdout: No space left on device\n"


@needs_dev_full
def test_o_to_a_device_leaves_it_a_device(ocx: Ocx) -> None:
    """-o writes FILE.partial and renames it only where FILE is, or becomes, a regular file."""
    run = ocx("--sandbox", "chat", "hi", "-o", "/dev/full").has(1)
    assert run.stderr.count("\n") == 1
    assert "/dev/full" in run.stderr
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert not Path("/dev/full.partial").exists()


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (["Hi"], b"Hi\n"),
        (["Hi\n"], b"Hi\n"),
        (["Hi\n", "\n"], b"Hi\n\n"),
        ([], b""),
        (["", ""], b""),
        ([" "], b" \n"),
        (["\x1b[31mred\x07\x00\r\n"], b"\x1b[31mred\x07\x00\r\n"),
        (["\N{GRINNING FACE}", "\u2028", "é"], "\N{GRINNING FACE}\u2028é\n".encode()),
        (["a\ud83d", "\ude00b"], "a\N{GRINNING FACE}b\n".encode()),
        (["a\ud83d", "b"], "a\ufffdb\n".encode()),
        (["a\ud83d"], "a\ufffd\n".encode()),
    ],
    ids=[
        "newline added", "newline kept", "newlines kept", "empty", "empty deltas", "blank",
        "control characters", "beyond ascii", "surrogates joined", "surrogate alone",
        "surrogate last",
    ],
)  # fmt: skip
def test_the_bytes_of_the_model_are_not_touched(
    online: Ocx, chat_server: ChatServer, contents: list[str], expected: bytes
) -> None:
    """UTF-8 whatever the locale says; a final newline only where the answer lacks one."""
    chat_server.answer(answers.stream(*contents), path=CHAT)
    run = online("chat", "hi", env={"LC_ALL": "C", "PYTHONUTF8": "0"}).has(0)
    assert run.stdout == expected


def test_each_delta_is_there_before_the_next_is_sent(online: Ocx, chat_server: ChatServer) -> None:
    """Nothing is held back for a full buffer: the server goes on only once a delta was seen."""
    gates = [threading.Event() for _ in range(3)]
    script = [STREAM_HEAD, delta("one"), gates[0], delta(" two"), gates[1], delta(" three")]
    chat_server.answer([*script, gates[2], END], path=CHAT)
    process = online.spawn("chat", "count")
    assert process.stdout is not None
    for gate, seen in zip(gates, (b"one", b"one two", b"one two three"), strict=True):
        assert process.stdout.until(seen) == seen
        gate.set()
    assert process.finish().has(0).stdout == b"one two three\n"


def test_json_is_one_document_as_the_api_sent_it(online: Ocx, chat_server: ChatServer) -> None:
    document = {**answers.completion("Hello"), "x_extra": {"kept": [1, 2.50]}}
    chat_server.answer(answer(document), path=CHAT)
    run = online("chat", "hi", "--json").has(0)
    assert run.json == document
    assert run.stdout.count(b"\n") == 1
    assert chat_server.body().get("stream", False) is False


def test_json_stream_is_one_chunk_a_line_as_it_arrives(
    online: Ocx, chat_server: ChatServer
) -> None:
    gate = threading.Event()
    chat_server.answer([STREAM_HEAD, delta("a"), gate, delta("b"), END], path=CHAT)
    process = online.spawn("chat", "hi", "--json", "--stream")
    assert process.stdout is not None
    process.stdout.until(b"\n")
    gate.set()
    lines = process.finish().has(0).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [chunk("a"), chunk("b"), chunk(finish="stop")]


@pytest.mark.parametrize(
    "flags", [(), ("--no-stream",), ("--json",)], ids=["text", "no-stream", "json"]
)
@pytest.mark.parametrize("sent", ["stream", "document"])
def test_a_server_that_ignores_what_was_asked_for(
    online: Ocx, chat_server: ChatServer, sent: str, flags: tuple[str, ...]
) -> None:
    """JSON where a stream was asked for, and the other way round: the answer is what counts."""
    forms = {"stream": answers.stream("Hel", "lo"), "document": answer(answers.completion("Hello"))}
    chat_server.answer(forms[sent], path=CHAT)
    run = online("chat", "hi", *flags).has(0)
    if "--json" in flags:
        assert run.json["choices"][0]["message"]["content"] == "Hello"
    else:
        assert run.stdout == b"Hello\n"


def test_o_writes_partial_from_the_first_byte_and_renames_it(
    online: Ocx, chat_server: ChatServer
) -> None:
    """What arrived is never lost, and a file of that name is always a whole answer."""
    gate = threading.Event()
    chat_server.answer([STREAM_HEAD, delta("one"), gate, delta(" two"), END], path=CHAT)
    target = online.work / "real.txt"
    target.write_text("before")
    link = online.work / "link.txt"
    link.symlink_to(target)
    partial = online.work / "real.txt.partial"
    process = online.spawn("chat", "count", "-o", "link.txt")
    chat_server.wait_for_requests()
    assert partial.exists()
    assert target.read_text() == "before"
    gate.set()
    assert process.finish().has(0).stdout == b""
    assert (target.read_text(), link.is_symlink()) == ("one two\n", True)
    assert not partial.exists()


def test_o_keeps_partial_where_the_answer_broke_off(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer([STREAM_HEAD, delta("one"), CLOSE], path=CHAT)
    (online.work / "a.txt").write_text("before")
    run = online("chat", "hi", "-o", "a.txt").has(11)
    assert "a.txt.partial" in run.stderr
    assert (online.work / "a.txt").read_text() == "before"
    assert (online.work / "a.txt.partial").read_text().rstrip("\n") == "one"


def test_o_into_a_fifo_and_a_descriptor(online: Ocx, chat_server: ChatServer) -> None:
    """They are opened and written as they are; nothing is renamed over them."""
    fifo = online.work / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()), daemon=True)
    reader.start()
    online("chat", "hi", "-o", "fifo").has(0)
    reader.join()
    assert read == [b"Hello!\n"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert online("chat", "hi", "-o", "/dev/fd/1").has(0).stdout == b"Hello!\n"


def test_o_into_a_folder_that_is_missing_sends_nothing(
    online: Ocx, chat_server: ChatServer
) -> None:
    online("chat", "hi", "-o", "missing/a.txt").has(1)
    assert chat_server.connections == 0


def test_the_prompt_is_words_then_files_then_stdin(online: Ocx, chat_server: ChatServer) -> None:
    """Each part after exactly one empty line, nothing else added or trimmed."""
    (online.work / "a.txt").write_text("  file\n")
    online("chat", "two", "words", "-f", "a.txt", "-s", "be brief", input="piped").has(0)
    assert chat_server.body()["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "two words\n\n  file\n\npiped"},
    ]


@pytest.mark.parametrize(
    "args",
    [
        ("-", "-f", "-"),
        ("hi", "--key-file", "-", "-f", "-"),
        ("--temperature", "2.1", "hi"),
        ("--top-p", "-0.1", "hi"),
        ("--max-tokens", "0", "hi"),
        ("-O", "model=x", "hi"),
        ("-o", "temperature", "1", "hi"),
        ("--json", "--dry-run", "hi"),
        ("-f", "missing.txt"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    online: Ocx, chat_server: ChatServer, args: tuple[str, ...]
) -> None:
    online("chat", *args, input="x").has(2)
    assert chat_server.connections == 0


@pytest.mark.parametrize(
    ("args", "hint"),
    [(("hello",), 'ocx chat "hello"'), (("chat",), ""), (("chat", "-1", "is"), "--")],
    ids=["bare prompt", "no prompt", "dash"],
)
def test_habits_get_a_hint(ocx: Ocx, args: tuple[str, ...], hint: str) -> None:
    run = ocx(*args).has(2)
    assert hint in run.stderr


def test_invalid_utf8_is_named_with_its_offset(online: Ocx, chat_server: ChatServer) -> None:
    run = online("chat", input=b"abc\xff").has(2)
    assert "3" in run.stderr
    assert chat_server.connections == 0


def test_usage_and_reasoning_go_to_stderr(online: Ocx, chat_server: ChatServer) -> None:
    """`reasoning` and `reasoning_content` are one thing under two names."""
    thought = chunk(reasoning_content="thinking", reasoning="thinking")
    script = STREAM_HEAD + event(thought) + delta("Hi") + finish() + answers.usage(3, 4)
    chat_server.answer(script + event(answers.DONE) + LAST_PIECE, path=CHAT)
    run = online("chat", "hi", "-u", "--reasoning", "show").has(0)
    assert run.stdout == b"Hi\n"
    assert run.stderr.count("thinking") == 1
    assert "3" in run.stderr
    assert "4" in run.stderr
    quiet = online("chat", "hi", "-q").has(0)
    assert (quiet.stdout, quiet.stderr) == (b"Hi\n", "")


def test_a_terminal_gets_markdown_and_no_control_characters(
    online: Ocx, chat_server: ChatServer
) -> None:
    """As it streams; what could drive the terminal is shown, not obeyed."""
    gate = threading.Event()
    script = [STREAM_HEAD, delta("# Title\n\nfirst *word*\n\nsecond\n"), gate]
    chat_server.answer([*script, delta("and \x1b]0;owned\x07"), END], path=CHAT)
    process = online.in_terminal("chat", "hi")
    assert process.stdout is not None
    process.stdout.until(b"Title")
    process.stdout.until(b"word")
    gate.set()
    shown = process.finish().has(0).stdout
    assert b"\x1b]0;owned" not in shown
    assert b"\x07" not in shown
    assert b"owned" in shown
    assert b"*word*" not in shown
    assert b"# Title" not in shown


def test_no_render_shows_the_text_as_it_is_but_still_no_control_characters(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer(answers.stream("# Title *word* \x1b[2J"), path=CHAT)
    shown = online.in_terminal("chat", "hi", "--no-render").finish().has(0).stdout
    assert b"# Title *word*" in shown
    assert b"\x1b[2J" not in shown


def test_models_in_a_terminal_is_a_table_and_in_a_pipe_one_id_a_line(
    online: Ocx, chat_server: ChatServer
) -> None:
    shown = online.in_terminal("models").finish().has(0).stdout
    assert b"gpt-4o" in shown
    assert online("models").has(0).text == "deepseek-chat\ngpt-4o\n"
    assert online("models", "gpt*").has(0).text == "gpt-4o\n"
    nothing = online("models", "claude").has(0)
    assert nothing.stdout == b""
    assert nothing.stderr.count("\n") == 1
    cached = sorted((online.cache / "models").glob("*.txt"))
    assert [path.read_text() for path in cached] == ["deepseek-chat\ngpt-4o\n"]


def test_a_model_id_cannot_smuggle_a_command_into_the_completion_cache(
    online: Ocx, chat_server: ChatServer
) -> None:
    ids = ("fine:1/b@c+d", "$(touch owned)", "a b", "-flag", "x\ny", "é")
    chat_server.answer(answer(answers.models(*ids)), path="/models")
    online("models").has(0)
    cached = next((online.cache / "models").glob("*.txt"))
    assert cached.read_text() == "fine:1/b@c+d\n"


def test_comments_keep_a_stream_alive(ocx: Ocx, chat_server: ChatServer) -> None:
    """Silence in sum longer than the idle deadline, but never at once."""
    pause = threading.Event()
    drip = [lambda _: pause.wait(0.4), answers.piece(b": ping\n\n")] * 6
    chat_server.answer([STREAM_HEAD, *drip, delta("late"), END], path=CHAT)
    ocx.profile(base_url=chat_server.base_url, idle_timeout=2)
    run = ocx("chat", "hi", env={"OCX_API_KEY": "sk-live-x"}).has(0)
    assert run.stdout == b"late\n"


def test_a_reader_that_stalls_does_not_lose_anything(online: Ocx, chat_server: ChatServer) -> None:
    """More than a pipe holds, read only after everything was sent."""
    text = "x" * 1000
    sent = threading.Event()
    script = [STREAM_HEAD, *(delta(text) for _ in range(300)), END]
    chat_server.answer([*script, lambda _: sent.set()], path=CHAT)
    read, write = os.pipe()
    process = online.spawn("chat", "hi", stdout=write)
    os.close(write)
    sent.wait(5)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == text.encode() * 300 + b"\n"
    process.finish().has(0)


def test_what_comes_together_is_written_before_the_next_wait(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer([STREAM_HEAD + delta("one ") + delta("two"), STALL], path=CHAT)
    process = online.spawn("chat", "hi")
    assert process.stdout is not None
    process.stdout.until(b"one two")


def test_a_reader_that_left_ends_the_call_while_the_server_is_silent(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer([STREAM_HEAD + delta("one"), STALL], path=CHAT)
    read, write = os.pipe()
    os.close(read)
    process = online.spawn("chat", "hi", stdout=write)
    os.close(write)
    chat_server.wait_for_close()
    assert process.finish().stderr == ""


@needs_dev_full
def test_a_disk_full_before_a_wait_is_not_taken_for_a_broken_answer(
    online: Ocx, chat_server: ChatServer
) -> None:
    chat_server.answer([STREAM_HEAD + delta("one"), STALL], path=CHAT)
    online.profile(base_url=chat_server.base_url, idle_timeout=0.3)
    run = online("chat", "hi", "-o", "/dev/full").has(1)
    assert run.stderr == "ocx: error: cannot write to /dev/full: No space left on device\n"


def test_ctrl_c_keeps_what_arrived_in_partial(online: Ocx, chat_server: ChatServer) -> None:
    thought = event(chunk(reasoning="now"))  # on stderr, once "one" has been written
    chat_server.answer([STREAM_HEAD, delta("one"), thought, STALL], path=CHAT)
    process = online.spawn("chat", "hi", "-o", "a.txt", "--reasoning", "show")
    assert process.stderr is not None
    process.stderr.until(b"now")
    process.signal(signal.SIGINT)
    run = process.finish()
    assert (run.status, run.stdout) == (-signal.SIGINT, b"")
    assert (online.work / "a.txt.partial").read_text().rstrip("\n") == "one"
    assert not (online.work / "a.txt").exists()


CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "now", "arguments": '{"tz":"UTC"}'},
}


@pytest.mark.parametrize("flags", [(), ("--no-stream",)], ids=["stream", "whole"])
def test_an_answer_of_tool_calls_alone_is_their_json(
    online: Ocx, chat_server: ChatServer, flags: tuple[str, ...]
) -> None:
    """They arrive as fragments by index, and are put together."""
    first = {**CALL, "index": 0, "function": {"name": "now", "arguments": '{"tz":'}}
    second = {"index": 0, "function": {"arguments": '"UTC"}'}}
    fragments = [event(chunk(tool_calls=[call])) for call in (first, second)]
    whole = answers.completion(None, "tool_calls")
    whole["choices"][0]["message"]["tool_calls"] = [CALL]
    chat_server.answer(
        answer(whole)
        if flags
        else STREAM_HEAD + b"".join(fragments) + finish("tool_calls") + LAST_PIECE,
        path=CHAT,
    )
    assert online("chat", "hi", *flags).has(0).json == [CALL]


def test_a_whole_answer_with_reasoning_and_usage(online: Ocx, chat_server: ChatServer) -> None:
    document = answers.completion("Hi")
    document["choices"][0]["message"]["reasoning_content"] = "thinking"
    chat_server.answer(answer(document), path=CHAT)
    run = online("chat", "hi", "--no-stream", "--reasoning", "show", "-u").has(0)
    assert run.stdout == b"Hi\n"
    assert "thinking" in run.stderr
    assert "20" in run.stderr, "prompt tokens of the answer"


@pytest.mark.parametrize("flags", [("--no-stream",), ("--json",)], ids=" ".join)
def test_a_whole_answer_cut_by_a_content_filter(
    online: Ocx, chat_server: ChatServer, flags: tuple[str, ...]
) -> None:
    chat_server.answer(answer(answers.completion("Hi", "content_filter")), path=CHAT)
    run = online("chat", "hi", *flags).has(11)
    assert b"Hi" in run.stdout


def test_every_parameter_reaches_the_api_as_it_was_given(
    online: Ocx, chat_server: ChatServer
) -> None:
    """Nothing undocumented is sent unless asked for with -O."""
    (online.work / "system.txt").write_text("be brief")
    online("chat", "hi").has(0)
    plain = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "hi"}]}
    assert chat_server.body() == {**plain, "stream": True}
    args = ["--system-file", "system.txt", "-m", "gpt-4o", "--temperature", "0.5", "--top-p", "0.9"]
    args += ["--max-tokens", "7", "--stop", "a", "--stop", "b", "-O", "seed=1", "-O", "user=ada"]
    online("chat", "hi", *args).has(0)
    assert chat_server.body() == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "be brief"}, *plain["messages"]],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["a", "b"],
        "seed": 1,
        "user": "ada",
        "stream": True,
    }


def test_dry_run_prints_exactly_what_would_be_sent(online: Ocx, chat_server: ChatServer) -> None:
    shown = online("chat", "hi", "--dry-run", "-H", "X-Team: docs").has(0).stdout
    assert chat_server.connections == 0
    online("chat", "hi", "-H", "X-Team: docs").has(0)
    sent = chat_server.requests[0]
    head, _, body = shown.partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    assert first == f"POST {chat_server.base_url}/chat/completions"
    assert body.rstrip(b"\n") == sent.body
    headers = {name.lower(): value for name, value in sent.headers}
    for name, _, value in (line.partition(": ") for line in lines):
        if name.lower() != "authorization":
            assert headers.pop(name.lower()) == value
    assert set(headers) <= {"authorization", "connection"}


@pytest.mark.parametrize("flags", [(), ("--sandbox",)], ids=["no key", "sandbox"])
def test_dry_run_needs_no_key_and_starts_nothing(ocx: Ocx, flags: tuple[str, ...]) -> None:
    run = ocx("chat", "hi", "--dry-run", *flags).has(0)
    assert '"content":"hi"' in run.text
    assert not ocx.state.exists()


def test_dry_run_runs_no_command_for_the_key(ocx: Ocx) -> None:
    ran = ocx.work / "ran"
    ocx.profile(api_key_command=["touch", str(ran)])
    ocx("chat", "hi", "--dry-run").has(0)
    assert not ran.exists()


def test_json_on_a_terminal_is_indented_and_cannot_drive_it(
    online: Ocx, chat_server: ChatServer
) -> None:
    document = answers.completion("a\u009b2Jb")
    chat_server.answer(answer(document), path=CHAT)
    still = {"CI": "1"}  # no spinner, however long it takes
    shown = online.in_terminal("chat", "hi", "--json", env=still).finish().has(0).stdout
    assert b"\n  " in shown
    assert "\u009b".encode() not in shown
    assert json.loads(shown) == document
    raw = json.dumps(answers.chunk("a\u009b2Jb"), ensure_ascii=False)
    chat_server.answer([STREAM_HEAD, answers.event(raw), END], path=CHAT)
    streamed = online.in_terminal("chat", "hi", "--json", "--stream", env=still)
    shown = streamed.finish().has(0).stdout
    assert "\u009b".encode() not in shown
    chunks = [json.loads(line) for line in shown.splitlines()]
    assert "a\u009b2Jb" in {chunk["choices"][0]["delta"].get("content") for chunk in chunks}


def test_models_marks_the_default_and_the_aliases(online: Ocx) -> None:
    online.write_config('[profiles.default]\nmodel = "gpt-4o"\n[aliases]\nfast = "deepseek-chat"\n')
    process = online.in_terminal("models", env={"NO_COLOR": "1", "CI": "1"})
    shown = process.finish().has(0).stdout.decode().splitlines()
    marked = {line.split()[0]: line for line in shown if line.strip()}
    assert "default" in marked["gpt-4o"]
    assert "fast" in marked["deepseek-chat"]


def test_a_header_that_names_a_secret_is_masked_or_warned_about(ocx: Ocx) -> None:
    flags = ("-H", "X-Api-Key: s3cret", "-H", "X-Session: s3cret", "-H", "X-Team: docs")
    shown = ocx("chat", "hi", "--dry-run", *flags).has(0).text
    assert "X-Api-Key: …\nX-Session: …\nX-Team: docs\n" in shown
    run = ocx("chat", "hi", "--snippet", "curl", *flags).has(0)
    assert "the header X-Api-Key stands in the program" in run.stderr
    assert "X-Team" not in run.stderr


def test_models_do_not_fail_for_want_of_a_cache(online: Ocx) -> None:
    (online.home / "cache").write_text("in the way")
    assert online("models").has(0).text == "deepseek-chat\ngpt-4o\n"


@pytest.mark.skipif(sys.platform != "linux", reason="packet sockets that end belong to Linux")
def test_one_write_for_each_piece_of_the_network(online: Ocx, chat_server: ChatServer) -> None:
    """Deltas that come together leave together.

    Together is what the HTTP library hands over as one: one HTTP chunk, or without chunks one read.
    A packet socket as stdout keeps the writes apart. The server sends everything at once, far less
    than one read takes.
    """
    events = [answers.chunk("word ") for _ in range(100)] + [answers.chunk(finish="stop")]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    chat_server.answer_all(answer(body, content_type=answers.EVENTS))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = online.spawn("chat", "hi", stdout=theirs.fileno())
        packets = list(iter(lambda: ours.recv(65536), b""))
    process.finish().has(0)
    assert b"".join(packets) == b"word " * 100 + b"\n"
    assert len(packets) < 10
