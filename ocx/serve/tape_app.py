"""The server of a tape: passes requests to an endpoint and records, or plays what was recorded."""

from __future__ import annotations

import asyncio
import hmac
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ocx.api.types import CHAT_TIMEOUT, Endpoint
from ocx.errors import OcxError, UsageError
from ocx.secret import Secret, StreamMask, key_shaped, mask
from ocx.serve.app import PREFIX
from ocx.serve.auth import check_host
from ocx.serve.delivery import Receive, Send, body, start
from ocx.serve.problem import ApiProblem
from ocx.serve.tape import Recording, Tape, kept_headers, mask_bytes, masked_request, request_of
from ocx.serve.wire import dump

if TYPE_CHECKING:
    from ocx.api.pool import Pool

MOST_BODY = 32 * 1024 * 1024
REQUEST_TIMEOUT = 60.0


class TapeApp:
    """An ASGI application for one program.

    Args:
        key: what the program must send; a real key never reaches it.
        endpoint: where requests go; None only plays.
        plays: what the tape has; the endpoint is asked only for what it lacks.
        timing: play the pieces as far apart as they came.
        secrets: what is on no tape, besides the keys, and reaches no program.
    """

    def __init__(
        self,
        tape: Tape,
        key: Secret,
        endpoint: Endpoint | None,
        *,
        plays: bool,
        timing: bool = False,
        secrets: Sequence[Secret] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.request_timeout = REQUEST_TIMEOUT
        self.abort: Callable[[Any], None] | None = None
        self._tape = tape
        self._key = key
        self._endpoint = endpoint
        self._plays = plays
        keys = [endpoint.key] if endpoint is not None and endpoint.key is not None else []
        self._secrets = [s for s in (*keys, *secrets) if s.is_secret()]
        self._timing = timing
        self._tls = tls
        self._pool: Pool | None = None

    def stop(self) -> None:
        """Nothing is settled at the end."""

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        if self._pool is not None:
            await self._pool.close()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ApiProblem as problem:
            data = dump(problem.body())
            headers = [(b"content-type", b"application/json"), _length(data)]
            await send(start(problem.status, headers))
            await send(body(data))

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        check_host(scope)
        self._check_key(scope)
        path = scope["path"]
        if not path.startswith(f"{PREFIX}/"):
            raise ApiProblem(404, f"no such path; the base URL ends in {PREFIX}", code="not_found")
        content = await _content(receive)
        query = scope["query_string"].decode("latin-1")
        request = request_of(scope["method"], path.removeprefix(PREFIX), query, content)
        recording = self._tape.find(self._known(request)[0]) if self._plays else None
        if recording is not None:
            await self._play(recording, send)
        elif self._endpoint is not None:
            await self._pass(request, content, send)
        else:
            miss = self._tape.miss(self._known(request)[0])
            raise ApiProblem(404, miss, code="tape_miss")

    def _known(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The request as the tape has it. The program's own key is another in every run."""
        return masked_request(request, [_Fixed(self._key.reveal()), *self._secrets])

    def _check_key(self, scope: Any) -> None:
        wanted = f"Bearer {self._key.reveal()}".encode()
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], wanted):
            raise ApiProblem(401, "the key is not the one of this tape", code="invalid_api_key")

    async def _play(self, recording: Recording, send: Send) -> None:
        await send(start(recording.status, _fields(recording.headers)))
        began = time.monotonic()
        for at, piece in recording.pieces:
            if self._timing:
                await asyncio.sleep(max(0.0, at / 1000 - (time.monotonic() - began)))
            await send(body(piece, more=True))
        await send(body(b""))

    async def _pass(self, request: dict[str, Any], content: bytes, send: Send) -> None:
        """Hand the answer on as it comes; record it if it came whole."""
        from ocx.api.http import build_request  # only to record

        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 - for mypy: who records has one
        began = time.monotonic()
        pieces: list[tuple[int, bytes]] = []
        hidden = StreamMask(self._secrets)
        if self._tape.file is not None:
            self._tape.file.asked += 1
        path, query = request["path"], request["query"]
        try:
            sent = build_request(
                endpoint,
                request["method"],
                f"{path}?{query}" if query else path,
                content=content,
                stream=True,
            )
        except UsageError as error:
            raise ApiProblem(400, error.message, code="path_not_allowed") from error
        seconds = endpoint.timeout or CHAT_TIMEOUT
        begun = False
        try:
            async with self._open(endpoint).stream(
                sent, seconds, idle=endpoint.idle_timeout
            ) as response:
                headers = {
                    name: mask(value, self._secrets)
                    for name, value in kept_headers(response.headers).items()
                }
                await send(start(response.status, _fields(headers)))
                begun = True
                # Unpacked, if it came packed unasked: the tape holds text without the key.
                async for piece in response.pieces():
                    pieces.append((round((time.monotonic() - began) * 1000), piece))
                    await send(body(mask_bytes(hidden.feed(piece.decode("latin-1"))), more=True))
        except OcxError as error:
            if begun:
                raise  # the server breaks the connection: nobody takes this for an end
            message = f"{endpoint.base_url} cannot be reached: {error.message}"
            raise ApiProblem(502, message, code="upstream_network") from error
        # Before the end is sent: the program may end with it.
        known, masks = self._known(request)
        recording = Recording(known, response.status, headers, pieces, masks)
        # What is hidden in the request is hidden where the answer repeats it.
        shaped = key_shaped(query + content.decode("latin-1"))
        self._tape.append(recording, [*self._secrets, *shaped])
        await send(body(mask_bytes(hidden.end())))

    def _open(self, endpoint: Endpoint) -> Pool:
        if self._pool is None:
            from ocx.api.pool import Pool

            self._pool = Pool(endpoint, self._tls)
        return self._pool


class _Fixed(Secret):
    """A key of one run, with a mask that is the same in the next."""

    __slots__ = ()

    def masked(self) -> str:
        return "sk-live-…local"


def _fields(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers.items()]


async def _content(receive: Receive) -> bytes:
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiProblem(400, "the request broke off", code="request_cut")
        data += message.get("body", b"")
        if len(data) > MOST_BODY:
            raise ApiProblem(413, "the body is larger than 32 MiB", code="body_too_large")
        if not message.get("more_body"):
            return bytes(data)


def _length(data: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(data)
