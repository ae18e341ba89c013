"""The ASGI application: authentication, endpoints, and the headers and errors of every reply."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ocx import __version__
from ocx.secret import Secret, mask_all
from ocx.serve import faults, responses
from ocx.serve.admission import Limiter, Log, RequestRecord, authenticate, check_head, digest
from ocx.serve.charge import MICRO, Charge, credits_json
from ocx.serve.ledger import Key, Ledger
from ocx.serve.openai_format import ApiError, ResponseMeta
from ocx.serve.request import read
from ocx.serve.routing import Router

PREFIX = "/api/v1"
_MODELS, _BALANCE = f"{PREFIX}/models", f"{PREFIX}/balance"
_CHAT, _OPENAPI = f"{PREFIX}/chat/completions", f"{PREFIX}/openapi.json"
# Calls of other APIs, wherever a program looks for them: Codex asks only the first, Claude Code
# only the second.
_OTHER_APIS = re.compile(r"(?:/api)?(?:/v1)*/(responses|messages)(?:/.*)?")
_NAMES = {"responses": "the Responses API", "messages": "Anthropic's Messages API"}
LARGEST_BODY = 4 * 1024 * 1024
SMALL_BODY = 64 * 1024
LARGE_AT_ONCE = 8
"""Larger bodies read for one key at a time: it may have many connections, and no credits."""
TIMED_OUT = "ocx.timed_out"
"""In the scope of a request whose body did not come in time; its client has been told."""
FIXED_TIME = 1_700_000_000


@dataclass(frozen=True)
class ServeSettings:
    """What `serve.toml` may set.

    Attributes:
        grant: micro-credits of a new account.
        rpm, concurrency: of a key without limits of its own.
        send_timeout: seconds that a client may take without reading anything.
        request_timeout: seconds that a client may take to send a request.
        key_names: variables of the environment that hold keys of upstreams.
    """

    port: int = 8790
    database: Path | None = None
    grant: int = 500 * MICRO
    rpm: int = 60_000
    concurrency: int = 1_000
    send_timeout: float = 60.0
    request_timeout: float = 60.0
    router: Router = field(default_factory=Router)
    key_names: frozenset[str] = frozenset()


class _Call(NamedTuple):
    """One request that came in with a key."""

    scope: Any
    receive: responses.Receive
    send: responses.Send
    record: RequestRecord
    key: Key


@dataclass
class App:
    """The application of one server.

    Attributes:
        process_key: a key that only this process knows; it belongs to the default account.
        log: called once for each request, when it is over.
        fixed: derive ids and times from the request alone, for golden files.
    """

    ledger: Ledger
    settings: ServeSettings = ServeSettings()
    process_key: Secret | None = None
    log: Log | None = None
    fixed: bool = False

    def __post_init__(self) -> None:
        settings, key = self.settings, self.process_key
        self._router = settings.router
        self._limiter = Limiter(settings.rpm, settings.concurrency)
        self._process_key = Key(None, self.ledger.account().id, "process", "")
        self._process_hash = digest(key.reveal()) if key else None
        self._large: dict[int | None, asyncio.Semaphore] = {}
        self.request_timeout = settings.request_timeout

    def stop(self) -> None:
        """End every running answer with what it has delivered. Call it in the event loop."""
        if not self._stop.done():
            self._stop.set_result(None)

    async def close(self) -> None:
        """Close the connections to upstreams. Call it in the event loop, at its end."""
        await self._router.close()

    @functools.cached_property
    def _stop(self) -> responses.Stop:
        """Done when the server stops. It belongs to a loop: there is none when the app is made."""
        return asyncio.get_running_loop().create_future()

    async def __call__(self, scope: Any, receive: responses.Receive, send: responses.Send) -> None:
        method, path = scope["method"], scope["path"]
        number = secrets.token_hex(8)
        if self.fixed:
            number = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:16]
        record = RequestRecord(method, mask_all(path), f"req-{number}", self._limiter.peek())

        async def reply(message: Any) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message = {**message, "headers": [*message["headers"], *record.headers()]}
            await send(message)

        try:
            check_head(scope)
            _check_api(path)
            record.key = key = authenticate(scope, self._find_key, int(time.time()))
            record.rate_limit = self._limiter.peek(key)
            record.fault = _header(scope, faults.HEADER.lower().encode())
            answer = self._endpoint(method, path)
            await answer(_Call(scope, receive, reply, record, key))
        except ApiError as error:
            await _refuse(error, record, reply)
        except Exception as error:  # a bug of ours ends one request, never the server
            record.failure = f"{type(error).__name__}: {error}"
            bug = ApiError(500, "internal error of this server", "internal")
            has_begun = record.status
            await _refuse(bug, record, reply)
            if has_begun:
                raise  # uvicorn closes the connection: no client takes this for an end
        finally:
            if self.log is not None:
                self.log(record)

    def _endpoint(self, method: str, path: str) -> Callable[[_Call], Awaitable[None]]:
        is_document = path in (_MODELS, _BALANCE, _OPENAPI) or path.startswith(f"{_MODELS}/")
        if not is_document and path != _CHAT:
            raise ApiError(404, "Not Found", "not_found")
        methods = ("GET", "HEAD") if is_document else ("POST",)
        if method not in methods:
            headers = {"allow": ", ".join(methods)}
            raise ApiError(405, "Method Not Allowed", "method_not_allowed", headers=headers)
        return self._document if is_document else self._chat

    def _find_key(self, hashed: str) -> Key | None:
        if self._process_hash and hmac.compare_digest(hashed, self._process_hash):
            return self._process_key
        return self.ledger.find_key(hashed)

    async def _document(self, call: _Call) -> None:
        """GET: answer with a JSON document, which counts for the rate limit."""
        faults.refuse_by(self._router.fault(call.record))
        path, models = call.scope["path"], self._router.models.values()
        document: Any
        if path == _MODELS:
            document = {"object": "list", "data": [model.document() for model in models]}
        elif path == _BALANCE:
            account = self.ledger.balance(call.key.account)
            document = {
                "object": "balance",
                "balance": credits_json(account.balance),
                "unit": "credits",
                "granted": credits_json(account.granted),
                "used": credits_json(account.used),
            }
        elif path == _OPENAPI:
            document = _openapi()
        else:
            document = self._router.find(path.removeprefix(f"{_MODELS}/")).document()
        call.record.rate_limit = self._limiter.enter(call.key)
        self._limiter.leave(call.key)
        await responses.send_json(call.send, 200, document)

    async def _chat(self, call: _Call) -> None:
        """POST /chat/completions: check the request, count it, hold its credits, answer, settle."""
        record, key = call.record, call.key
        room: Any = contextlib.nullcontext()
        if not 0 <= _announced(call.scope) <= SMALL_BODY:
            room = self._large.setdefault(key.id, asyncio.Semaphore(LARGE_AT_ONCE))
        async with room:
            data = await read_body(call.scope, call.receive)
        if data is None:
            record.outcome = "request_timeout" if call.scope.get(TIMED_OUT) else "client_gone"
            return
        request = read(data)
        record.model = mask_all(request.model)[:200]
        model = self._router.find(request.model)
        source, fault = self._router.choose(model, request, record)
        self._limiter.check(key)
        charge = Charge(self.ledger, key, model.price, request, by_upstream=not source.is_local)
        # From here on its credits are held, and it is counted, until both are given back.
        try:
            answer = source.answer(request)  # no answer is made before
            answer = answer if fault is None else faults.inject_fault(fault, answer)
            record.rate_limit = self._limiter.enter(key)
        except BaseException:
            charge.cancel()
            raise
        try:
            kind = responses.SseResponse if request.stream else responses.WholeResponse
            number, now = secrets.token_hex(12), int(time.time())
            if self.fixed:
                number, now = hashlib.sha256(data).hexdigest()[:24], FIXED_TIME
            meta = ResponseMeta(f"chatcmpl-{number}", now, request.model)
            seconds = self.settings.send_timeout
            made = kind(answer, request, charge, meta, record, call.send)
            await made.run(call.receive, self._stop, seconds)
            if record.outcome == "client_stalled":
                # uvicorn would flush first, to a reader who does not read.
                call.scope["state"]["abort"]()
        finally:
            self._limiter.leave(key)  # first: a full disk must not take it away for ever
            charge.settle("refused")


async def read_body(
    scope: Any, receive: responses.Receive, most: int = LARGEST_BODY
) -> bytes | None:
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
    text = f"the body is larger than {most // 1024 // 1024} MiB"
    headers = {"connection": "close"} if more else {}
    raise ApiError(413, text, "body_too_large", headers=headers)


def _announced(scope: Any) -> int:
    """The length of the body in bytes, -1 if it is not known."""
    return int(_header(scope, b"content-length") or -1)  # h11 takes digits alone


async def _refuse(error: ApiError, record: RequestRecord, send: responses.Send) -> None:
    """Send the error, if no reply has begun."""
    record.outcome = record.outcome or error.code
    if not record.status:
        await responses.send_error(error, send)


def _openapi() -> Any:
    from importlib.resources import files  # noqa: PLC0415 - few ask for it

    document = json.loads((files(__package__) / "openapi.json").read_text("utf-8"))
    document["info"]["version"] = __version__
    return document


def _check_api(path: str) -> None:
    """Refuse a call of another API before its key: such programs send that in other headers.

    Raises:
        ApiError: 404, naming the call that is there.
    """
    if found := _OTHER_APIS.fullmatch(path):
        message = (
            f"this server does not have {_NAMES[found[1]]} (/{found[1]}), only"
            f" POST {PREFIX}/chat/completions: a program that cannot be set to chat completions"
            " does not work here"
        )
        raise ApiError(404, message, "not_found")


def _header(scope: Any, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text.strip()
    return None
