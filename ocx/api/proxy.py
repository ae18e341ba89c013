"""Which proxy a host is reached through, by the environment as httpx reads it; pure.

httpx's own reading cannot be asked from outside, and its client takes either the environment's
proxies or a transport of ours, not both.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from ocx.api.urls import is_loopback, origin
from ocx.errors import ConfigError

_PLATFORM: str = sys.platform
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def exempted_by_system(host: str) -> bool:
    """Whether the exceptions of macOS's network settings name the host.

    `getproxies()` reads the proxies from there, too, if the environment names none.
    """
    if _PLATFORM != "darwin":
        return False
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415 - for a Mac

    return not getproxies_environment() and bool(proxy_bypass(host))


def choose(
    url: str,
    configured: str | None,
    environment: Mapping[str, str],
    exempted: Callable[[str], bool] = exempted_by_system,
) -> str | None:
    """The proxy's URL for `url`; None for a direct connection.

    Args:
        configured: `--proxy`; "" means none whatever the environment says.
        environment: as `urllib.request.getproxies()` gives it: http, https, all, no.
        exempted: whether the system's own settings exempt a host.

    Raises:
        ConfigError: the proxy's URL cannot be used.
    """
    scheme, host, port = origin(url)
    if is_loopback(host) or configured == "":
        return None
    if configured is not None:
        return _checked(configured, "the proxy")
    found = environment.get(scheme) or environment.get("all")
    if not found or _is_exempt(scheme, host, port, environment.get("no", "")) or exempted(host):
        return None
    return _checked(found, "the proxy in the environment")


def address(proxy: str) -> str:
    """HOST:PORT of a proxy: what may be shown; its user name and password may not."""
    return urlsplit(proxy).netloc.rpartition("@")[2]


def host_and_port(proxy: str) -> tuple[str, int]:
    """Where a proxy listens, with the port of its scheme if its URL has none."""
    parts = urlsplit(proxy)
    return parts.hostname or "", parts.port or _PORTS[parts.scheme]


def credentials(proxy: str) -> tuple[str, str] | None:
    """User name and password in a proxy's URL."""
    parts = urlsplit(proxy)
    if parts.username is None and parts.password is None:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def without_credentials(proxy: str) -> str:
    return f"{urlsplit(proxy).scheme}://{address(proxy)}"


def _checked(proxy: str, name: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{name} has no usable URL", hint="it looks like http://HOST:PORT or socks5://HOST:PORT"
        )
    return url


def _is_exempt(scheme: str, host: str, port: int, exempt: str) -> bool:
    return any(_matches(scheme, host, port, entry.strip()) for entry in exempt.lower().split(","))


def _matches(scheme: str, host: str, port: int, entry: str) -> bool:
    if entry in {"", "*"}:
        return entry == "*"
    if "://" in entry:
        parts = urlsplit(entry)
        return (
            parts.scheme in {scheme, "all"}
            and (parts.hostname or "") in {host, ""}
            and (parts.port or port) == port
        )
    name, _, wanted = entry.rpartition(":")
    if name and wanted.isdecimal() and ":" not in name:
        return int(wanted) == port and _matches(scheme, host, port, name)
    if _in_network(host, entry.strip("[]")):
        return True
    domain = entry.removeprefix("*").lstrip(".")
    return host == domain or host.endswith(f".{domain}")


def _in_network(host: str, entry: str) -> bool:
    # httpx reads 192.168.0.0/16 as that one address; curl, and everybody's NO_PROXY, as a network.
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
