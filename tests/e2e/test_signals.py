"""What a caller sees when the program is interrupted, terminated, or its reader goes away."""

from __future__ import annotations

import signal

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx
from tests.support.raw_server import STALL


def streaming(server: ChatServer) -> None:
    """One delta, then nothing more until the client goes away."""
    server.answer([answers.STREAM_HEAD + answers.delta("Once upon"), STALL], path=CHAT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_stream_and_is_what_the_program_dies_of(
    online: Ocx, chat_server: ChatServer, number: signal.Signals
) -> None:
    """The server sees the end (so that nothing more is spent), the shell sees the signal."""
    streaming(chat_server)
    process = online.spawn("chat", "tell a story")
    assert process.stdout is not None
    process.stdout.until(b"Once upon")
    process.signal(number)
    run = process.finish()
    assert run.status == -number
    assert run.stdout.rstrip(b"\n") == b"Once upon"
    assert "Traceback" not in run.stderr
    chat_server.wait_for_close()
