"""The client of the API: one endpoint, one pool of connections, one request at a time."""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from ocx.api import http
from ocx.api.completion import complete, reply_of
from ocx.api.error_response import about_balance, from_response, request_id
from ocx.api.httpcore_backend import DeadlineBackend
from ocx.api.httpx_transport import Transport, httpx, pieces_of, translate
from ocx.api.proxy import Routes, tls_context
from ocx.api.retry import log_retry, may_retry, wait_before
from ocx.api.stream import Stream
from ocx.api.types import CHAT_TIMEOUT, QUICK_TIMEOUT, Endpoint, Probe, Reply
from ocx.errors import OcxError
from ocx.secret import mask_all

__all__ = ["Client", "Stream", "tls_context"]

log = logging.getLogger("ocx.api")

T = TypeVar("T")


class Client:
    """The API over HTTP; a context manager. For several threads, one client each.

    Args:
        transport: takes the place of the network, in tests; then only its own deadlines hold.
        sleep: waits between attempts.
        tls: from `ocx.api.tls_context`, so that the clients of many threads load the certificates
            once; by default each client loads them on first use.

    Every call raises, over all its attempts:
        ConfigError: URL, header, key, proxy or CA file cannot be used; nothing was sent.
        AuthError, CreditsError, RateLimitError, RejectedError, ServerError: the server refused.
        NetworkError: no connection, or lost before the answer. DeadlineError: out of time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._routes = Routes(endpoint, tls)
        self._endpoint = endpoint
        self._sleep = sleep
        self._backend = DeadlineBackend(endpoint.connect_timeout)
        self._transport = transport or Transport(self._routes, self._backend)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection at once. From another thread, this ends the running call."""
        self._backend.close()
        self._transport.close()

    @contextlib.contextmanager
    def before_each_wait(self, call: Callable[[], object]) -> Iterator[None]:
        """Inside, call this before each wait for the server: all that came has been handed out."""
        self._backend.before_read = call
        try:
            yield
        finally:
            self._backend.before_read = None

    def one_deadline(self) -> contextlib.AbstractContextManager[None]:
        """Inside, all requests together have the time of the first."""
        return self._backend.shared()

    @property
    def connecting(self) -> bool:
        """Whether a connection is being made now; may be asked from any thread."""
        return self._backend.connecting

    def models(self) -> Reply:
        """GET /models, all its pages; `models.model_ids(reply.json)` are the ids.

        Raises:
            ServerError: the answer is not a list of models.
        """
        from ocx.api.models import all_pages  # noqa: PLC0415 - a chat does without

        return all_pages(partial(self.request, "GET", cap=http.QUICK_CAP), self._endpoint.secrets)

    def balance(self) -> Reply:
        """GET /balance, as sent; `ocx.api.balance.parse_balance(reply)` reads it."""
        with about_balance():
            return self.request("GET", "/balance", cap=http.QUICK_CAP)

    def chat(self, body: Mapping[str, Any]) -> Reply:
        """POST /chat/completions and read the whole answer; `reply.json` is a chat.completion.

        Raises:
            IncompleteError: its `reply` holds what arrived.
            RejectedError: also if the content filter left no text.
            ServerError: also for a 200 that is not a chat completion.
        """
        request = http.chat_request(self._endpoint, body, stream=False)
        reply = self._reply(request, self._endpoint.timeout or CHAT_TIMEOUT, http.CHAT_CAP)
        return complete(reply, self._endpoint.secrets)

    def stream(self, body: Mapping[str, Any]) -> Stream:
        """POST /chat/completions with `stream: true`; to be used in a `with`.

        Returns when the server has begun to answer; what iterating raises is at `Stream`.
        """
        endpoint = self._endpoint
        request = http.chat_request(endpoint, body, stream=True)
        call = _Call(self, request, endpoint.timeout or CHAT_TIMEOUT, endpoint.idle_timeout)
        response = call.run(lambda response: response)
        return Stream(StreamedBody(call, response))

    def request(
        self, method: str, path: str, *, content: bytes = b"", cap: int = http.CHAT_CAP
    ) -> Reply:
        """Send any request below the base URL, with this endpoint's key, retries and errors.

        The body of the answer is not looked into.

        Args:
            cap: the largest answer, in bytes.
        """
        request = http.build_request(self._endpoint, method, path, content=content)
        return self._reply(request, self._endpoint.timeout or QUICK_TIMEOUT, cap)

    def probe(self, path: str) -> Probe:
        """GET `path` once and tell what came of each step; no failure is raised.

        An answer counts whatever its status. A step that says nothing for `connect_timeout`
        has failed.
        """
        endpoint = self._endpoint
        request = http.build_request(endpoint, "GET", path)
        seconds = endpoint.timeout or QUICK_TIMEOUT
        call = _Call(self, request, seconds, endpoint.connect_timeout)
        outcome = call.attempt(lambda response: (response.status_code, _headers_of(response)))
        trace = self._backend.trace
        if not isinstance(outcome, OcxError):
            return Probe(trace, *outcome)
        error = outcome if outcome.status is None else None
        return Probe(trace, outcome.status, outcome.headers, error)

    def _reply(self, request: http.HttpRequest, seconds: float, cap: int) -> Reply:
        def read(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
            headers = _headers_of(response)
            body = http.capped(http.unpack(pieces_of(response), headers), cap)
            response.close()
            return response.status_code, headers, body

        call = _Call(self, request, seconds, None)
        answer = call.run(read)
        return reply_of(answer, self._endpoint.secrets, call.started, call.attempts)


class _Call:
    """One request over all its attempts."""

    def __init__(
        self, client: Client, request: http.HttpRequest, seconds: float, idle: float | None
    ) -> None:
        self._client = client
        self._request = request
        self._idle = idle
        self.secrets = client._endpoint.secrets
        self.backend = client._backend
        self.backend.start(seconds)
        self.started = time.monotonic()
        self.attempts = 0

    def run(self, consume: Callable[[httpx.Response], T]) -> T:
        """Send until an answer has a 2xx status; return what `consume` makes of it."""
        while True:
            self.attempts += 1
            outcome = self.attempt(consume)
            if not isinstance(outcome, OcxError):
                return outcome
            self._pause(outcome)

    def failed(self, error: Exception) -> OcxError:
        """Translate an exception from below into one of ours."""
        found = translate(error, self._request.url, self.backend, self._client._routes.proxy_url)
        found.message = mask_all(found.message, self.secrets)
        found.sent = not self.backend.connecting
        if found is not error:
            found.__cause__ = error
        return found

    def attempt(self, consume: Callable[[httpx.Response], T]) -> T | OcxError:
        began, request = time.monotonic(), self._request
        try:
            response = self._client._transport.handle_request(self._httpx_request())
            try:
                if log.isEnabledFor(logging.DEBUG):
                    found = request_id(_headers_of(response), self.secrets)
                    name = f", request id {found}" if found else ""
                    text = f"{request.method} {request.url}: {response.status_code}{name}"
                    log.debug("%s, %.0f ms", text, (time.monotonic() - began) * 1000)
                if 200 <= response.status_code < 300:
                    return consume(response)
                return self._refused(response)
            except BaseException:
                response.close()
                raise
        except Exception as error:  # of httpx, httpcore, ssl, socks: `failed` raises all others
            failure = self.failed(error)
            log.debug("%s %s: %s", request.method, request.url, failure.message)
            return failure

    def _httpx_request(self) -> httpx.Request:
        request = self._request
        connect = self._client._endpoint.connect_timeout
        timeout = {"connect": connect, "read": self._idle, "write": self._idle, "pool": None}
        return httpx.Request(
            request.method,
            request.url,
            headers=[(name.encode(), value.encode()) for name, value in request.headers],
            content=request.content or None,
            extensions={"timeout": timeout, "trace": self.backend.on_event},
        )

    def _refused(self, response: httpx.Response) -> OcxError:
        headers = _headers_of(response)
        # The status says enough: a body that does not come is not worth waiting for.
        with self.backend.within(5):
            body = http.beginning(pieces_of(response), headers, http.ERROR_CAP)
        response.close()
        return from_response(response.status_code, headers, body, keys=self.secrets)

    def _pause(self, failure: OcxError) -> None:
        """Wait before the next attempt, or raise the failure if there is none."""
        retries = self._client._endpoint.retries
        if self.attempts > retries or not may_retry(self._request.method, failure):
            raise failure
        wait = wait_before(self.attempts, failure, self.backend.left())
        if wait is None:
            raise failure
        log_retry(log, self.attempts, retries, wait, failure)
        self._client._sleep(wait)
        self.backend.check()


class StreamedBody:
    """The body of an answer that is being streamed."""

    def __init__(self, call: _Call, response: httpx.Response) -> None:
        self.call = call
        self.status = response.status_code
        self.headers = _headers_of(response)
        self._response = response
        self._raw: Iterator[bytes] = iter(())

    def pieces(self) -> Iterator[bytes]:
        """The body, decompressed, as it comes; raises errors of ours only."""
        try:
            self._raw = iter(pieces_of(self._response))
            yield from http.unpack(self._raw, self.headers)
        except Exception as error:  # of httpx, httpcore, ssl: `failed` raises all others
            failure = self.call.failed(error)
            raise failure from failure.__cause__

    def drain(self) -> None:
        """Read what follows the answer, if it comes at once: the connection can serve again."""
        # The answer is whole; what goes wrong after it is of no interest.
        with contextlib.suppress(Exception), self.call.backend.within(0.1):
            for _ in self._raw:
                pass

    def close(self) -> None:
        """Give up the rest."""
        self._response.close()


def _headers_of(response: httpx.Response) -> dict[str, str]:
    return http.joined_headers(response.headers.multi_items())
