"""Translate the exceptions of aiohttp, TLS and sockets into our errors."""

from __future__ import annotations

import os
import socket
import ssl

import aiohttp
import aiohttp.http_exceptions

from ocx.api import network_errors
from ocx.api.retry import Failure
from ocx.api.tls import reason_of
from ocx.api.types import Endpoint


def translate(
    error: Exception, place: str, connecting: bool, endpoint: Endpoint, proxy_url: str | None
) -> Failure:
    """Translate an exception of aiohttp. Raises `error` if it is not one of its own."""
    if isinstance(error, aiohttp.InvalidURL):
        return network_errors.unusable_url()
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return network_errors.proxy_refused(f"{error.status} {error.message}", proxy_url)
    if connecting:
        return _unconnected(error, place, endpoint, proxy_url)
    if isinstance(error, aiohttp.ClientPayloadError):
        text = str(error)  # a chunk that is none, or a body that ends too early
        broken = "TransferEncodingError" in text and "Not enough data" not in text
        return network_errors.not_http(place) if broken else network_errors.lost(place)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http_exceptions.HttpProcessingError):
        return network_errors.not_http(place)
    if isinstance(error, aiohttp.ClientError | OSError):
        silent = isinstance(error, aiohttp.SocketTimeoutError)
        return network_errors.silent(place) if silent else network_errors.lost(place)
    raise error


def _unconnected(
    error: Exception, place: str, endpoint: Endpoint, proxy_url: str | None
) -> Failure:
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientOSError):
        return network_errors.connecting_too_long(place, endpoint.connect_timeout)
    name = type(error).__name__ if "_socks" in type(error).__module__ else ""
    if name == "ProxyTimeoutError":
        return network_errors.connecting_too_long(place, endpoint.connect_timeout)
    if name == "ProxyError":
        return network_errors.proxy_refused(reason_of(error), proxy_url)
    if not name and not isinstance(error, aiohttp.ClientError | OSError | UnicodeError):
        raise error
    cause: BaseException = getattr(error, "certificate_error", None) or error
    while (inner := getattr(cause, "os_error", None) or cause.__cause__) is not None:
        cause = inner
    said = isinstance(cause, socket.gaierror | ssl.SSLError)
    if isinstance(cause, OSError) and cause.errno and not said:
        cause = OSError(cause.errno, os.strerror(cause.errno))  # asyncio has words of its own
    return network_errors.unconnected(cause, place, proxy_url)
