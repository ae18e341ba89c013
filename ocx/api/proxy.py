"""Which proxy a host is reached through and which certificates are trusted, as httpx reads them.

httpx's own reading cannot be asked from outside, and its client takes either the environment's
proxies or a transport of ours, not both.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ocx.api.error_response import exception_text
from ocx.api.types import Endpoint
from ocx.api.urls import check_base_url, is_loopback, origin
from ocx.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_PLATFORM: str = sys.platform
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Routes:
    """How one endpoint is reached: through which proxy, and with which certificates.

    All its requests go below its base URL, so to one origin, and one way.

    Args:
        tls: the certificates; by default they are loaded when they are asked for.

    Raises:
        ConfigError: the base URL or the CA bundle cannot be used.
    """

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        check_base_url(endpoint.base_url, endpoint.allow_http)
        check_ca_bundle(endpoint.ca_bundle)
        self._endpoint = endpoint
        self._tls = tls

    @cached_property
    def proxy_url(self) -> str | None:
        """As `choose`, by what was configured and by the environment."""
        from urllib.request import getproxies  # noqa: PLC0415 - it imports ssl

        return choose(self._endpoint.base_url, self._endpoint.proxy, getproxies())

    def tls(self) -> ssl.SSLContext | None:
        """The certificates, if there is TLS on the way."""
        schemes = [urlsplit(url or "").scheme for url in (self._endpoint.base_url, self.proxy_url)]
        if self._tls is None and "https" in schemes:
            return tls_context(self._endpoint.ca_bundle)
        return self._tls


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
    exempt = environment.get("no", "").lower().split(",")
    if not found or any(_matches(scheme, host, port, entry.strip()) for entry in exempt):
        return None
    if exempted(host):
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


def _matches(scheme: str, host: str, port: int, entry: str) -> bool:
    if entry in {"", "*"}:
        return entry == "*"
    if "://" in entry:
        try:
            parts = urlsplit(entry)
            named = (parts.hostname or host, parts.port or port)
        except ValueError:
            return False
        return parts.scheme in {scheme, "all"} and named == (host, port)
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


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Trust the certificates of `ca_bundle` (PEM file or folder).

    Without one, those of SSL_CERT_FILE, SSL_CERT_DIR or certifi. Loading them takes about 20 ms
    and some memory, so the clients of many threads should share one context: pass it to each
    `Client(tls=...)`.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    import ssl  # noqa: PLC0415 - who asks for a proxy alone needs no OpenSSL

    check_ca_bundle(ca_bundle)
    data, file = None, ca_bundle or os.environ.get("SSL_CERT_FILE") or None
    folder = None if file else os.environ.get("SSL_CERT_DIR") or None
    if ca_bundle and Path(ca_bundle).is_dir():
        file, folder = None, ca_bundle
    if not file and not folder:
        import certifi  # noqa: PLC0415 - only if nothing else is named

        # Not where(): for a program in a zip that is a file in the temporary folder, and stays.
        data = certifi.contents()
    try:
        context = ssl.create_default_context(cafile=file, capath=folder, cadata=data)
    except (OSError, ssl.SSLError) as error:
        name = ca_bundle or "the file or folder that SSL_CERT_FILE or SSL_CERT_DIR names"
        reason = exception_text(error)
        raise ConfigError(f"cannot read certificates from {name}: {reason}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_ca_bundle(ca_bundle: str | None) -> None:
    """Raise `ConfigError` if the bundle is missing, before any request."""
    if ca_bundle is not None and not Path(ca_bundle).exists():
        raise ConfigError(f"the CA bundle does not exist: {ca_bundle}", hint="see --ca-bundle")
