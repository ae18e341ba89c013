"""An HTTP server that answers byte for byte what a test scripts, and keeps what it was sent.

A script is a sequence of steps, run on the connection once a request has been read:

    bytes                   sent as they are
    threading.Event         waited for
    STALL                   nothing more is sent until the client goes away
    CLOSE                   orderly end of the connection
    RESET                   RST instead of FIN
    callable(socket)        anything else

After the last step the connection serves the next request, as HTTP/1.1 does.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import DEADLINE, Board

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class End(enum.Enum):
    STALL = "stall"
    CLOSE = "close"
    RESET = "reset"


STALL, CLOSE, RESET = End.STALL, End.CLOSE, End.RESET
Step = bytes | threading.Event | End | Callable[[socket.socket], object]
Script = Sequence[Step]


@dataclass(frozen=True)
class Request:
    """One request, with every byte that was sent for it."""

    raw: bytes
    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The value of a header that stands at most once."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class RawServer:
    """A listener on a loopback address; `answer` says what the following requests get."""

    def __init__(self, host: str = "127.0.0.1", *, tls: bool = False) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        try:
            self._listener.bind((host, 0))
        except OSError:
            self._listener.close()
            raise
        self._listener.listen(64)
        self._tls = _tls_context() if tls else None
        self._closing = False
        self._board = Board()
        self._open: set[socket.socket] = set()
        self._scripts: list[Script] = []
        self._routes: dict[str, list[Script]] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self.closed: list[int] = []
        """Numbers of the connections that the client has closed, in that order."""
        self.faults: list[BaseException] = []
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def answer(self, *scripts: Script | bytes, path: str | None = None) -> None:
        """One script a request, in order; the last one stays. `path`: only requests ending so."""
        steps = [[script] if isinstance(script, bytes) else script for script in scripts]
        if path is None:
            self._scripts = steps
        else:
            self._routes[path] = steps

    def wait_for_requests(self, count: int = 1) -> Request:
        """The request that makes `count`."""
        self._board.wait_for(
            lambda: len(self.requests) >= count, f"request {count}, have {len(self.requests)}"
        )
        return self.requests[count - 1]

    def wait_for_close(self, count: int = 1) -> None:
        """Until the client has closed `count` connections."""
        self._board.wait_for(lambda: len(self.closed) >= count, f"{count} closed connections")

    def received(self) -> bytes:
        """Every byte of every request, for tests of what must not be there."""
        return b"".join(request.raw for request in self.requests)

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept(); connecting does, anywhere.
        self._closing = True
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            self._thread.join(DEADLINE)
        self._listener.close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing:
                connection.close()
                return
            self.connections += 1
            serve = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            serve.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        self._open.add(plain)
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                self._open.add(connection)
            while request := _read_request(connection, number):
                self._board.note(lambda request=request: self.requests.append(request))
                self._play(connection, self._next_script(request))
            self._board.note(lambda: self.closed.append(number))
        except _Ended:
            pass
        except OSError:  # reset by the client, or a handshake it refused
            self._board.note(lambda: self.closed.append(number))
        except Exception as error:
            self.faults.append(error)
        finally:
            connection.close()
            self._open -= {plain, connection}

    def _next_script(self, request: Request) -> Script:
        for path, scripts in self._routes.items():
            if request.target.endswith(path):
                return scripts.pop(0) if len(scripts) > 1 else scripts[0]
        if not self._scripts:
            raise AssertionError(f"no answer for {request.method} {request.target}")
        return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]

    def _play(self, connection: socket.socket, script: Script) -> None:
        for step in script:
            match step:
                case bytes():
                    connection.sendall(step)
                case threading.Event():
                    step.wait(DEADLINE)
                case End.STALL:
                    while connection.recv(65536):
                        pass
                    raise ConnectionAbortedError
                case End.CLOSE:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                    raise _Ended
                case End.RESET:
                    reset(connection)
                    raise _Ended
                case _:
                    step(connection)


class _Ended(Exception):
    """The script ended the connection."""


def reset(connection: socket.socket) -> None:
    """Close with RST: what a crashed peer or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(first: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    """Sends `first`, then `piece` again and again until the client goes away."""

    def run(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(piece)
            time.sleep(0.01)

    return run


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def _read_request(connection: socket.socket, number: int) -> Request | None:
    """The next request, or None where the client has closed the connection."""
    raw = _read_until(connection, b"", b"\r\n\r\n")
    if raw is None:
        return None
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (x.partition(":") for x in lines))
    length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
    while len(rest) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        rest += piece
    return Request(head + b"\r\n\r\n" + rest, number, method, target, headers, rest)


def _read_until(connection: socket.socket, have: bytes, marker: bytes) -> bytes | None:
    while marker not in have:
        piece = connection.recv(65536)
        if not piece:
            return None
        have += piece
    return have


class FullListener:
    """A port whose queue is full: connecting to it neither succeeds nor fails."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._waiting: list[socket.socket] = []
        for _ in range(4):  # a backlog of 0 still takes one or two
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", self.port))
            self._waiting.append(one)

    def close(self) -> None:
        for one in (*self._waiting, self._listener):
            one.close()


def closed_port() -> int:
    """A port where nobody listens: bound, so that nobody else gets it, for the whole session."""
    _REFUSING.bind(("127.0.0.1", 0)) if _REFUSING.getsockname()[1] == 0 else None
    return int(_REFUSING.getsockname()[1])


_REFUSING = socket.socket()
