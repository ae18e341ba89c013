"""Translate the exceptions of the HTTP libraries, TLS and sockets into our errors."""

from __future__ import annotations

import re

from ocx.api import network_errors
from ocx.api.connection import httpcore, httpx
from ocx.api.deadlines import DeadlineBackend
from ocx.api.network_errors import place_of
from ocx.api.retry import Failure
from ocx.api.tls import reason_of
from ocx.errors import OcxError

# The words of httpcore, h11 and socksio that tell one failure from another.
_LOST = re.compile(r"closed connection|disconnected", re.IGNORECASE)
_BAD_URL = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol)
_BAD_REQUEST = (httpx.LocalProtocolError, httpcore.LocalProtocolError)
_TIMEOUT = (httpx.TimeoutException, httpcore.TimeoutException)
_CONNECT = (httpx.ConnectError, httpcore.ConnectError)
_CONNECT_TIMEOUT = (httpx.ConnectTimeout, httpcore.ConnectTimeout)
_PROXY = (httpx.ProxyError, httpcore.ProxyError)
_GARBAGE = (httpx.RemoteProtocolError, httpcore.RemoteProtocolError)
_NETWORK = (httpx.TransportError, httpcore.NetworkError, httpcore.ProtocolError, OSError)


def translate(
    error: Exception, url: str, backend: DeadlineBackend, proxy_url: str | None = None
) -> Failure:
    """Translate an exception of the HTTP libraries.

    Args:
        proxy_url: the proxy that the request went through.

    Raises:
        error: it is not one of theirs.
    """
    if isinstance(error, OcxError):
        return Failure(error)
    if isinstance(error, _BAD_URL):
        return network_errors.unusable_url()
    if isinstance(error, _BAD_REQUEST):
        return network_errors.unusable_header()
    return _network(error, place_of(url), backend, proxy_url)


def _network(
    error: Exception, place: str, backend: DeadlineBackend, proxy_url: str | None
) -> Failure:
    if isinstance(error, _TIMEOUT):
        return _timeout(error, place, backend)
    if isinstance(error, _PROXY):
        return network_errors.proxy_refused(reason_of(error), proxy_url)
    if _is_connecting(error, backend, proxy_url):
        cause = backend.trace.reason or _cause(error)
        return network_errors.unconnected(cause, place, proxy_url)
    if not isinstance(error, _NETWORK):
        raise error
    # h11 takes a line for the beginning of a head: that the server left after it says nothing.
    is_http = b"HTTP/".startswith(backend.trace.head)
    if isinstance(error, _GARBAGE) and not (is_http and _LOST.search(str(error))):
        return network_errors.not_http(place)
    return network_errors.lost(place)


def _is_connecting(error: Exception, backend: DeadlineBackend, proxy_url: str | None) -> bool:
    if isinstance(error, _CONNECT):
        return True
    # On a SOCKS proxy that speaks something else, httpcore fails with socksio's errors and asserts.
    through_socks = proxy_url is not None and proxy_url.startswith("socks")
    return backend.connecting and (through_socks or isinstance(error, _NETWORK))


def _timeout(error: Exception, place: str, backend: DeadlineBackend) -> Failure:
    if isinstance(error, _CONNECT_TIMEOUT) or backend.connecting:
        looking_up = str(error) if "looking up" in str(error) else ""
        return network_errors.connecting_too_long(place, backend.connect_timeout, looking_up)
    return network_errors.silent(place)


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
