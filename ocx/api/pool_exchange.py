"""One small POST on a connection of aiohttp's connector, at a third of what its session takes.

A session makes a URL, a dictionary of headers, a payload, a task that writes and a response for
each request. Here all that goes out is known as bytes, and is written at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import yarl
from aiohttp.http import HttpProcessingError

from ocx.api.http import HttpRequest

MOST = 32 * 1024
"""Bytes of a body that the system takes without a wait."""


class Exchanges:
    """The small POSTs of a session, all through the same proxy."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._places: dict[str, _Place] = {}

    async def send(
        self,
        request: HttpRequest,
        timeout: aiohttp.ClientTimeout,
        through: Mapping[str, Any],
    ) -> Exchange:
        """The answer, once its head is there.

        Args:
            through: the headers, and how it goes through the proxy.

        Raises: what `ClientSession.request` does, or an OSError as it came.
        """
        place = self._places.get(request.url)
        if place is None:
            place = self._places[request.url] = _Place(self._session, request, through)
        return await place.send(request, through["headers"], timeout)


class _Place:
    """Where requests go: what the connector asks of them, and their first line."""

    def __init__(
        self, session: aiohttp.ClientSession, request: HttpRequest, through: Mapping[str, Any]
    ) -> None:
        url, proxy = yarl.URL(request.url, encoded=True), through.get("proxy")
        self._session = session
        self._asked = aiohttp.ClientRequest(
            request.method,
            url,
            headers=through["headers"],
            loop=asyncio.get_running_loop(),
            session=session,
            proxy=None if proxy is None else yarl.URL(proxy),
            proxy_headers=through.get("proxy_headers"),
        )
        whole = proxy is not None and not self._asked.is_ssl()
        self._line = f"{request.method} {url if whole else url.raw_path_qs} HTTP/1.1\r\n"

    async def send(
        self,
        request: HttpRequest,
        headers: tuple[tuple[str, str], ...],
        timeout: aiohttp.ClientTimeout,
    ) -> Exchange:
        connector = self._session.connector
        if connector is None:
            raise RuntimeError("the session is closed")
        try:
            connection = await connector.connect(self._asked, [], timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(str(error)) from error
        try:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection is closed")
            protocol.set_response_params(
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=timeout.sock_read,
                read_bufsize=2**16,
            )
            fields = [f"{name}: {value}\r\n" for name, value in headers]
            head = f"{self._line}{''.join(fields)}\r\n".encode()
            transport.write(head + request.content)
            protocol.start_timeout()
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, content = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._asked.request_info, (), status=error.code, message=error.message
            ) from error
        except BaseException:
            connection.close()
            raise
        return Exchange(connection, message, content)


class Exchange:
    """An answer whose body is still to be read.

    Attributes:
        headers, content: as those of an `aiohttp.ClientResponse`.
    """

    def __init__(self, connection: Any, message: Any, content: aiohttp.StreamReader) -> None:
        self._connection = connection
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        content.on_eof(connection.release)

    def release(self) -> None:
        """Let go of the connection, which is kept if the whole answer has come."""
        self._connection.release()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
