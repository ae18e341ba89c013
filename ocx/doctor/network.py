"""From the name of the host to its first answer, without a key."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.request import getproxies

from ocx.api import probe, proxy
from ocx.api.connection import tls_context
from ocx.api.urls import join, origin
from ocx.config.settings import Settings
from ocx.doctor.check import Check, failed, ok, warning
from ocx.errors import OcxError, ServerError

_CLOCK_SLACK = 300
_EXPIRES_SOON = 14
_PORTAL = "log in to the network with a browser, or check base_url"


def network(settings: Settings) -> Iterator[Check]:
    """Proxy, DNS, TCP, TLS, HTTP and clock; ends at the first that fails."""
    with contextlib.ExitStack() as open_sockets:
        begun = "proxy"
        try:
            for step in _steps(settings, open_sockets):
                if isinstance(step, str):
                    begun = step
                else:
                    yield step
        except OcxError as error:
            yield failed(begun, error)


def _steps(settings: Settings, sockets: contextlib.ExitStack) -> Iterator[str | Check]:
    """The name of each step before it begins, then what came of it. Raises: OcxError."""
    url = settings.base_url
    scheme, host, port = origin(url)
    way = proxy.choose(url, settings.proxy, getproxies())
    yield ok("proxy", "none" if way is None else proxy.address(way))
    if way is not None and not way.startswith("http://"):
        return  # SOCKS, or a proxy behind TLS: the client itself will tell
    yield "dns"
    reached = (host, port) if way is None else _proxy_place(way)
    addresses = probe.look_up(*reached, settings.connect_timeout)
    yield ok("dns", f"{reached[0]} is {', '.join(addresses)}")
    yield "tcp"
    began = time.monotonic()
    sock = probe.connect(addresses, reached[1], settings.connect_timeout)
    sockets.callback(sock.close)
    yield ok("tcp", f"port {reached[1]}, {(time.monotonic() - began) * 1000:.0f} ms")
    if way is not None:
        if scheme == "http":
            return
        yield "proxy"
        probe.tunnel(sock, host, port, proxy.credentials(way))
    if scheme == "https":
        yield "tls"
        secured = probe.secure(sock, host, tls_context(settings.ca_bundle))
        sockets.callback(secured.close)
        yield _certificate(probe.certificate(secured))
        sock = secured
    yield from _answer(sock, url)


def _answer(sock: socket.socket, url: str) -> Iterator[str | Check]:
    yield "http"
    answer = probe.ask(sock, join(url, "/models"))
    if answer.location and 300 <= answer.status < 400:
        raise ServerError(f"something redirects to {answer.location}", hint=_PORTAL)
    if answer.content_type == "text/html":
        raise ServerError(
            f"an HTML page (status {answer.status}) instead of the API: a captive portal?",
            hint=_PORTAL,
        )
    yield ok("http", f"status {answer.status} without a key")
    if answer.date is not None:
        yield _clock((datetime.now(UTC) - answer.date).total_seconds())


def _proxy_place(way: str) -> tuple[str, int]:
    return origin(proxy.without_credentials(way))[1:]


def _certificate(found: probe.Certificate) -> Check:
    if found.expires is None:
        return ok("tls", f"issued by {found.issuer}")
    days = (found.expires - datetime.now(UTC)).days
    detail = f"issued by {found.issuer}, valid until {found.expires:%Y-%m-%d}"
    if days < _EXPIRES_SOON:
        return warning("tls", f"{detail}, {days} days left", "it must be renewed there")
    return ok("tls", detail)


def _clock(ahead: float) -> Check:
    if abs(ahead) <= _CLOCK_SLACK:
        return ok("clock", f"within {max(1, round(abs(ahead)))} s of the server's")
    where = "ahead of" if ahead > 0 else "behind"
    return warning(
        "clock",
        f"this machine's clock is {_span(abs(ahead))} {where} the server's",
        "set it (timedatectl set-ntp true): TLS, Retry-After and key ages go by it",
    )


def _span(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
