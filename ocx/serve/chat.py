"""POST /chat/completions: read, check, count in, reserve, answer, count out."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from ocx.secret import redact
from ocx.serve.answer import Answer
from ocx.serve.delivery import Delivery, Receive, Send, Watch
from ocx.serve.ledger.charge import Charge
from ocx.serve.ledger.ledger import Key, Ledger
from ocx.serve.limits import Limiter
from ocx.serve.problem import Problem
from ocx.serve.request import ChatRequest, read
from ocx.serve.request_record import Exchange
from ocx.serve.routing import Catalogue, Router
from ocx.serve.sse_response import Streamed
from ocx.serve.whole_response import Collected
from ocx.serve.wire import Envelope

LARGEST_BODY = 4 * 1024 * 1024
FIXED_TIME = 1_700_000_000


@dataclass(frozen=True)
class Chat:
    """The endpoint; `fixed` gives ids and times that follow from the request alone."""

    ledger: Ledger
    limiter: Limiter
    catalogue: Catalogue
    router: Router
    fixed: bool = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["ocx.exchange"]
        watch: Watch = scope["ocx.watch"]
        data = await read_body(scope, receive)
        if data is None:
            exchange.outcome = "client_gone"
            return
        request = read(data)
        exchange.model = redact(request.model)[:200]
        model = self.catalogue.find(request.model)
        key = exchange.key
        assert key is not None  # noqa: S101 - nothing comes here without one
        answer = self.router.answer(model, request, exchange)
        charge = self._admit(key, request, exchange)
        try:
            delivery = self._delivery(request, answer, charge, data, exchange, send)
            await delivery.run(receive, watch)
            if exchange.outcome == "client_stalled" and watch.abort is not None:
                # uvicorn would flush first, to a reader who does not read.
                watch.abort(scope["client"])
        finally:
            charge.settle("refused")
            self.limiter.leave(key.id)

    def _admit(self, key: Key, request: ChatRequest, exchange: Exchange) -> Charge:
        """Count the request in and reserve its credits; both or neither."""
        exchange.standing = self.limiter.enter(key.id, key.rpm, key.concurrency)
        try:
            price = self.catalogue.find(request.model).price
            return Charge(self.ledger, key, price, request)
        except BaseException:
            self.limiter.leave(key.id, key.rpm, uncount=True)
            exchange.standing = self.limiter.look(key.id, key.rpm)
            raise

    def _delivery(
        self,
        request: ChatRequest,
        answer: Answer,
        charge: Charge,
        data: bytes,
        exchange: Exchange,
        send: Send,
    ) -> Delivery:
        kind = Streamed if request.stream else Collected
        envelope = self._envelope(request.model, data)
        return kind(answer, request, charge, envelope, exchange, send)

    def _envelope(self, model: str, data: bytes) -> Envelope:
        if self.fixed:
            return Envelope(f"chatcmpl-{hashlib.sha256(data).hexdigest()[:24]}", FIXED_TIME, model)
        return Envelope(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)


async def read_body(scope: Any, receive: Receive) -> bytes | None:
    """The whole body, None where the client left before its end.

    Raises:
        Problem: 413, beyond 4 MiB; what is announced is not waited for.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    data = bytearray()
    more = True
    while more:
        if max(len(data), int(announced) if announced.isdigit() else 0) > LARGEST_BODY:
            raise Problem(
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
        raise Problem(413, "the body is larger than 4 MiB", code="body_too_large")
    return bytes(data)
