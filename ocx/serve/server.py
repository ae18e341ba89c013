"""Serve ASGI on loopback, inside another program. Only this file and `connection` know uvicorn.

No signal handlers, no log, no polling. Accepting is our own: asyncio spins once there is no
descriptor left. Stopping first ends the running answers, so that their charges are settled, then
waits for their last bytes, then breaks the connections that are left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol

from uvicorn import Config
from uvicorn.server import ServerState

from ocx.errors import UsageError
from ocx.process import raise_file_limit
from ocx.serve.app import PREFIX
from ocx.serve.connection import Connections, DeadlineProtocol
from ocx.serve.responses import Receive, Send

HOST = "127.0.0.1"
DRAIN_SECONDS = 3.0
_BACKLOG = 512
_DESCRIPTORS = 4096
_AT_ONCE = 32  # connections that are accepted before requests get their turn
_PAUSE = 0.05  # seconds until accepting is tried again, all connections being busy
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Application(Protocol):
    """What a server needs of the ASGI application that it runs."""

    request_timeout: float

    def stop(self) -> None: ...

    async def close(self) -> None: ...

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None: ...


class UvicornServer:
    """Serves one application on one listening socket, by uvicorn's protocol."""

    def __init__(self, app: Application) -> None:
        self.server_state = ServerState()
        self._idle: Connections = {}
        self._reading: Connections = {}
        # h11 by name: what else is installed must not change the bytes that are sent.
        config = Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=60,
        )
        config.load()
        given: Any = (app.request_timeout, self._idle, self._reading, config, self.server_state, {})
        self._protocol = functools.partial(DeadlineProtocol, *given)
        _silence()
        self._app = app
        self._stopped: Future[None] = Future()  # of no loop: there is none yet
        self._accepting: dict[asyncio.Future[None], DeadlineProtocol] = {}

    def stop(self) -> None:
        """Begin to stop. Any thread may call this, and more than once."""
        with contextlib.suppress(InvalidStateError):  # it was stopped already
            self._stopped.set_result(None)

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections until `stop`, then end the answers and break what is left."""
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, self._accept, listener)
        await asyncio.wrap_future(self._stopped)
        loop.remove_reader(listener)
        listener.close()
        self._app.stop()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # The client's leaving and the last bytes of an answer are both a turn of the loop away.
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=DRAIN_SECONDS)
        for connection in list(self.server_state.connections):
            transport: Any = connection.transport
            transport.abort()
        await self._app.close()

    def _accept(self, listener: socket.socket) -> None:
        most, taken = self._most(), 0
        while taken < _AT_ONCE:
            if self._count() >= most:
                if not taken:  # else it is not known whether another one waits
                    self._make_room(listener)
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._make_room(listener)
                return
            taken += 1
            connection.setblocking(False)
            protocol = self._protocol()
            task = asyncio.ensure_future(self._connect(connection, protocol))
            self._accepting[task] = protocol
            task.add_done_callback(self._accepting.pop)

    def _count(self) -> int:
        """Connections. One may be there, and its task not be over yet."""
        there = self.server_state.connections
        return len(there) + sum(each not in there for each in self._accepting.values())

    async def _connect(self, connection: socket.socket, protocol: DeadlineProtocol) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # it is gone already
            connection.close()

    def _most(self) -> int:
        """Connections at once: some descriptors stay for the ledger and for upstreams."""
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return sys.maxsize if soft == resource.RLIM_INFINITY else soft - max(32, soft // 8)

    def _make_room(self, listener: socket.socket) -> None:
        """Close the longest idle connection for the one that waits, else the one whose request has
        been on its way for longest; if all are answered, wait a little.

        The listener stays readable, so the loop comes back at once after a connection was closed.
        """
        for place in (self._idle, self._reading):
            longest = next(iter(place), None)
            if longest is not None:
                del place[longest]
                transport: Any = longest.transport
                transport.abort()
                return
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        loop.call_later(_PAUSE, self._listen_again, listener)

    def _listen_again(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)


def listen(port: int = 0) -> socket.socket:
    """Listen on loopback: clients may connect before the event loop runs.

    Raises:
        UsageError: the port is in use.
    """
    # By its protocol asyncio knows that it may set TCP_NODELAY: without, an answer in two writes
    # waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
        raise_file_limit(_DESCRIPTORS)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on port {port}: {error.strerror}",
            hint="choose another with --port, or 0 for any that is free",
        ) from error
    listener.setblocking(False)
    return listener


def base_url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}{PREFIX}"


def run(
    server: UvicornServer, listener: socket.socket, stop_on: tuple[signal.Signals, ...] = ()
) -> signal.Signals | None:
    """Serve in this thread until `server.stop()` or one of the signals; returns that signal.

    Signals need the main thread. What was ignored stays ignored, and no handler runs inside the
    loop: one that raises there could land in the middle of a transaction.
    """
    caught: list[signal.Signals] = []
    handlers = {number: signal.getsignal(number) for number in stop_on}

    def stop(number: signal.Signals) -> None:
        caught.append(number)
        server.stop()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number, handler in handlers.items():
            if handler is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop, number)
        await server.serve(listener)

    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(serve())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return caught[0] if caught else None


def _silence() -> None:
    # Without a handler Python would write their warnings to stderr by its last resort.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.propagate = False


@contextlib.contextmanager
def serving(app: Application) -> Iterator[str]:
    """Run a server in a thread, on a random port, while the block runs; gives its base URL."""
    with contextlib.closing(listen()) as listener:
        server = UvicornServer(app)
        # A daemon: whatever happens to it, the process ends.
        thread = threading.Thread(
            target=run, args=(server, listener), name="ocx-serve", daemon=True
        )
        thread.start()
        try:
            yield base_url(listener)
        finally:
            server.stop()
            thread.join(2 * DRAIN_SECONDS)
