"""Translate the exceptions of the HTTP libraries, TLS and sockets into our errors."""

from __future__ import annotations

import re
import socket
import ssl

from ocx.api import proxy
from ocx.api.connection import httpcore, httpx, reason_of
from ocx.api.deadlines import DeadlineBackend
from ocx.api.error_response import excerpt
from ocx.api.retry import Failure
from ocx.api.urls import origin
from ocx.errors import ConfigError, DeadlineError, NetworkError, OcxError, ServerError

# The words of httpcore, h11 and socksio that tell one failure from another.
_LOST = re.compile(r"closed connection|disconnected", re.IGNORECASE)
_PROXY_LOGIN = re.compile(r"407|.*username/password", re.IGNORECASE)
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
        return Failure(
            ConfigError("the URL cannot be used", hint="it looks like https://host/path")
        )
    if isinstance(error, _BAD_REQUEST):
        # Its text may hold a header's value.
        return Failure(ConfigError("the request cannot be sent: a header is not valid HTTP"))
    return _network(error, place_of(url), backend, proxy_url)


def _network(
    error: Exception, place: str, backend: DeadlineBackend, proxy_url: str | None
) -> Failure:
    if isinstance(error, _TIMEOUT):
        return _timeout(error, place, backend)
    if isinstance(error, _PROXY):
        return _refused(error, proxy_url)
    if _is_connecting(error, backend, proxy_url):
        return _unconnected(error, place, backend, proxy_url)
    if not isinstance(error, _NETWORK):
        raise error
    # h11 takes a line for the beginning of a head: that the server left after it says nothing.
    is_http = b"HTTP/".startswith(backend.trace.head)
    if isinstance(error, _GARBAGE) and not (is_http and _LOST.search(str(error))):
        return Failure(ServerError(f"{place} sent what is not HTTP"))
    return Failure(
        NetworkError(
            f"the connection to {place} was lost before the answer was complete",
            hint="it may have been answered and charged; try again if you need the answer",
        )
    )


def _is_connecting(error: Exception, backend: DeadlineBackend, proxy_url: str | None) -> bool:
    if isinstance(error, _CONNECT):
        return True
    # On a SOCKS proxy that speaks something else, httpcore fails with socksio's errors and asserts.
    through_socks = proxy_url is not None and proxy_url.startswith("socks")
    return backend.connecting and (through_socks or isinstance(error, _NETWORK))


def _timeout(error: Exception, place: str, backend: DeadlineBackend) -> Failure:
    if isinstance(error, _CONNECT_TIMEOUT) or backend.connecting:
        message = f"no connection to {place} within {backend.connect_timeout:g} s"
        if "looking up" in str(error):
            message = f"{message}: {error}"
        hint = "check the network; the setting connect_timeout allows more"
        return Failure(DeadlineError(message, hint=hint), "connect")
    silence = DeadlineError(
        f"no byte from {place} for too long (idle_timeout)",
        hint="the setting idle_timeout allows more",
    )
    return Failure(silence, "silent")


def _refused(error: Exception, proxy_url: str | None) -> Failure:
    at = f" {proxy.address(proxy_url)}" if proxy_url else ""
    text = reason_of(error)
    if _PROXY_LOGIN.match(text):
        hint = "check the proxy's user name and password"
        return Failure(NetworkError(f"the proxy{at} asks for credentials: {text}", hint=hint))
    hint = "check --proxy, or HTTPS_PROXY and ALL_PROXY in the environment"
    return Failure(NetworkError(f"the proxy{at} refused: {text}", hint=hint), "connect")


def _unconnected(
    error: Exception, place: str, backend: DeadlineBackend, proxy_url: str | None
) -> Failure:
    cause = backend.trace.reason or _cause(error)
    if proxy_url and proxy_url.startswith("https:"):
        place = f"{place} or its proxy"
    at = f"the proxy {proxy.address(proxy_url)}" if proxy_url else place
    if isinstance(cause, ssl.SSLCertVerificationError):
        message = f"the certificate of {place} is not trusted: {excerpt(cause.verify_message)}"
        return Failure(NetworkError(message, hint="--ca-bundle FILE names another authority"))
    if isinstance(cause, ssl.SSLError):
        hint = "is base_url's scheme and port right?"
        return Failure(
            NetworkError(f"no TLS with {place}: {reason_of(cause)}", hint=hint), "connect"
        )
    if isinstance(cause, socket.gaierror | UnicodeError):
        message = f"cannot resolve {at}: {reason_of(cause)}"
        hint = "check the name and the network"
        # A name that does not exist will not exist in half a second.
        lasting = isinstance(cause, UnicodeError) or cause.errno == socket.EAI_NONAME
        return Failure(NetworkError(message, hint=hint), "final" if lasting else "connect")
    message = f"cannot connect to {at}: {reason_of(cause)}"
    return Failure(NetworkError(message, hint="check base_url and the network"), "connect")


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def place_of(url: str) -> str:
    _, host, port = origin(url)
    name = f"[{host}]" if ":" in host else host
    return name if port == 443 else f"{name}:{port}"
