"""The errors of connecting, TLS, proxies and lost answers in our words; pure, for both clients."""

from __future__ import annotations

import re
import socket
import ssl
import sys

from ocx.api import proxy
from ocx.api.error_response import exception_text, excerpt
from ocx.errors import ConfigError, DeadlineError, NetworkError, OcxError, Phase, ServerError

_PLATFORM: str = sys.platform
_CONNECT: Phase | None = "connect"
_CONNECTING = "check base_url and the network; `ocx doctor` finds the step that fails"
_PROXY_LOGIN = re.compile(r"407|.*username/password", re.IGNORECASE)


def unusable_url() -> OcxError:
    return ConfigError("the URL cannot be used", hint="it looks like https://host/path")


def unusable_header() -> OcxError:
    # The library's own text may hold a header's value.
    return ConfigError("the request cannot be sent: a header is not valid HTTP")


def expired(seconds: float) -> DeadlineError:
    return DeadlineError(
        f"no complete answer within {seconds:g} s (--timeout)", hint="--timeout SECONDS allows more"
    )


def lost(place: str) -> OcxError:
    return NetworkError(
        f"the connection to {place} was lost before the answer was complete",
        hint="it may have been answered and charged; try again if you need the answer",
    )


def not_http(place: str) -> OcxError:
    return ServerError(f"{place} sent what is not HTTP")


def silent(place: str) -> OcxError:
    return DeadlineError(
        f"no byte from {place} for too long (idle_timeout)",
        hint="the setting idle_timeout allows more",
        phase="silent",
    )


def connecting_too_long(place: str, seconds: float, detail: str = "") -> OcxError:
    message = f"no connection to {place} within {seconds:g} s"
    hint = "check the network; the setting connect_timeout allows more"
    return DeadlineError(f"{message}: {detail}" if detail else message, hint=hint, phase="connect")


def proxy_refused(text: str, proxy_url: str | None) -> OcxError:
    """Args: text: what the proxy answered, or what its library says."""
    at = f" {proxy.address(proxy_url)}" if proxy_url else ""
    if _PROXY_LOGIN.match(text):
        hint = "check the proxy's user name and password"
        return NetworkError(f"the proxy{at} asks for credentials: {text}", hint=hint)
    hint = "check --proxy, or HTTPS_PROXY and ALL_PROXY in the environment"
    return NetworkError(f"the proxy{at} refused: {text}", hint=hint, phase="connect")


def unconnected(cause: BaseException, place: str, proxy_url: str | None) -> OcxError:
    """Args: cause: the exception of the socket, the resolver or TLS."""
    if proxy_url and proxy_url.startswith("https:"):
        place = f"{place} or its proxy"
    at = f"the proxy {proxy.address(proxy_url)}" if proxy_url else place
    if isinstance(cause, ssl.SSLCertVerificationError):
        message = f"the certificate of {place} is not trusted: {excerpt(cause.verify_message)}"
        return NetworkError(message, hint="--ca-bundle FILE names another authority")
    said, hint, phase = f"cannot connect to {at}", _CONNECTING, _CONNECT
    if isinstance(cause, ssl.SSLError):
        said, hint = f"no TLS with {place}", "is base_url's scheme and port right?"
    elif isinstance(cause, socket.gaierror | UnicodeError):
        said = f"cannot resolve {at}"
        # A name that does not exist will not exist in half a second; but a Mac says so of every
        # name while it is offline.
        unknown = not isinstance(cause, UnicodeError) and cause.errno == socket.EAI_NONAME
        if isinstance(cause, UnicodeError) or (unknown and _PLATFORM != "darwin"):
            phase = None
    return NetworkError(f"{said}: {exception_text(cause)}", hint=hint, phase=phase)
