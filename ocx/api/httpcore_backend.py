"""Sockets that keep deadlines, as a network backend of httpcore.

httpx limits each read, not a whole call, and nothing limits the name lookup. Enforcing the total
here, where the bytes are read, covers every step (lookup, proxy, TLS, slow headers, body)
without a timer thread that shuts down sockets, and an expired deadline is never mistaken for the
server's end of the stream.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpcore

from ocx.api.network_errors import expired
from ocx.api.types import ConnectionTrace
from ocx.api.urls import usable_addresses

REQUEST_BEGINS = "http11.send_request_headers.started"
"""httpcore's name of the event that tells CONNECT from the request itself."""

_PIECE = 64 * 1024
_LOOK = 0.25
"""Seconds of one wait. A signal that comes just before the process waits is seen only after it."""

_HEAD = len(b"HTTP/")


class DeadlineBackend(httpcore.NetworkBackend):
    """The connections of one client, which makes one request at a time.

    Attributes:
        connecting: a connection is being made; the request itself has not begun.
        connect_timeout: seconds for lookup, TCP, proxy and TLS together.
        trace: of the last connection.
        before_read: called before each wait for the server.
    """

    before_read: Callable[[], object] | None = None

    def __init__(self, connect_timeout: float) -> None:
        self.connect_timeout = connect_timeout
        self._tcp = httpcore.SyncBackend()
        self._open: list[httpcore.NetworkStream] = []
        self._closed = False
        self._shared: float | None = None
        self.start(0)

    def start(self, seconds: float) -> None:
        """Begin a call that must be over in `seconds`."""
        self._owner = threading.get_ident()
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        if self._shared is not None:
            self._end = self._shared = min(self._end, self._shared)
        self._connect_end = self._end
        self.connecting = False
        self.trace = ConnectionTrace()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, every call must be over when the first one has to be."""
        self._shared = float("inf")
        try:
            yield
        finally:
            self._shared = None

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give what runs inside `seconds` at most, whatever is left of the call."""
        end = self._end
        self._end = min(end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._end = end

    def left(self) -> float:
        """Seconds until the total deadline; negative once it has passed."""
        return self._end - time.monotonic()

    def on_event(self, name: str, info: Mapping[str, Any]) -> None:
        """httpcore's `trace` extension: the way to know that CONNECT and TLS are behind us."""
        if name == REQUEST_BEGINS:
            self.connecting = info["request"].method == b"CONNECT"
            self.trace.steps.append("proxy" if self.connecting else "http")
            self.trace.head = b""

    def limit(self, timeout: float | None) -> float:
        """Seconds that the next operation may take.

        Raises:
            DeadlineError: the time of the call is used up.
            httpcore.ConnectTimeout: the time to connect is, and the call has more.
        """
        self.check()
        end = min(self._end, self._connect_end) if self.connecting else self._end
        left = end - time.monotonic()
        if left <= 0:
            raise httpcore.ConnectTimeout("timed out")
        return left if timeout is None else min(timeout, left)

    def check(self) -> None:
        """Raise `DeadlineError` if the time of the call is used up."""
        if self.left() <= 0:
            raise expired(self._seconds)

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *given: Any, **named: Any
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers; all share one `connect_timeout`."""
        self.connecting = True
        self._connect_end = min(self._end, time.monotonic() + self.connect_timeout)
        trace = self.trace = ConnectionTrace(["dns"])
        addresses = trace.addresses = self._addresses(host, port)
        trace.steps.append("tcp")
        began = time.monotonic()
        for index, address in enumerate(addresses, 1):
            # An address that swallows packets must leave time for the others.
            share = self.limit(timeout) / (len(addresses) - index + 1)
            try:
                with self.reasoned():
                    stream = self._tcp.connect_tcp(address, port, share, *given, **named)
                trace.connect_seconds = time.monotonic() - began
                return self.adopt(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if index == len(addresses):
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    @contextlib.contextmanager
    def reasoned(self) -> Iterator[None]:
        """A step of connecting: a timeout may be that of the call, a failure leaves its reason."""
        try:
            yield
        except httpcore.ConnectTimeout:
            self.check()
            raise
        except httpcore.ConnectError as error:
            self.trace.reason = error.__cause__
            raise

    def adopt(self, stream: httpcore.NetworkStream) -> _DeadlineStream:
        still_open = [s for s in self._open if s.get_extra_info("socket").fileno() >= 0]
        self._open = [*still_open, stream]
        if self._closed:
            self.close()
        return _DeadlineStream(stream, self)

    def close(self) -> None:
        """Close every socket. From another thread, this wakes the thread that waits."""
        self._closed = True
        for stream in self._open:
            with contextlib.suppress(OSError):
                # Not ssl.SSLSocket.shutdown(): that forgets the TLS layer under a reader's feet.
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
            # A reader's descriptor must not be given to another file while it still reads.
            if threading.get_ident() == self._owner:
                stream.close()

    def _addresses(self, host: str, port: int) -> list[str]:
        # getaddrinfo() knows no timeout, and in the main thread no signal ends it.
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_look_up, args=(host, port, answer), daemon=True).start()
        try:
            found = answer.get(timeout=self.limit(None))
        except queue.Empty:
            self.check()
            raise httpcore.ConnectTimeout(f"looking up {host} timed out") from None
        if isinstance(found, Exception):
            with self.reasoned():
                raise httpcore.ConnectError(str(found)) from found
        return usable_addresses(host, [str(row[4][0]) for row in found])


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        backend = self._backend
        end = time.monotonic() + backend.limit(timeout)
        if backend.before_read is not None:
            backend.before_read()
        while (left := end - time.monotonic()) > 0:
            try:
                data = self._stream.read(max_bytes, min(left, _LOOK))
            except httpcore.ReadTimeout:
                continue
            if len(backend.trace.head) < _HEAD:
                backend.trace.head = (backend.trace.head + data)[:_HEAD]
            return data
        backend.check()
        raise httpcore.ReadTimeout("timed out")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # A reader that takes a little now and then must not stretch one write for ever.
        for start in range(0, len(buffer), _PIECE):
            limit = self._backend.limit(timeout)
            try:
                self._stream.write(buffer[start : start + _PIECE], limit)
            except httpcore.WriteTimeout:
                self._backend.check()
                raise

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        trace = self._backend.trace
        trace.steps.append("tls")
        trace.certificate = {}
        limit = self._backend.limit(timeout)
        with self._backend.reasoned():
            stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        trace.certificate = stream.get_extra_info("ssl_object").getpeercert() or {}
        return self._backend.adopt(stream)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _look_up(host: str, port: int, answer: queue.SimpleQueue[Any]) -> None:
    try:
        answer.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        answer.put(error)
