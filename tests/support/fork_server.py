"""Real processes of the program without the start of an interpreter each.

One process imports what most commands need, then forks a child for each run. The child is the
real program from `main()` on: its own pid, descriptors, environment, signals and exit. What a
fork cannot show (imports, interpreter flags, encodings, another program in front) starts the
ordinary way; `Ocx` chooses. A script that calls the program may call `FORKED` instead, which
starts in a tenth of the time and asks for a child with its own streams.

A run is a connection to the server's socket: the request and three descriptors there, the pid
and then the status back.
"""

from __future__ import annotations

import array
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from tests.support.waiting import DEADLINE

_CHILD = str(Path(__file__).with_name("child"))
_ZYGOTE = Path(__file__).with_name("zygote.py")
FORKED = (sys.executable, "-I", "-S", str(Path(__file__).with_name("forked.py")))
"""With the address of a server after it: the words of a script that calls the program."""
_NUMBER = 8  # bytes of a number between the two: a length, a pid, a status


class ForkedProcess:
    """A child of the fork server, with the part of `subprocess.Popen` that the tests use."""

    def __init__(
        self, channel: socket.socket, pid: int, args: Sequence[str], pipes: Mapping[int, int]
    ) -> None:
        self._channel = channel
        self.pid = pid
        self.args = list(args)
        self.returncode: int | None = None
        self.stdin: BinaryIO | None = _opened(pipes.get(0), "wb")
        self.stdout: BinaryIO | None = _opened(pipes.get(1), "rb")
        self.stderr: BinaryIO | None = _opened(pipes.get(2), "rb")

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
            self._take()
        return self.returncode

    def wait(self, timeout: float = DEADLINE) -> int:
        if self.returncode is None:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._take()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _take(self) -> None:
        self.returncode = _receive(self._channel)
        self._channel.close()


class ForkServer:
    """Starts children; started itself by the first, ended with the test process."""

    def __init__(self) -> None:
        kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        self._folder = tempfile.TemporaryDirectory(prefix="ocx-")
        self._address = f"{self._folder.name}/socket"
        self.program = (*FORKED, self._address)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address)
            listener.listen(128)
            self._process = subprocess.Popen(
                [sys.executable, _ZYGOTE, str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,  # at its end the server ends
                env={**env, "LANG": "C.UTF-8", "PYTHONPATH": _CHILD},
            )

    def start(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdin: int,
        stdout: int,
        stderr: int,
        start_new_session: bool = False,
    ) -> ForkedProcess:
        """Fork a child; `subprocess.PIPE` and `DEVNULL` mean what they mean there."""
        given: list[int] = []
        pipes: dict[int, int] = {}
        to_close: list[int] = []
        for number, wanted in enumerate((stdin, stdout, stderr)):
            if wanted == subprocess.PIPE:
                reading, writing = os.pipe()
                ours, theirs = (writing, reading) if number == 0 else (reading, writing)
                pipes[number] = ours
            elif wanted == subprocess.DEVNULL:
                theirs = os.open(os.devnull, os.O_RDWR)
            else:
                given.append(wanted)
                continue
            given.append(theirs)
            to_close.append(theirs)
        run = socket.socket(socket.AF_UNIX)
        run.connect(self._address)
        request = {"args": list(args), "env": dict(env), "cwd": cwd, "session": start_new_session}
        _send(run, request, given)
        for descriptor in to_close:
            os.close(descriptor)
        return ForkedProcess(run, _receive(run), args, pipes)

    def close(self) -> None:
        self._process.communicate(timeout=DEADLINE)
        self._folder.cleanup()


def _opened(descriptor: int | None, mode: str) -> Any:
    return None if descriptor is None else os.fdopen(descriptor, mode, buffering=0)


def _send(channel: socket.socket, message: Any, descriptors: Sequence[int]) -> None:
    data = marshal.dumps(message)
    head = len(data).to_bytes(_NUMBER, "big")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    channel.sendmsg([head], rights)
    channel.sendall(data)


def _receive(channel: socket.socket) -> int:
    data = channel.recv(_NUMBER, socket.MSG_WAITALL)
    if len(data) < _NUMBER:
        raise AssertionError("the fork server ended")
    return int.from_bytes(data, "big", signed=True)
