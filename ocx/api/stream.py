"""A streamed answer: iterating reads it, and leaving the `with` closes the connection."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocx.api.completion import unexpected
from ocx.api.error_response import described, parse, request_id
from ocx.api.http import CHAT_CAP, capped, sniff
from ocx.api.sse import TOO_LARGE_HINT, Decoder, EventTooLarge
from ocx.api.stream_state import NotJsonError, StreamState
from ocx.api.types import Delta
from ocx.errors import DeadlineError, OcxError, ServerError

if TYPE_CHECKING:
    from ocx.api.client import StreamedBody

log = logging.getLogger("ocx.api")

_BLANKS = b" \t\r\n"


class Stream(StreamState):
    """Iterate for lists of deltas: one list, never empty, for each piece the network gave.

    Its memory does not grow with the answer; what is known of it so far is that of `StreamState`.

    Attributes:
        request_id: the server's id of the request.
        attempts: how many requests were sent.
        first_token_seconds: from the call to the first text or reasoning; None before it.

    Iterating raises, after the last delta that came:
        IncompleteError: after some content came an error, garbage, the end, a content filter or a
            finish_reason that means failure; or the token limit cut a tool call.
        InvalidAnswerError: the arguments of a tool call are not JSON.
        RejectedError: the content filter, before any content.
        ServerError: no answer came, or not the kind that was asked for.
        NetworkError: the connection was lost before any content.
        DeadlineError: no byte within idle_timeout, or no end within the total.
        OcxError: the class of the error that the server reported before any content.
    """

    def __init__(self, source: StreamedBody) -> None:
        super().__init__(source.headers, source.call.secrets)
        self._source = source
        self._started = source.call.started
        self._error: OcxError | None = None
        self._ended: float | None = None
        self._any = False
        self.request_id = request_id(source.headers, self.keys)
        self.attempts = source.call.attempts
        self.first_token_seconds: float | None = None

    @property
    def seconds(self) -> float:
        """From the call to the end of the answer, or to now."""
        return (self._ended or time.monotonic()) - self._started

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._ended = self._ended or time.monotonic()
        self._source.close()

    def __iter__(self) -> Iterator[list[Delta]]:
        try:
            with described(self._source.status, self.request_id):
                yield from self._deltas()
        finally:
            self.close()

    def _deltas(self) -> Iterator[list[Delta]]:
        pieces = self._source.pieces()
        head = self._head(pieces)
        kind = sniff(head)
        if kind == "json":
            yield [self._whole(head, pieces)]
        elif kind == "html" or kind is None:
            raise unexpected(head, self.keys)
        else:
            yield from self._events(head, pieces)
        error = self.final_error()
        if error is not None:
            # Plain text has no events; its first words say more than their absence.
            raise unexpected(head, self.keys) if kind == "other" and not self._any else error

    def _head(self, pieces: Iterator[bytes]) -> bytes:
        """The beginning of the body, as much as shows its kind.

        Blank lines before it are dropped: some servers send them while they think.
        """
        head = b""
        for piece in pieces:
            head = (head + piece).lstrip(_BLANKS)
            if sniff(head) is not None:
                break
        return head

    def _whole(self, head: bytes, pieces: Iterator[bytes]) -> Delta:
        body = capped(itertools.chain((head,), pieces), CHAT_CAP)
        document = parse(body)
        if document is None:
            raise unexpected(body, self.keys)
        delta = self.whole(document, body.decode("utf-8", "replace"))
        self._mark([delta])
        return delta

    def _events(self, head: bytes, pieces: Iterator[bytes]) -> Iterator[list[Delta]]:
        decoder = Decoder()
        lost: OcxError | None = None
        try:
            try:
                for piece in itertools.chain((head,), pieces):
                    deltas = self._read(decoder.feed(piece))
                    if deltas:
                        yield deltas
                    if self.done or self._error:
                        break
            except OcxError as error:  # of `pieces`; `_read` raises none
                lost = error
            if not (self.done or self._error):
                deltas = self._read(decoder.end())
                if deltas:
                    yield deltas
        except EventTooLarge as error:
            self._error = ServerError(str(error), hint=TOO_LARGE_HINT, rerun_helps=False)
        self._raise_if_broken(lost)

    def _read(self, events: list[str]) -> list[Delta]:
        deltas: list[Delta] = []
        for data in events:
            try:
                delta = self.read(data)
            except OcxError as error:
                self._error = error
                break
            if delta is not None:
                deltas.append(delta)
            elif self.done:
                break
        if self.first_token_seconds is None:
            self._mark(deltas)
        return deltas

    def _raise_if_broken(self, lost: OcxError | None) -> None:
        garbage = isinstance(self._error, NotJsonError)
        if self.finished and (garbage or not self._error):
            # Nothing that is missing now belongs to the answer.
            if self.done:
                self._source.drain()
            elif lost or garbage:
                log.debug("after the finish_reason: %s", lost or self._error)
            return
        # A cut leaves half an event, which is not JSON; then the cut is the reason.
        error = lost if lost and (garbage or not self._error) else self._error
        if isinstance(error, DeadlineError) and error is lost:
            raise error
        if error is not None:
            raise self.as_incomplete(error)

    def _mark(self, deltas: list[Delta]) -> None:
        self._any = self._any or bool(deltas)
        if any(delta.text or delta.reasoning for delta in deltas):
            self.first_token_seconds = time.monotonic() - self._started
