"""POST /chat/completions: check the request, count it, reserve its credits, answer, settle."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from ocx.secret import redact
from ocx.serve.admission import RequestRecord
from ocx.serve.charge import Charge
from ocx.serve.delivery import Receive, Send, SseResponse, Watch, WholeResponse
from ocx.serve.faults import inject_fault
from ocx.serve.ledger import Key
from ocx.serve.openai_format import ApiError, ResponseMeta
from ocx.serve.request import read

if TYPE_CHECKING:
    from ocx.serve.app import ServerConfig

LARGEST_BODY = 4 * 1024 * 1024
SMALL_BODY = 64 * 1024
LARGE_AT_ONCE = 8
"""Larger bodies read for one key at a time: it may have many connections, and no credits."""
TIMED_OUT = "ocx.timed_out"
"""In the scope of a request whose body did not come in time; its client has been told."""
FIXED_TIME = 1_700_000_000


class Chat:
    """The endpoint."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._large: dict[int | None, asyncio.Semaphore] = {}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        record: RequestRecord = scope["ocx.record"]
        watch: Watch = scope["ocx.watch"]
        key: Key = scope["ocx.key"]
        room: Any = contextlib.nullcontext()
        if not 0 <= _announced(scope) <= SMALL_BODY:
            room = self._large.setdefault(key.id, asyncio.Semaphore(LARGE_AT_ONCE))
        async with room:
            data = await read_body(scope, receive)
        if data is None:
            record.outcome = "request_timeout" if scope.get(TIMED_OUT) else "client_gone"
            return
        request = read(data)
        record.model = redact(request.model)[:200]
        config = self._config
        model = config.router.find(request.model)
        source, fault = config.router.choose(model, request, record)
        # From here on the request is counted, and its credits are held, until both are given back.
        record.rate_limit = config.limiter.enter(key)
        charge = None
        try:
            by_upstream = not source.is_local
            charge = Charge(config.ledger, key, model.price, request, by_upstream=by_upstream)
            answer = source.answer(request)  # no answer is made before
            answer = answer if fault is None else inject_fault(fault, answer)
        except BaseException:
            if charge is not None:
                charge.cancel()
            config.limiter.leave(key, uncount=True)
            record.rate_limit = config.limiter.peek(key)
            raise
        try:
            kind = SseResponse if request.stream else WholeResponse
            meta = self._meta(request.model, data)
            await kind(answer, request, charge, meta, record, send).run(receive, watch)
            if record.outcome == "client_stalled" and watch.abort is not None:
                # uvicorn would flush first, to a reader who does not read.
                watch.abort(scope["client"])
        finally:
            charge.settle("refused")
            config.limiter.leave(key)

    def _meta(self, model: str, data: bytes) -> ResponseMeta:
        if self._config.fixed:
            digest = hashlib.sha256(data).hexdigest()
            return ResponseMeta(f"chatcmpl-{digest[:24]}", FIXED_TIME, model)
        return ResponseMeta(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)


async def read_body(scope: Any, receive: Receive, most: int = LARGEST_BODY) -> bytes | None:
    """Read the whole body; None if the client left before its end.

    Raises:
        ApiError: 413: more than `most` bytes, sent or announced.
    """
    announced = _announced(scope)
    data = bytearray()
    more = True
    while max(len(data), announced) <= most:
        if not more:
            return bytes(data)
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        data += message.get("body", b"")
        more = message.get("more_body", False)
    message = f"the body is larger than {most // 1024 // 1024} MiB"
    headers = {"connection": "close"} if more else {}
    raise ApiError(413, message, "body_too_large", headers=headers)


def _announced(scope: Any) -> int:
    """The length of the body in bytes, -1 if it is not known."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() else -1
