"""Connections to one endpoint, with our deadlines, proxies and certificates."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import getproxies

from ocx.api import proxy
from ocx.api._http import httpcore, httpx
from ocx.api.deadlines import DeadlineBackend
from ocx.api.exceptions import words
from ocx.api.types import Endpoint
from ocx.errors import ConfigError


class Transport(httpx.BaseTransport):
    """Connections to one endpoint: direct or through its proxy, each kept for the next request."""

    def __init__(
        self, endpoint: Endpoint, backend: DeadlineBackend, tls: ssl.SSLContext | None = None
    ) -> None:
        self._endpoint = endpoint
        self._backend = backend
        self._tls = tls
        self._environment = getproxies()
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy_url = self.proxy_for(str(request.url))
        if proxy_url not in self._pools:
            self._pools[proxy_url] = self._pool(proxy_url, request.url.scheme)
        response = self._pools[proxy_url].handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    def proxy_for(self, url: str) -> str | None:
        """The proxy that `url` is reached through.

        Raises:
            ConfigError: its URL cannot be used.
        """
        return proxy.choose(url, self._endpoint.proxy, self._environment)

    def close(self) -> None:
        self._backend.close()
        for pool in self._pools.values():
            with contextlib.suppress(Exception):
                pool.close()

    def _pool(self, proxy_url: str | None, scheme: str) -> httpcore.ConnectionPool:
        tls = self._tls
        if tls is None and scheme == "https":
            tls = self._tls = tls_context(self._endpoint.ca_bundle)
        common: dict[str, Any] = {
            "max_connections": None,
            "keepalive_expiry": 5.0,
            "ssl_context": tls,
            "network_backend": self._backend,
        }
        if proxy_url is None:
            return httpcore.ConnectionPool(**common)
        common["proxy_url"] = proxy.without_credentials(proxy_url)
        common["proxy_auth"] = proxy.credentials(proxy_url)
        if proxy_url.startswith("socks"):
            return httpcore.SOCKSProxy(**common)
        if proxy_url.startswith("https"):
            common["proxy_ssl_context"] = tls_context(self._endpoint.ca_bundle)
        return httpcore.HTTPProxy(**common)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._stream.close()


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Trust in `ca_bundle` (PEM file or folder), else SSL_CERT_FILE, SSL_CERT_DIR, certifi.

    Takes about 20 ms: the clients of one process can share one.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    check_ca_bundle(ca_bundle)
    try:
        if ca_bundle is None:
            return httpx.create_ssl_context()
        if Path(ca_bundle).is_dir():
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        name = ca_bundle or "the file or folder that SSL_CERT_FILE or SSL_CERT_DIR names"
        raise ConfigError(f"cannot read certificates from {name}: {words(error)}") from error


def check_ca_bundle(ca_bundle: str | None) -> None:
    """Raise `ConfigError` where the bundle is missing, before any request."""
    if ca_bundle is not None and not Path(ca_bundle).exists():
        raise ConfigError(f"the CA bundle does not exist: {ca_bundle}", hint="see --ca-bundle")
