"""The checks of the way to the server, without a key, and of the account, with one."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.request import getproxies

from ocx.api import Client, proxy
from ocx.api.error_response import exception_text
from ocx.api.models import model_ids
from ocx.api.types import ConnectionTrace, Probe
from ocx.api.urls import origin
from ocx.config.settings import Settings
from ocx.context import Context
from ocx.doctor import Check, failed, ok, skipped, warning
from ocx.errors import AuthError, DeadlineError, NetworkError, OcxError, ServerError
from ocx.keys.adding import judge_balance
from ocx.keys.client import advise, keep_balance, read_balance
from ocx.keys.lookup import endpoint

_CLOCK_SLACK = 300
_EXPIRES_SOON = 14
_PORTAL = "log in to the network with a browser, or check base_url"
_WRONG_PORT = "are the scheme and the port in base_url right?"
_SILENT: dict[str, tuple[str, str | None]] = {
    "dns": ("looking up {host} took more than {seconds}", None),
    "tcp": ("no answer from {place} within {seconds}", "a firewall?"),
    "proxy": ("the proxy says nothing", None),
    "tls": ("no TLS: the server says nothing", _WRONG_PORT),
    "http": ("the server says nothing", None),
}
_FAILED: dict[str, tuple[str, str | None]] = {
    "dns": (
        "{host} cannot be resolved: {why}",
        "check the name in base_url, the network, and /etc/resolv.conf",
    ),
    "tcp": ("{place}: {why}", "is the port in base_url right, and the server running?"),
    "proxy": ("{error}", "ask who runs it, or add the host to NO_PROXY"),
    "tls": ("no TLS: {why}", _WRONG_PORT),
    "http": ("the server closed the connection: {why}", None),
}
_LOGIN = ("the proxy asks for credentials (407)", "check the proxy's user name and password")
_TRUST = {10: "expired", 9: "not valid yet", 18: "self-signed", 19: "self-signed"}
"""OpenSSL's X509_V_ERR_* numbers, include/openssl/x509_vfy.h."""


def network(settings: Settings) -> Iterator[Check]:
    """Proxy, DNS, TCP, TLS, HTTP and clock; ends at the first that fails."""
    try:
        proxy_url = proxy.choose(settings.base_url, settings.proxy, getproxies())
    except OcxError as error:
        yield failed("proxy", error)
        return
    yield ok("proxy", "none" if proxy_url is None else proxy.address(proxy_url))
    try:
        # Neither the key nor a configured header, which may hold one.
        target = replace(endpoint(settings, None), headers={}, retries=0)
        with Client(target) as client:
            probe = client.probe("/models")
    except OcxError as error:
        yield failed("tls", error)  # certificates that cannot be read
        return
    host, port = proxy.host_and_port(proxy_url) if proxy_url else origin(settings.base_url)[1:]
    trace = probe.trace
    if trace.addresses:
        yield ok("dns", f"{host} is {', '.join(trace.addresses)}")
    if trace.connect_seconds is not None:
        yield ok("tcp", f"port {port}, {trace.connect_seconds * 1000:.0f} ms")
    if trace.certificate:
        yield _certificate(trace.certificate)
    if probe.error is None:
        yield from _answer(probe, through_proxy=proxy_url is not None)
        return
    step = _failed_step(trace, proxy_url)
    yield failed(step, _explain(step, trace, probe.error, (host, port), settings))


def _failed_step(trace: ConnectionTrace, proxy_url: str | None) -> str:
    """The step that began last; a proxy may also fail in its own greeting or TLS."""
    step = trace.steps[-1] if trace.steps else "tls"
    greeting = step == "tcp" and trace.connect_seconds is not None
    secure = step == "tls" and proxy_url is not None and proxy_url.startswith("https")
    return "proxy" if greeting or (secure and "proxy" not in trace.steps) else step


def _explain(
    step: str, trace: ConnectionTrace, error: OcxError, reached: tuple[str, int], settings: Settings
) -> OcxError:
    """The client's error with the words and the hint that the step calls for."""
    cause = trace.reason or error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(cause)
    if isinstance(error, DeadlineError):
        message, hint = _SILENT[step]
    elif isinstance(error, ServerError):
        message, hint = "the server does not speak HTTP", _WRONG_PORT
    elif step == "proxy" and "credentials" in error.message:
        message, hint = _LOGIN
    elif isinstance(error, NetworkError):
        message, hint = _FAILED[step]
    else:
        return error
    place = f"{(trace.addresses or reached)[-1]}, port {reached[1]}"
    words = {
        "host": reached[0],
        "place": place,
        "why": exception_text(cause),
        "error": error.message,
    }
    seconds = f"{settings.connect_timeout:g} s"
    return type(error)(message.format(seconds=seconds, **words), hint=hint)


def _untrusted(cause: ssl.SSLCertVerificationError) -> NetworkError:
    kind = _TRUST.get(cause.verify_code, "not trusted")
    message = f"the certificate is {kind}: {cause.verify_message}"
    if kind in {"expired", "not valid yet"}:
        hint = "it must be renewed there, unless this machine's clock is wrong"
    else:
        hint = "--ca-bundle FILE names the authority that signed it"
    return NetworkError(message, hint=hint)


def _certificate(found: Mapping[str, Any]) -> Check:
    names = {key: text for part in found.get("issuer", ()) for key, text in part}
    issuer = names.get("organizationName") or names.get("commonName") or "an unnamed authority"
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    days = (expires - datetime.now(UTC)).days
    detail = f"issued by {issuer}, valid until {expires:%Y-%m-%d}"
    if days < _EXPIRES_SOON:
        return warning("tls", f"{detail}, {days} days left", "it must be renewed there")
    return ok("tls", detail)


def _answer(probe: Probe, *, through_proxy: bool) -> Iterator[Check]:
    location = probe.headers.get("location")
    content_type = probe.headers.get("content-type", "").partition(";")[0].strip().lower()
    if probe.status == 407 and through_proxy:
        yield failed("proxy", NetworkError(_LOGIN[0], hint=_LOGIN[1]))
    elif location and probe.status is not None and 300 <= probe.status < 400:
        yield failed("http", ServerError(f"something redirects to {location}", hint=_PORTAL))
    elif content_type == "text/html":
        text = f"an HTML page (status {probe.status}) instead of the API: a captive portal?"
        yield failed("http", ServerError(text, hint=_PORTAL))
    else:
        yield ok("http", f"status {probe.status} without a key")
        date = _date(probe.headers.get("date"))
        if date is not None:
            yield _clock((datetime.now(UTC) - date).total_seconds())


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _clock(ahead: float) -> Check:
    if abs(ahead) <= _CLOCK_SLACK:
        return ok("clock", f"within {max(1, round(abs(ahead)))} s of the server's")
    where, seconds = "ahead of" if ahead > 0 else "behind", abs(ahead)
    span = f"{seconds / 60:.0f} minutes"
    if seconds >= 5400:
        hours, days = f"{seconds / 3600:.1f} hours", f"{seconds / 86_400:.0f} days"
        span = hours if seconds < 172_800 else days
    hint = "set it (timedatectl set-ntp true): TLS, Retry-After and key ages go by it"
    return warning("clock", f"this machine's clock is {span} {where} the server's", hint)


def account(ctx: Context, client: Client, settings: Settings, *, chat: bool) -> Iterator[Check]:
    """Models, balance and, if asked for, one tiny chat; a refused key ends it."""
    refused = False
    checks: dict[str, Callable[[Client, Settings], Check]]
    checks = {"models": _models, "balance": partial(_balance, ctx)}
    if chat:
        checks["chat"] = _chat
    for name, check in checks.items():
        if refused:
            yield skipped(name, "the key was refused")
            continue
        try:
            yield check(client, settings)
        except OcxError as error:
            if refused := isinstance(error, AuthError):
                advise(ctx, error, settings)
            yield failed(name, error)


def _models(client: Client, settings: Settings) -> Check:
    ids = model_ids(client.models().json)
    if settings.model not in ids:
        source = settings.sources["model"]
        detail = f"{len(ids)}, and {settings.model} ({source}) is none of them"
        hint = "`ocx models` lists them; `ocx config set model ID` chooses one"
        return warning("models", detail, hint)
    return ok("models", f"{len(ids)}, {settings.model} is one of them")


def _balance(ctx: Context, client: Client, settings: Settings) -> Check:
    try:
        found = read_balance(client, settings)
    except OcxError as error:
        if error.status == 404:
            return warning("balance", "this endpoint has none", "`ocx balance` is not for it")
        raise
    keep_balance(ctx, settings, [(time.time(), found)])
    verdict = judge_balance(found)
    if verdict.error is not None:
        raise verdict.error
    if found.confidence == "guessed":
        hint = "the setting balance_path makes it sure"
        return warning("balance", f"{verdict.detail}, a guess", hint)
    return ok("balance", verdict.detail)


def _chat(client: Client, settings: Settings) -> Check:
    messages = [{"role": "user", "content": "Say ok."}]
    reply = client.chat({"model": settings.model, "messages": messages, "max_tokens": 5})
    return ok("chat", f"{settings.model} answered in {reply.seconds:.1f} s")
