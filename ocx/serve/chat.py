"""POST /chat/completions: check the request, count it, reserve its credits, answer, settle."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from ocx.secret import redact
from ocx.serve.admission import Limiter, RequestRecord
from ocx.serve.answer import Answer
from ocx.serve.charge import Charge
from ocx.serve.delivery import Delivery, Receive, Send, SseResponse, Watch, WholeResponse
from ocx.serve.ledger import Key, Ledger
from ocx.serve.openai_format import ApiProblem, ResponseMeta
from ocx.serve.request import ChatRequest, read
from ocx.serve.routing import Catalogue, Model, Router

LARGEST_BODY = 4 * 1024 * 1024
SMALL_BODY = 64 * 1024
LARGE_AT_ONCE = 8
"""Larger bodies read for one key at a time: it may have many connections, and no credits."""
TIMED_OUT = "ocx.timed_out"
"""In the scope of a request whose body did not come in time; its client has been told."""
FIXED_TIME = 1_700_000_000


@dataclass(frozen=True)
class Chat:
    """The endpoint; `fixed` derives ids and times from the request alone."""

    ledger: Ledger
    limiter: Limiter
    catalogue: Catalogue
    router: Router
    fixed: bool = False
    _room: dict[int | None, asyncio.Semaphore] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        record: RequestRecord = scope["ocx.record"]
        watch: Watch = scope["ocx.watch"]
        async with self._room_for(record.key, scope):
            data = await read_body(scope, receive)
        if data is None:
            record.outcome = "request_timeout" if scope.get(TIMED_OUT) else "client_gone"
            return
        request = read(data)
        record.model = redact(request.model)[:200]
        model = self.catalogue.find(request.model)
        key = record.key
        assert key is not None  # noqa: S101 - nothing comes here without one
        choice = self.router.choose(model, request, record)
        charge = self._admit(key, model, request, record, by_upstream=not choice.target.is_local)
        try:
            answer = choice.answer(request)
        except BaseException:
            charge.cancel()
            self._leave(key, record, uncount=True)
            raise
        try:
            delivery = self._delivery(request, answer, charge, data, record, send)
            await delivery.run(receive, watch)
            if record.outcome == "client_stalled" and watch.abort is not None:
                # uvicorn would flush first, to a reader who does not read.
                watch.abort(scope["client"])
        finally:
            charge.settle("refused")
            self._leave(key, record)

    def _room_for(
        self, key: Key | None, scope: Any
    ) -> asyncio.Semaphore | contextlib.nullcontext[None]:
        if 0 <= _announced(scope) <= SMALL_BODY:
            return contextlib.nullcontext()
        number = key.id if key is not None else None
        return self._room.setdefault(number, asyncio.Semaphore(LARGE_AT_ONCE))

    def _admit(
        self,
        key: Key,
        model: Model,
        request: ChatRequest,
        record: RequestRecord,
        *,
        by_upstream: bool,
    ) -> Charge:
        """Count the request and reserve its credits, or do neither. No answer is made before."""
        record.rate_limit = self.limiter.enter(key.id, key.rpm, key.concurrency)
        try:
            return Charge(self.ledger, key, model.price, request, by_upstream=by_upstream)
        except BaseException:
            self._leave(key, record, uncount=True)
            raise

    def _leave(self, key: Key, record: RequestRecord, *, uncount: bool = False) -> None:
        self.limiter.leave(key.id, key.rpm, uncount=uncount)
        if uncount:
            record.rate_limit = self.limiter.peek(key.id, key.rpm)

    def _delivery(
        self,
        request: ChatRequest,
        answer: Answer,
        charge: Charge,
        data: bytes,
        record: RequestRecord,
        send: Send,
    ) -> Delivery:
        kind = SseResponse if request.stream else WholeResponse
        meta = self._meta(request.model, data)
        return kind(answer, request, charge, meta, record, send)

    def _meta(self, model: str, data: bytes) -> ResponseMeta:
        if self.fixed:
            return ResponseMeta(
                f"chatcmpl-{hashlib.sha256(data).hexdigest()[:24]}", FIXED_TIME, model
            )
        return ResponseMeta(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)


async def read_body(scope: Any, receive: Receive) -> bytes | None:
    """Read the whole body; None if the client left before its end.

    Raises:
        ApiProblem: 413: more than 4 MiB, sent or announced.
    """
    announced = _announced(scope)
    data = bytearray()
    more = True
    while more:
        if max(len(data), announced) > LARGEST_BODY:
            raise ApiProblem(
                413,
                "the body is larger than 4 MiB",
                code="body_too_large",
                headers={"connection": "close"},
            )
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        data += message.get("body", b"")
        more = message.get("more_body", False)
    if len(data) > LARGEST_BODY:
        raise ApiProblem(413, "the body is larger than 4 MiB", code="body_too_large")
    return bytes(data)


def _announced(scope: Any) -> int:
    """The length of the body in bytes, -1 if it is not known."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() else -1
