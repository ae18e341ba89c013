"""What went wrong on the way, in our words; pure, the same for client and pool."""

from __future__ import annotations

import re
import socket
import ssl
import sys

from ocx.api import proxy
from ocx.api.error_response import excerpt, reason_of
from ocx.api.retry import Failure
from ocx.errors import ConfigError, DeadlineError, NetworkError, ServerError

_PLATFORM: str = sys.platform
_CONNECTING = "check base_url and the network; `ocx doctor` finds the step that fails"
_PROXY_LOGIN = re.compile(r"407|.*username/password", re.IGNORECASE)


def unusable_url() -> Failure:
    return Failure(ConfigError("the URL cannot be used", hint="it looks like https://host/path"))


def unusable_header() -> Failure:
    # The library's own text may hold a header's value.
    return Failure(ConfigError("the request cannot be sent: a header is not valid HTTP"))


def expired(seconds: float) -> DeadlineError:
    return DeadlineError(
        f"no complete answer within {seconds:g} s (--timeout)",
        hint="--timeout SECONDS allows more",
    )


def lost(place: str) -> Failure:
    return Failure(
        NetworkError(
            f"the connection to {place} was lost before the answer was complete",
            hint="it may have been answered and charged; try again if you need the answer",
        )
    )


def not_http(place: str) -> Failure:
    return Failure(ServerError(f"{place} sent what is not HTTP"))


def silent(place: str) -> Failure:
    error = DeadlineError(
        f"no byte from {place} for too long (idle_timeout)",
        hint="the setting idle_timeout allows more",
    )
    return Failure(error, "silent")


def connecting_too_long(place: str, seconds: float, detail: str = "") -> Failure:
    message = f"no connection to {place} within {seconds:g} s"
    hint = "check the network; the setting connect_timeout allows more"
    text = f"{message}: {detail}" if detail else message
    return Failure(DeadlineError(text, hint=hint), "connect")


def proxy_refused(text: str, proxy_url: str | None) -> Failure:
    """Args: text: what the proxy answered, or what its library says."""
    at = f" {proxy.address(proxy_url)}" if proxy_url else ""
    if _PROXY_LOGIN.match(text):
        hint = "check the proxy's user name and password"
        return Failure(NetworkError(f"the proxy{at} asks for credentials: {text}", hint=hint))
    hint = "check --proxy, or HTTPS_PROXY and ALL_PROXY in the environment"
    return Failure(NetworkError(f"the proxy{at} refused: {text}", hint=hint), "connect")


def unconnected(cause: BaseException, place: str, proxy_url: str | None) -> Failure:
    """Args: cause: the exception of the socket, the resolver or TLS."""
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
        hint = _CONNECTING
        # A name that does not exist will not exist in half a second; but a Mac says so of every
        # name while it is offline.
        unknown = not isinstance(cause, UnicodeError) and cause.errno == socket.EAI_NONAME
        lasting = isinstance(cause, UnicodeError) or (unknown and _PLATFORM != "darwin")
        return Failure(NetworkError(message, hint=hint), "final" if lasting else "connect")
    message = f"cannot connect to {at}: {reason_of(cause)}"
    return Failure(NetworkError(message, hint=_CONNECTING), "connect")
