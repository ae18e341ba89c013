"""The ASGI application: authentication, endpoints, and the headers and errors of every reply."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ocx import __version__
from ocx.secret import Secret, redact
from ocx.serve import faults
from ocx.serve.admission import Limiter, Log, RequestRecord, authenticate, check_head, digest
from ocx.serve.charge import credits_json
from ocx.serve.chat import Chat
from ocx.serve.delivery import Receive, Send, Watch, body, json_headers, send_error, start
from ocx.serve.ledger import Key, Ledger
from ocx.serve.openai_format import ApiError, dump
from ocx.serve.routing import Router

PREFIX = "/api/v1"
_MODEL = f"{PREFIX}/models/"
# Calls of other APIs, wherever a program looks for them: Codex asks only the first, Claude Code
# only the second.
_OTHER_APIS = re.compile(r"(?:/api)?(?:/v1)*/(responses|messages)(?:/.*)?")
_NAMES = {"responses": "the Responses API", "messages": "Anthropic's Messages API"}
RPM = 60_000
CONCURRENCY = 1_000
Endpoint = Callable[[Any, Receive, Send], Awaitable[None]]
SEND_TIMEOUT = 60.0
REQUEST_TIMEOUT = 60.0


@dataclass
class ServerConfig:
    """The parts that a server is made of.

    Attributes:
        process_key: a key that only this process knows; it belongs to the default account.
        log: called once for each request, when it is over.
        send_timeout: seconds that a client may take without reading anything.
        request_timeout: seconds that a client may take to send a request.
        fixed: derive ids and times from the request alone, for golden files.
    """

    ledger: Ledger
    limiter: Limiter = field(default_factory=lambda: Limiter(RPM, CONCURRENCY))
    router: Router = field(default_factory=Router)
    process_key: Secret | None = None
    log: Log | None = None
    send_timeout: float = SEND_TIMEOUT
    request_timeout: float = REQUEST_TIMEOUT
    fixed: bool = False


class App:
    """The application of one server.

    `abort` breaks the connection of a client; the server puts its own here.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._process_key = Key(None, config.ledger.account().id, "process", "")
        key = config.process_key
        self._process_hash = digest(key.reveal()) if key else None
        self._watch: Watch | None = None
        self.request_timeout = config.request_timeout
        self.abort: Callable[[Any], None] | None = None
        router = config.router
        documents: dict[str, Callable[[str, Key], Any]] = {
            f"{PREFIX}/models": lambda _path, _key: {
                "object": "list",
                "data": [model.document() for model in router.models.values()],
            },
            _MODEL: lambda path, _key: router.find(path.removeprefix(_MODEL)).document(),
            f"{PREFIX}/balance": lambda _path, key: self._balance(key),
            f"{PREFIX}/openapi.json": lambda _path, _key: _openapi(),
        }
        self._paths: dict[str, tuple[tuple[str, ...], Endpoint]] = {
            path: (("GET", "HEAD"), self._counted(make)) for path, make in documents.items()
        }
        self._paths[f"{PREFIX}/chat/completions"] = (("POST",), Chat(config))

    def stop(self) -> None:
        """End every running answer with what it has delivered. Call it in the event loop."""
        stop = self._watching().stop
        if not stop.done():
            stop.set_result(None)

    async def close(self) -> None:
        """Close the connections to upstreams. Call it in the event loop, at its end."""
        await self._config.router.close()

    def _watching(self) -> Watch:
        if self._watch is None:
            # A future belongs to a loop, and there is none when the app is made.
            stop = asyncio.get_running_loop().create_future()
            self._watch = Watch(stop, self._config.send_timeout, self.abort)
        return self._watch

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        record = self._record(scope)

        async def reply(message: Any) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message = {**message, "headers": [*message["headers"], *record.headers()]}
            await send(message)

        try:
            await self._answer(scope, record, receive, reply)
        except ApiError as error:
            await _refuse(error, record, reply)
        except Exception as error:  # a bug of ours ends one request, never the server
            record.failure = f"{type(error).__name__}: {error}"
            bug = ApiError(500, "internal error of this server", "internal")
            await _refuse(bug, record, reply)
            if record.broken:
                raise  # uvicorn closes the connection: no client takes this for an end
        finally:
            if self._config.log is not None:
                self._config.log(record)

    async def _answer(
        self, scope: Any, record: RequestRecord, receive: Receive, send: Send
    ) -> None:
        check_head(scope)
        path, method = scope["path"], scope["method"]
        _check_api(path)
        key = authenticate(scope, self._find_key, int(time.time()))
        record.key = key
        record.rate_limit = self._config.limiter.peek(key)
        record.fault = _header(scope, faults.HEADER.lower().encode())
        scope.update({"ocx.record": record, "ocx.key": key, "ocx.watch": self._watching()})
        methods, endpoint = self._paths.get(_MODEL if path.startswith(_MODEL) else path, ((), None))
        if endpoint is None:
            raise ApiError(404, "Not Found", "not_found")
        if method not in methods:
            headers = {"allow": ", ".join(methods)}
            raise ApiError(405, "Method Not Allowed", "method_not_allowed", headers=headers)
        await endpoint(scope, receive, send)

    def _record(self, scope: Any) -> RequestRecord:
        method, path = scope["method"], scope["path"]
        number = secrets.token_hex(8)
        if self._config.fixed:
            number = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:16]
        return RequestRecord(method, redact(path), f"req-{number}", self._config.limiter.peek())

    def _find_key(self, hashed: str) -> Key | None:
        if self._process_hash and hmac.compare_digest(hashed, self._process_hash):
            return self._process_key
        return self._config.ledger.find_key(hashed)

    def _counted(self, make: Callable[[str, Key], Any]) -> Endpoint:
        """An endpoint that answers with a JSON document and counts for the rate limit."""

        async def endpoint(scope: Any, _receive: Receive, send: Send) -> None:
            record: RequestRecord = scope["ocx.record"]
            key: Key = scope["ocx.key"]
            faults.refuse_by(self._config.router.fault("", record))
            data = dump(make(scope["path"], key))
            limiter = self._config.limiter
            record.rate_limit = limiter.enter(key)
            limiter.leave(key)
            await send(start(200, json_headers(data)))
            await send(body(data))

        return endpoint

    def _balance(self, key: Key) -> Any:
        account = self._config.ledger.balance(key.account)
        return {
            "object": "balance",
            "balance": credits_json(account.balance),
            "unit": "credits",
            "granted": credits_json(account.granted),
            "used": credits_json(account.used),
        }


async def _refuse(error: ApiError, record: RequestRecord, send: Send) -> None:
    """Send the error, if no reply has begun."""
    record.outcome = record.outcome or error.code
    record.broken = bool(record.status)
    if not record.broken:
        await send_error(error, send)


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
