"""One connection of uvicorn: bounds for each part of a request, and answers in one write."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ocx.serve.app import LARGEST_BODY, TIMED_OUT
from ocx.serve.openai_format import ApiError, dump

HEAD_SECONDS = 10.0
_HEAD = 64 * 1024  # bytes of a request without its body
_PIECES = 1000  # of a body, and one more for each so many bytes:
_PIECE = 64


class _OneWrite:
    """A transport that sends what was written in one turn of the loop at once: head and body."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._data: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._data:
            self._loop.call_soon(self._flush)
        self._data.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._flush()
        self._transport.abort()

    def _flush(self) -> None:
        data, self._data = b"".join(self._data), []
        if data:
            self._transport.write(data)


class _Connection(h11.Connection):
    """Gives up a body of too many crumbs, each of which is as dear as a request to refuse; and one
    that goes on after its answer, as only a refused one may.
    """

    _pieces = _bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += 1
            self._bytes += len(event.data)
            if self._pieces > _PIECES + self._bytes // _PIECE:
                raise h11.RemoteProtocolError("the body comes in too many pieces")
            if self.our_state is h11.DONE and self._bytes > LARGEST_BODY:
                raise h11.RemoteProtocolError("the body goes on after its answer")
        return event


Connections = dict["DeadlineProtocol", None]
"""In an order."""


class DeadlineProtocol(H11Protocol):
    """A connection that waits `seconds` for a whole request; uvicorn waits for ever.

    Args:
        idle: all connections that no request is begun on, the longest idle one first.
        reading: those on which a request is begun and not yet whole, or whose answer nobody
            reads, the oldest first.
    """

    def __init__(
        self, seconds: float, idle: Connections, reading: Connections, *given: Any
    ) -> None:
        super().__init__(*given)
        self.seconds, self.idle, self.reading = seconds, idle, reading
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.conn = _Connection(h11.SERVER, _HEAD)
        self.transport: Any = _OneWrite(self.transport, self.loop)
        self.app_state = {"abort": self.transport.abort}  # breaks it without flushing
        self.idle[self] = None
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._begin()
        super().data_received(data)
        self._sort()
        if self._deadline is not None and self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_last_words(400, "invalid_http", msg))
            self.transport.close()
        else:  # an answer is sent already
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._sort()
        if self._deadline is None and self._is_partial():  # it came with the request before
            self._begin()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_at_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
        self._sort()

    def _look_at_reader(self, before: float = math.inf) -> None:
        """Who reads nothing of an answer for long makes room for others, too."""
        unread = self.transport.get_write_buffer_size()
        if unread >= before:
            self.reading.setdefault(self)
        self._stall = self.loop.call_later(HEAD_SECONDS, self._look_at_reader, unread)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()
        self.idle.pop(self, None)
        self.reading.pop(self, None)
        super().connection_lost(exc)

    def _sort(self) -> None:
        place = None
        if self.cycle is None or self.cycle.response_complete:
            place = self.idle
        elif self.conn.their_state is h11.SEND_BODY:
            place = self.reading
        for other in (self.idle, self.reading):
            if other is not place:
                other.pop(self, None)
        if place is not None and self in self.connections:
            place.setdefault(self)

    def _is_partial(self) -> bool:
        """Whether a part of a request is here."""
        state = self.conn.their_state
        return state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _begin(self) -> None:
        seconds = min(HEAD_SECONDS, self.seconds)
        self._deadline = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """The time of the head is over: a body may still come for the rest of the time."""
        left = self.seconds - HEAD_SECONDS
        if self.conn.their_state is h11.SEND_BODY and left > 0:
            self._deadline = self.loop.call_later(left, self._expire)
        else:
            self._expire()

    def _expire(self) -> None:
        asked = self.cycle is None or self._is_partial()
        if asked and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            text = "the request did not come in time"
            self.transport.write(_last_words(408, "request_timeout", text))
        if self.cycle is not None:
            scope: Any = self.cycle.scope
            scope[TIMED_OUT] = True
        self.transport.close()


def _last_words(status: int, code: str, message: str) -> bytes:
    """The reply to what no request came of."""
    error = dump(ApiError(status, message, code).body())
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(error)}\r\n\r\n"
    return head.encode() + error
