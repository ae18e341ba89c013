"""What a caller sees when the program is interrupted, terminated, or its reader goes away."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.answers import STREAM_HEAD, delta
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx, Process
from tests.support.raw_server import STALL
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.unmeasured

BEGUN = STREAM_HEAD + delta("Once upon")
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)


def shows(process: Process, text: bytes) -> None:
    assert process.stdout is not None
    process.stdout.until(text)


@SIGNALS
def test_a_signal_during_a_stream(
    online: Ocx, chat_server: ChatServer, number: signal.Signals
) -> None:
    """The server sees the end, so that nothing more is spent; what arrived is on stdout."""
    chat_server.answer([BEGUN, STALL], path=CHAT)
    process = online.spawn("chat", "tell a story")
    shows(process, b"Once upon")
    process.signal(number)
    run = process.finish()
    assert run.status == -number
    assert run.stdout.rstrip(b"\n") == b"Once upon"
    assert run.stderr == ""
    chat_server.wait_for_close()


@SIGNALS
@pytest.mark.parametrize(
    "args",
    [("chat", "--no-stream", "hi"), ("models",), ("balance",)],
    ids=lambda args: args[0],
)
def test_a_signal_before_the_answer(
    online: Ocx, chat_server: ChatServer, args: tuple[str, ...], number: signal.Signals
) -> None:
    chat_server.answer_all([STALL])
    process = online.spawn(*args)
    chat_server.wait_for_requests()
    process.signal(number)
    run = process.finish()
    assert (run.status, run.stdout, run.stderr) == (-number, b"", "")
    chat_server.wait_for_close()


@pytest.mark.parametrize(
    "place",
    [
        "import ocx.output.writers as writers; writers.write_failure = end",
        "import ocx.cli.table as table; table.root = lambda: type('A', (), {'b': B()})",
    ],
    ids=["while an error is told", "where Python wraps it"],
)
def test_a_signal_at_any_moment(ocx: Ocx, place: str) -> None:
    program = f"""
import signal, ocx.entry
def end(*_, **__): signal.raise_signal(signal.SIGTERM)
class B: __set_name__ = end
{place}
ocx.entry.run(["--nope"])
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, b"")


def test_ctrl_c_while_waiting_to_try_again(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.error(429, retry_after="50"))
    process = online.spawn("chat", "hi")
    assert process.stderr is not None
    process.stderr.until(b"retry 1 of 2")
    process.signal(signal.SIGINT)
    assert process.finish().status == -signal.SIGINT
    assert len(chat_server.requests) == 1


def test_ctrl_c_while_a_pipe_says_nothing(online: Ocx, chat_server: ChatServer) -> None:
    """The pipe has no limit of time; a note says how to do without it, and Ctrl-C ends it."""
    process = online.spawn("chat", "why?", stdin=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.until(b"-I")
    process.signal(signal.SIGINT)
    assert process.finish().status == -signal.SIGINT
    assert chat_server.connections == 0


def test_ctrl_c_in_the_middle_of_a_long_stdin(online: Ocx, chat_server: ChatServer) -> None:
    """More than a pipe holds has been written, so it is reading; the pipe stays open."""
    process = online.spawn("chat", "why?", stdin=subprocess.PIPE)
    process.send(b"word " * 140_000)
    process.signal(signal.SIGINT)
    assert process.finish().status == -signal.SIGINT
    assert chat_server.connections == 0


def test_an_ignored_sigint_stays_ignored(online: Ocx, chat_server: ChatServer) -> None:
    """`nohup`-like callers and background jobs of a shell start programs with SIGINT ignored."""
    go_on = threading.Event()
    rest = delta(" a time") + answers.finish() + answers.LAST_PIECE
    chat_server.answer([BEGUN, go_on, rest], path=CHAT)
    process = online.spawn("chat", "hi", prefix=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    shows(process, b"Once upon")
    process.signal(signal.SIGINT)
    go_on.set()
    run = process.finish().has(0)
    assert run.stdout == b"Once upon a time\n"


def test_ctrl_c_stops_a_shell_loop_too(online: Ocx, chat_server: ChatServer) -> None:
    """A program that only exits 130 lets the loop go on; one that dies by SIGINT stops it."""
    chat_server.answer([BEGUN, STALL], path=CHAT)
    loop = 'for i in 1 2 3; do "$@" || true; echo again; done; echo after'
    program = online.program
    online.program = ("bash", "-c", loop, "bash", *program)
    process = online.in_terminal("chat", "hi", "--no-render", env={"OCX_RETRIES": "0"})
    shows(process, b"Once upon")
    process.send(b"\x03")
    run = process.finish()
    assert run.status == -signal.SIGINT
    assert b"again" not in run.stdout
    assert len(chat_server.requests) == 1


def test_a_second_ctrl_c_does_not_wait_for_anything(online: Ocx, chat_server: ChatServer) -> None:
    chat_server.answer([BEGUN, STALL], path=CHAT)
    process = online.spawn("chat", "hi")
    shows(process, b"Once upon")
    process.signal(signal.SIGINT)
    process.signal(signal.SIGINT)
    assert process.finish().status == -signal.SIGINT


def test_a_reader_that_goes_away_ends_the_stream(online: Ocx, chat_server: ChatServer) -> None:
    """`ocx chat … | head -c1`: the next write kills the program, and the server sees it."""
    go_on = threading.Event()
    chat_server.answer([BEGUN, go_on, delta(" a time"), STALL], path=CHAT)
    read, write = os.pipe()
    process = online.spawn("chat", "hi", stdout=write)
    os.close(write)
    assert select.select([read], [], [], DEADLINE)[0]
    assert os.read(read, 1) == b"O"
    os.close(read)
    go_on.set()
    run = process.finish()
    assert (run.status, run.stderr) == (-signal.SIGPIPE, "")
    chat_server.wait_for_close()


@pytest.mark.parametrize("command", [("chat", "hi"), ("models",), ("balance",)], ids=lambda c: c[0])
def test_stdout_closed_from_the_start(online: Ocx, command: tuple[str, ...]) -> None:
    """`>&-`: an error in one line, never a traceback."""
    online.program = ("sh", "-c", '"$@" >&-', "sh", *online.program)
    run = online(*command)
    assert run.status == 1
    assert run.stderr.startswith("ocx: error: ")
    assert "Traceback" not in run.stderr


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "-rpf", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _may_unshare(), reason="unshare -pf is not allowed here: nobody is PID 1")
@SIGNALS
def test_as_pid_1_it_exits_as_a_shell_would_say(
    online: Ocx, chat_server: ChatServer, number: signal.Signals
) -> None:
    """In a container nobody can kill PID 1 by a signal, itself neither: 128 + n it is."""
    chat_server.answer([BEGUN, STALL], path=CHAT)
    prefix = ("unshare", "-rpf", "--kill-child")
    process = online.spawn("chat", "hi", prefix=prefix)
    shows(process, b"Once upon")
    children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
    os.kill(int(children.read_text()), number)
    run = process.finish()
    assert run.status == 128 + number
    assert run.stdout.rstrip(b"\n") == b"Once upon"
    chat_server.wait_for_close()
