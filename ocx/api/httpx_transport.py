"""Connections to one endpoint, with our deadlines, proxies and certificates.

The rest of the client takes httpx and httpcore from here. httpx imports its command line (click,
pygments, rich) if those are installed: 90 ms for nothing. None in sys.modules makes that one
import fail, which httpx allows for.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from ocx.api import network_errors, proxy
from ocx.api.error_response import exception_text
from ocx.api.httpcore_backend import DeadlineBackend
from ocx.api.urls import place_of
from ocx.errors import OcxError

_MAIN = "httpx._main"
_hidden = _MAIN not in sys.modules
if _hidden:
    # typeshed knows no None there; the import system does (docs.python.org, sys.modules).
    sys.modules[_MAIN] = None  # type: ignore[assignment]
try:
    import httpcore
    import httpx
finally:
    if _hidden:
        del sys.modules[_MAIN]

__all__ = ["Transport", "httpx", "pieces_of", "translate"]


class Transport(httpx.HTTPTransport):
    """Connections to one endpoint: direct or through its proxy, each kept for the next request.

    httpx passes requests on to its pool, as `_pool`; ours has our sockets, which it cannot be told.
    """

    def __init__(self, routes: proxy.Routes, backend: DeadlineBackend) -> None:
        self._routes = routes
        self._backend = backend

    def close(self) -> None:
        if "_pool" in vars(self):
            with contextlib.suppress(Exception):  # nobody waits for what a broken pool still says
                super().close()

    # httpx sets it where it is made; here the first request does, which alone needs TLS.
    @cached_property
    def _pool(self) -> httpcore.ConnectionPool:  # type: ignore[override]
        proxy_url, tls = self._routes.proxy_url, self._routes.tls()
        common: dict[str, Any] = {
            "max_connections": None,
            "keepalive_expiry": 5.0,
            "ssl_context": tls,
            "network_backend": self._backend,
        }
        if proxy_url is None:
            return httpcore.ConnectionPool(**common)
        common["proxy_url"] = proxy.without_credentials(proxy_url)
        common["proxy_auth"] = proxy.credentials(proxy_url)
        if proxy_url.startswith("socks"):
            return httpcore.SOCKSProxy(**common)
        if proxy_url.startswith("https"):
            common["proxy_ssl_context"] = tls
        return httpcore.HTTPProxy(**common)


def pieces_of(response: httpx.Response) -> Iterable[bytes]:
    """The body of an answer, piece by piece."""
    # httpx types it for both worlds; from a transport that is not async it is the plain one.
    return response.stream  # type: ignore[return-value]


# The words of h11 and httpcore when the server is gone.
_LOST = re.compile(r"closed connection|disconnected", re.IGNORECASE)


def translate(
    error: Exception, url: str, backend: DeadlineBackend, proxy_url: str | None = None
) -> OcxError:
    """Translate an exception of the HTTP libraries.

    Args:
        proxy_url: the proxy that the request went through.

    Raises:
        error: it is not one of theirs.
    """
    if isinstance(error, OcxError):
        return error
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return network_errors.unusable_url()
    if isinstance(error, httpx.LocalProtocolError):
        return network_errors.unusable_header()
    place = place_of(url)
    if isinstance(error, httpx.TimeoutException):
        if not (isinstance(error, httpx.ConnectTimeout) or backend.connecting):
            return network_errors.silent(place)
        looking_up = str(error) if "looking up" in str(error) else ""
        return network_errors.connecting_too_long(place, backend.connect_timeout, looking_up)
    return _network(error, place, backend, proxy_url)


def _network(
    error: Exception, place: str, backend: DeadlineBackend, proxy_url: str | None
) -> OcxError:
    if isinstance(error, httpx.ProxyError):
        return network_errors.proxy_refused(exception_text(error), proxy_url)
    foreign = isinstance(error, httpx.NetworkError | httpx.ProtocolError | OSError)
    # On a SOCKS proxy that speaks something else, httpcore fails with socksio's errors and asserts.
    through_socks = proxy_url is not None and proxy_url.startswith("socks")
    connecting = backend.connecting and (foreign or through_socks)
    if connecting or isinstance(error, httpx.ConnectError):
        cause: BaseException = backend.trace.reason or error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return network_errors.unconnected(cause, place, proxy_url)
    if not foreign:
        raise error
    # h11 takes a line for the beginning of a head: that the server left after it says nothing.
    is_http = b"HTTP/".startswith(backend.trace.head)
    garbage = isinstance(error, httpx.RemoteProtocolError)
    if garbage and not (is_http and _LOST.search(str(error))):
        return network_errors.not_http(place)
    return network_errors.lost(place)
