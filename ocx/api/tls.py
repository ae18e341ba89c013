"""The certificates that are trusted, as httpx reads them; one context for client and pool."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from ocx.api.error_response import excerpt
from ocx.errors import ConfigError


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Trust the certificates of `ca_bundle` (PEM file or folder).

    Without one, those of SSL_CERT_FILE, SSL_CERT_DIR or certifi. Loading them takes about 20 ms
    and some memory, so the clients of many threads should share one context: pass it to each
    `Client(tls=...)`.

    Raises:
        ConfigError: the file is missing or holds no certificate.
    """
    check_ca_bundle(ca_bundle)
    file = folder = data = None
    if ca_bundle is not None and Path(ca_bundle).is_dir():
        folder = ca_bundle
    elif ca_bundle is not None:
        file = ca_bundle
    elif os.environ.get("SSL_CERT_FILE"):
        file = os.environ["SSL_CERT_FILE"]
    elif os.environ.get("SSL_CERT_DIR"):
        folder = os.environ["SSL_CERT_DIR"]
    else:
        import certifi  # noqa: PLC0415 - only if nothing else is named

        # Not where(): for a program in a zip that is a file in the temporary folder, and stays.
        data = certifi.contents()
    try:
        context = ssl.create_default_context(cafile=file, capath=folder, cadata=data)
    except (OSError, ssl.SSLError) as error:
        name = ca_bundle or "the file or folder that SSL_CERT_FILE or SSL_CERT_DIR names"
        raise ConfigError(f"cannot read certificates from {name}: {reason_of(error)}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_ca_bundle(ca_bundle: str | None) -> None:
    """Raise `ConfigError` if the bundle is missing, before any request."""
    if ca_bundle is not None and not Path(ca_bundle).exists():
        raise ConfigError(f"the CA bundle does not exist: {ca_bundle}", hint="see --ca-bundle")


def reason_of(error: BaseException) -> str:
    """What an exception of TLS, a socket or a proxy says, as a few words on one line."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # A proxy's reason phrase comes from the network too.
    return excerpt(text) or type(error).__name__
