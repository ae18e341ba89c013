"""Many processes that are told the same wait: all are answered, and they do not return together."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections import deque

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import Ocx
from tests.support.sizes import size

ANSWER = answers.answer(answers.completion("hi"))


class Limit:
    """So many answers in each second that slides along, else 429 and Retry-After: 1."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._answered: deque[float] = deque()
        self.refused = 0

    def __call__(self, connection: socket.socket) -> None:
        now = time.monotonic()
        with self._lock:
            while self._answered and now - self._answered[0] >= 1:
                self._answered.popleft()
            free = len(self._answered) < self._rate
            if free:
                self._answered.append(now)
            self.refused += not free
        connection.sendall(ANSWER if free else answers.error(429, retry_after="1"))


@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.skipif(shutil.which("xargs") is None, reason="no xargs")
def test_parallel_calls_against_a_limit_are_all_answered(
    online: Ocx, chat_server: ChatServer
) -> None:
    """48 calls, 16 at once, 4 a second; a part of it elsewhere."""
    calls = size(48, 8)
    limit = Limit(4)
    chat_server.answer([limit], path=CHAT)
    command = [*online.forked().program, "chat", "-I", "--no-stream", "--retries", "8", "hi"]
    done = subprocess.run(
        ["xargs", "-P", "16", "-n", "1", *command],
        input="\n".join(map(str, range(calls))),
        env=online.env,
        cwd=online.work,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hi\n" * calls
    assert limit.refused < 4 * calls, "they return together"
