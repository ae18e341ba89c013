"""Which URLs may be used, and which of them have the same origin; pure.

A key is sent to one origin (scheme, host, port) only, and never in clear text over a network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from ocx.errors import ConfigError

Origin = tuple[str, str, int]

CHAT_PATH = "/chat/completions"
_PORTS = {"http": 80, "https": 443}

# Every request judges the same few URLs: with many on the way that is a tenth of the work.
_remembered = lru_cache(64)


@_remembered
def origin(url: str) -> Origin:
    """(scheme, host, port) in lower case, with the scheme's own port if none is written.

    Raises:
        ConfigError: the URL is not absolute, not http(s), or broken.
    """
    parts = _split(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


@_remembered
def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine: localhost, 127.0.0.0/8, ::1."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


@_remembered
def check_base_url(url: str, allow_http: bool = False) -> None:
    """Refuse a base URL that a key must not go to.

    Raises:
        ConfigError: not http(s); http to a host that is not loopback, unless `allow_http`;
            userinfo (it would replace the Bearer header), query or fragment; the whole URL of the
            chat instead of its base.
    """
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        # The URL is not repeated: what stands before the @ may be a password.
        raise ConfigError(
            "the base URL holds a user name or password",
            hint="remove what stands before the @; keys are added with `ocx keys add`",
        )
    if "?" in url or "#" in url:
        raise ConfigError("the base URL has a query or a fragment", hint="remove it")
    trimmed = url.rstrip("/")
    if trimmed.lower().endswith(CHAT_PATH):
        raise ConfigError(
            f"the base URL ends in {CHAT_PATH}, which is added to it",
            hint=f"use {trimmed[: -len(CHAT_PATH)].rstrip('/')}",
        )
    scheme, host, _ = origin(url)
    if scheme == "http" and not allow_http and not is_loopback(host):
        raise ConfigError(
            f"http:// is refused for {host}: a key would cross the network in clear text",
            hint='use https://, or a profile with `auth = "none"` for a server without keys',
        )


def usable_addresses(host: str, found: Iterable[str]) -> list[str]:
    """Those of the addresses of `host` that may be connected to, each once.

    A name of this machine may have plain http, and who answers lookups must not send it elsewhere.
    """
    here_only = is_loopback(host)
    return [one for one in dict.fromkeys(found) if not here_only or is_loopback(one)]


def join(base_url: str, path: str) -> str:
    """`path` below the base URL; no part of either is guessed or dropped."""
    return f"{base_url.rstrip('/')}/{path.lstrip('/')}"


def place_of(url: str) -> str:
    """The host of a URL, with the port if it is not that of its scheme: what may be shown."""
    scheme, host, port = origin(url)
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _split(url: str) -> SplitResult:
    problem = _problem(url)
    if problem:
        raise ConfigError(f"the URL {problem}", hint="it looks like https://host/path")
    return urlsplit(url)


def _problem(url: str) -> str | None:
    # urlsplit() silently removes tabs and newlines, and httpx refuses them later.
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds a character that cannot stand in it; write the host in its xn-- form"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is broken"
    if parts.scheme not in _PORTS:
        return "does not begin with https://"
    if not parts.hostname or "\\" in parts.netloc or "%" in parts.netloc.rpartition("@")[2]:
        return "has no valid host"
    return "has port 0" if port == 0 else None
