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
from ocx.serve.admission import (
    Limiter,
    Log,
    RequestRecord,
    authenticate,
    check_host,
    check_length,
    digest,
)
from ocx.serve.charge import credits_json
from ocx.serve.chat import Chat
from ocx.serve.delivery import Headers, Receive, Send, Watch, body, start
from ocx.serve.ledger import Key, Ledger
from ocx.serve.openai_format import ApiProblem, dump
from ocx.serve.routing import Catalogue, Router

PREFIX = "/api/v1"
_MODEL = f"{PREFIX}/models/"
_READ = ("GET", "HEAD")
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
class ServerComponents:
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
    catalogue: Catalogue = field(default_factory=Catalogue)
    router: Router = field(default_factory=Router)
    process_key: Secret | None = None
    log: Log | None = None
    send_timeout: float = SEND_TIMEOUT
    request_timeout: float = REQUEST_TIMEOUT
    fixed: bool = False


class App:
    """The application of one server."""

    def __init__(self, components: ServerComponents) -> None:
        self._components = components
        self._process_key = Key(None, components.ledger.account().id, "process", "")
        key = components.process_key
        self._process_hash = digest(key.reveal()) if key else None
        self._watch: Watch | None = None
        self.request_timeout = components.request_timeout
        self.abort: Callable[[Any], None] | None = None
        """Breaks the connection of a client; the server puts its own here."""
        chat = Chat(
            components.ledger,
            components.limiter,
            components.catalogue,
            components.router,
            components.fixed,
        )
        self._paths: dict[str, tuple[tuple[str, ...], Endpoint]] = {
            f"{PREFIX}/chat/completions": (("POST",), chat),
            f"{PREFIX}/models": (_READ, self._counted(self._models)),
            _MODEL: (_READ, self._counted(self._model)),
            f"{PREFIX}/balance": (_READ, self._counted(self._balance)),
            f"{PREFIX}/openapi.json": (_READ, self._counted(_openapi)),
        }

    def stop(self) -> None:
        """End every running answer with what it has delivered. Call it in the event loop."""
        stop = self._watching().stop
        if not stop.done():
            stop.set_result(None)

    async def close(self) -> None:
        """Close the connections to upstreams. Call it in the event loop, at its end."""
        await self._components.router.close()

    def _watching(self) -> Watch:
        if self._watch is None:
            # A future belongs to a loop, and there is none when the app is made.
            stop = asyncio.get_running_loop().create_future()
            self._watch = Watch(stop, self._components.send_timeout, self.abort)
        return self._watch

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        record = self._record(scope)
        reply = _Reply(record, send)
        try:
            await self._answer(scope, record, receive, reply.send)
        except ApiProblem as problem:
            await reply.problem(problem)
        except Exception as error:  # a bug of ours ends one request, never the server
            record.failure = f"{type(error).__name__}: {error}"
            await reply.problem(ApiProblem(500, "internal error of this server", code="internal"))
            if record.broken:
                raise  # uvicorn closes the connection: no client takes this for an end
        finally:
            if self._components.log is not None:
                self._components.log(record)

    async def _answer(
        self, scope: Any, record: RequestRecord, receive: Receive, send: Send
    ) -> None:
        check_host(scope)
        check_length(scope)
        _check_api(scope["path"])
        key = authenticate(scope, self._find_key, int(time.time()))
        record.key = key
        record.rate_limit = self._components.limiter.peek(key.id, key.rpm)
        record.fault = _header(scope, faults.HEADER.lower().encode())
        scope.update(
            {
                "ocx.record": record,
                "ocx.key": key,
                "ocx.watch": self._watching(),
            }
        )
        await self._endpoint(scope["path"], scope["method"])(scope, receive, send)

    def _endpoint(self, path: str, method: str) -> Endpoint:
        methods, endpoint = self._paths.get(_MODEL if path.startswith(_MODEL) else path, ((), None))
        if endpoint is None:
            raise ApiProblem(404, "Not Found", code="not_found")
        if method not in methods:
            raise ApiProblem(
                405,
                "Method Not Allowed",
                code="method_not_allowed",
                headers={"allow": ", ".join(methods)},
            )
        return endpoint

    def _record(self, scope: Any) -> RequestRecord:
        method, path = scope["method"], scope["path"]
        number = secrets.token_hex(8)
        if self._components.fixed:
            number = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:16]
        return RequestRecord(method, redact(path), f"req-{number}", self._components.limiter.peek())

    def _find_key(self, hashed: str) -> Key | None:
        if self._process_hash and hmac.compare_digest(hashed, self._process_hash):
            return self._process_key
        return self._components.ledger.find_key(hashed)

    def _counted(self, make: Callable[[str, Key], Any]) -> Endpoint:
        """An endpoint that answers with a JSON document and counts for the rate limit."""

        async def endpoint(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG001
            record: RequestRecord = scope["ocx.record"]
            key: Key = scope["ocx.key"]
            self._meet_fault(record)
            data = dump(make(scope["path"], key))
            limiter = self._components.limiter
            record.rate_limit = limiter.enter(key.id, key.rpm, key.concurrency)
            limiter.leave(key.id)
            await send(start(200, _json_of(data)))
            await send(body(data))

        return endpoint

    def _meet_fault(self, record: RequestRecord) -> None:
        if record.fault is not None:
            fault = self._components.router.fault("", record)
            if fault is not None and fault.status is not None:
                faults.refuse(fault)

    def _models(self, path: str, key: Key) -> Any:  # noqa: ARG002
        models = self._components.catalogue.models.values()
        return {"object": "list", "data": [model.document() for model in models]}

    def _model(self, path: str, key: Key) -> Any:  # noqa: ARG002
        return self._components.catalogue.find(path.removeprefix(_MODEL)).document()

    def _balance(self, path: str, key: Key) -> Any:  # noqa: ARG002
        account = self._components.ledger.balance(key.account)
        return {
            "object": "balance",
            "balance": credits_json(account.balance),
            "unit": "credits",
            "granted": credits_json(account.granted),
            "used": credits_json(account.used),
        }


class _Reply:
    """Adds the headers that every reply has, and sends an error if no reply has begun."""

    def __init__(self, record: RequestRecord, send: Send) -> None:
        self._record = record
        self._send = send

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._record.status = message["status"]
            headers = [*message.get("headers", []), *self._record.headers()]
            message = {**message, "headers": headers}
        await self._send(message)

    async def problem(self, problem: ApiProblem) -> None:
        record = self._record
        record.outcome = record.outcome or problem.code
        if record.status:
            record.broken = True
            return
        data = dump(problem.body())
        headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
        await self.send(start(problem.status, headers + _json_of(data)))
        await self.send(body(data))


def _json_of(data: bytes) -> Headers:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]


def _openapi(path: str, key: Key) -> Any:  # noqa: ARG001
    from importlib.resources import files  # noqa: PLC0415 - few ask for it

    document = json.loads((files(__package__) / "openapi.json").read_text("utf-8"))
    document["info"]["version"] = __version__
    return document


def _check_api(path: str) -> None:
    """Refuse a call of another API before its key: such programs send that in other headers.

    Raises:
        ApiProblem: 404, naming the call that is there.
    """
    if found := _OTHER_APIS.fullmatch(path):
        raise ApiProblem(
            404,
            f"this server does not have {_NAMES[found[1]]} (/{found[1]}), only"
            f" POST {PREFIX}/chat/completions: a program that cannot be set to chat completions"
            " does not work here",
            code="not_found",
        )


def _header(scope: Any, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text.strip()
    return None
