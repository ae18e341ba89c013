"""Raw bytes to a real `ocx serve`: it answers or hangs up, and goes on."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import tempfile
import time
import traceback
import urllib.error
import urllib.request

from tests.support.serving import serving

_PIECES = [
    b"GET /api/v1/models HTTP/1.1\r\n", b"POST /api/v1/chat/completions HTTP/1.1\r\n",
    b"Host: localhost\r\n", b"Content-Length: 20\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n",
    b"\r\n", b"\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"{}", b"[" * 3000,
    b'{"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]}', b"\x00", b"\xff\xfe",
    b"Authorization: Bearer sk-x\r\n", b"X: " + b"y" * 9000 + b"\r\n", b"OPTIONS * HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"Upgrade: websocket\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\n",
]  # fmt: skip


def fuzz_server(seconds: float) -> tuple[int, str]:
    """Requests sent, and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
        with tempfile.TemporaryFile() as errors:
            try:
                with serving(env, "--ephemeral", log=errors) as (server, port):
                    # It says where it listens before its event loop is there, with three
                    # descriptors.
                    _ask(port)
                    time.sleep(0.5)
                    before = _descriptors(server.pid)
                    count = _send(port, seconds)
                    _ask(port)
                    left = _open(server.pid, before)
                    status = server.poll()
            except Exception as error:
                return 0, "".join(traceback.format_exception(error))
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        if left:
            return count, f"{left} descriptors were not given back"
        return count, said if "Traceback" in said or status is not None else ""


def _open(pid: int, before: int) -> int:
    """Descriptors more than before, once the connections have had time to go."""
    end = time.monotonic() + 10
    while (more := _descriptors(pid) - before) > 0 and time.monotonic() < end:
        time.sleep(0.1)
    return max(0, more)


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def _send(port: int, seconds: float) -> int:
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = b"".join(random.choices(_PIECES, k=random.randint(1, 9)))
        if random.random() < 0.3:
            data = bytearray(data)
            data[random.randrange(len(data))] = random.randrange(256)
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(65536):
                    pass
            except (ConnectionError, TimeoutError):  # it may wait for the rest of a request
                pass
        count += 1
    return count


def _ask(port: int) -> None:
    """Without a key it is 401, and an answer."""
    url = f"http://127.0.0.1:{port}/api/v1/models"
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(url, timeout=10).close()
