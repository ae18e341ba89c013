"""The ASGI application: who may come in, which endpoint answers, and how every reply looks."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.routing import Router as Paths

from ocx.secret import Secret
from ocx.serve.access import authenticate, check_host
from ocx.serve.catalogue import Catalogue
from ocx.serve.chat import Chat
from ocx.serve.delivery import Receive, Send, Watch, body, start
from ocx.serve.exchange import Exchange, Log
from ocx.serve.keys import digest
from ocx.serve.ledger import DEFAULT_ACCOUNT, Key, Ledger
from ocx.serve.limits import Limiter
from ocx.serve.money import credits
from ocx.serve.problem import Problem
from ocx.serve.routing import Router
from ocx.serve.wire import dump

PREFIX = "/api/v1"


class App:
    """One server's state; everything it knows came in through the constructor."""

    def __init__(
        self,
        ledger: Ledger,
        limiter: Limiter,
        catalogue: Catalogue,
        router: Router,
        *,
        process_key: Secret | None = None,
        log: Log | None = None,
        send_timeout: float = 60.0,
        fixed: bool = False,
    ) -> None:
        self._ledger = ledger
        self._limiter = limiter
        self._catalogue = catalogue
        self._router = router
        self._log = log
        self._send_timeout = send_timeout
        self._fixed = fixed
        self._process_hash = digest(process_key.reveal()) if process_key else None
        self._process_key = Key(None, ledger.account().id, "process", "")
        self._watch: Watch | None = None
        chat = Chat(ledger, limiter, catalogue, router, fixed)
        self._paths = Paths(
            [
                Route(f"{PREFIX}/chat/completions", chat, methods=["POST"]),
                Route(f"{PREFIX}/models", self._counted(self._models)),
                Route(f"{PREFIX}/models/{{id:path}}", self._counted(self._model)),
                Route(f"{PREFIX}/balance", self._counted(self._balance)),
            ],
            redirect_slashes=False,
        )

    def watch(self) -> Watch:
        """What ends answers from outside; made in the loop that first asks."""
        if self._watch is None:
            stop = asyncio.get_running_loop().create_future()
            self._watch = Watch(stop, self._send_timeout)
        return self._watch

    def stop(self) -> None:
        """End every running answer with what it has delivered; call it in the loop."""
        stop = self.watch().stop
        if not stop.done():
            stop.set_result(None)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        exchange = self._exchange(scope)
        reply = _Reply(exchange, send)
        try:
            check_host(scope)
            exchange.key = authenticate(scope, self._find_key, int(time.time()))
            exchange.standing = self._limiter.look(exchange.key.id, exchange.key.rpm)
            scope.update({"app": self, "ocx.exchange": exchange, "ocx.watch": self.watch()})
            await self._paths(scope, receive, reply.send)
        except Problem as problem:
            await reply.problem(problem)
        except HTTPException as error:  # Starlette's: no such path, no such method
            await reply.problem(_of_starlette(error))
        except Exception:
            # Whatever it was, the client gets an answer it can read and the log a line.
            exchange.outcome = "failed"
            await reply.problem(Problem(500, "internal error of the server", code="internal"))
            raise
        finally:
            if self._log is not None:
                self._log(exchange)

    def _exchange(self, scope: Any) -> Exchange:
        request_id = f"req-{secrets.token_hex(8)}"
        return Exchange(scope["method"], scope["path"], request_id, self._limiter.look())

    def _find_key(self, hashed: str) -> Key | None:
        if self._process_hash and hmac.compare_digest(hashed, self._process_hash):
            return self._process_key
        return self._ledger.find_key(hashed)

    def _counted(self, answer: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            exchange: Exchange = request.scope["ocx.exchange"]
            key = exchange.key
            document = answer(request, key)
            exchange.standing = self._limiter.enter(key.id, key.rpm, key.concurrency)
            self._limiter.leave(key.id)
            return Response(dump(document), media_type="application/json")

        return endpoint

    def _models(self, request: Request, key: Key) -> dict[str, Any]:  # noqa: ARG002
        data = [model.document() for model in self._catalogue.models.values()]
        return {"object": "list", "data": data}

    def _model(self, request: Request, key: Key) -> dict[str, Any]:  # noqa: ARG002
        return self._catalogue.find(request.path_params["id"]).document()

    def _balance(self, request: Request, key: Key) -> dict[str, Any]:  # noqa: ARG002
        account = self._ledger.balance(key.account)
        return {
            "object": "balance",
            "balance": credits(account.balance),
            "unit": "credits",
            "granted": credits(account.granted),
            "used": credits(account.used),
        }


class _Reply:
    """Puts the headers of every reply on, and answers with an error where none began."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self._begun = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            self._exchange.status = message["status"]
            headers = [*message.get("headers", []), *self._exchange.headers()]
            message = {**message, "headers": headers}
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        if self._begun:
            return
        exchange = self._exchange
        exchange.outcome = exchange.outcome or problem.code
        data = dump(problem.body())
        headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(data)))
        with contextlib.suppress(OSError):
            await self.send(start(problem.status, headers))
            await self.send(body(data))


def _of_starlette(error: HTTPException) -> Problem:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    return Problem(error.status_code, error.detail, code=code, headers=error.headers)


__all__ = ["DEFAULT_ACCOUNT", "PREFIX", "App"]
