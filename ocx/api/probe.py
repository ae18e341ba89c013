"""One connection made step by step, so that the step that fails can be named; `ocx doctor` only.

Plain sockets, not the client's HTTP library: that reports one error for a whole connection. The
request at the end carries no key.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ocx.api.http import USER_AGENT
from ocx.errors import DeadlineError, NetworkError, ServerError

_WRONG_PORT = "are the scheme and the port in base_url right?"
_TRUST = {10: "expired", 9: "not valid yet", 18: "self-signed", 19: "self-signed"}
"""OpenSSL's X509_V_ERR_* numbers, include/openssl/x509_vfy.h."""


@dataclass(frozen=True)
class Certificate:
    """Who signed it, and until when it is valid."""

    issuer: str
    expires: datetime | None


@dataclass(frozen=True)
class Answer:
    """The head of an HTTP answer; `date` is the server's clock."""

    status: int
    content_type: str
    location: str | None
    date: datetime | None


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of `host`. Raises: NetworkError, DeadlineError."""
    # getaddrinfo() knows no timeout.
    answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer), daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise DeadlineError(f"looking up {host} took more than {seconds:g} s") from None
    if isinstance(found, Exception):
        text = getattr(found, "strerror", None) or found
        raise NetworkError(
            f"{host} cannot be resolved: {text}",
            hint="check the name in base_url, the network, and /etc/resolv.conf",
        )
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def connect(addresses: list[str], port: int, seconds: float) -> socket.socket:
    """A connection to the first address that answers. Raises: NetworkError, DeadlineError."""
    problem: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), seconds / len(addresses))
        except OSError as error:
            problem = error
    place = f"{addresses[-1]}, port {port}"
    if isinstance(problem, TimeoutError):
        raise DeadlineError(f"no answer from {place} within {seconds:g} s", hint="a firewall?")
    text = getattr(problem, "strerror", None) or problem
    raise NetworkError(
        f"{place}: {text}", hint="is the port in base_url right, and the server running?"
    )


def tunnel(sock: socket.socket, host: str, port: int, login: tuple[str, str] | None) -> None:
    """Have an HTTP proxy connect `sock` to `host`. Raises: NetworkError."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = {"Host": place, "User-Agent": USER_AGENT}
    if login is not None:
        word = base64.b64encode(":".join(login).encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {word}"
    lines = [f"CONNECT {place} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    with _talking("the proxy"):
        sock.sendall("\r\n".join(lines).encode("latin-1"))
        response = http.client.HTTPResponse(sock, method="CONNECT")
        response.begin()
    if response.status == 407:
        raise NetworkError(
            "the proxy asks for credentials (407)", hint="check the proxy's user name and password"
        )
    if response.status != 200:
        raise NetworkError(
            f"the proxy refuses to connect to {host}: {response.status} {response.reason}",
            hint="ask who runs it, or add the host to NO_PROXY",
        )


def secure(sock: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """TLS over `sock`. Raises: NetworkError naming what is wrong with the certificate."""
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(error) from error
    except ssl.SSLError as error:
        reason = (error.reason or "").replace("_", " ").lower()
        raise NetworkError(f"no TLS: {reason or error}", hint=_WRONG_PORT) from error
    except TimeoutError:
        raise DeadlineError("no TLS: the server says nothing", hint=_WRONG_PORT) from None
    except OSError as error:
        raise NetworkError(f"no TLS: {error.strerror or error}", hint=_WRONG_PORT) from error


def certificate(sock: ssl.SSLSocket) -> Certificate:
    found: Any = sock.getpeercert() or {}
    names = {key: text for part in found.get("issuer", ()) for key, text in part}
    issuer = names.get("organizationName") or names.get("commonName") or "an unnamed authority"
    until = found.get("notAfter")
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None
    return Certificate(issuer, expires)


def ask(sock: socket.socket, url: str) -> Answer:
    """GET `url` over `sock`, without a key. Raises: NetworkError, ServerError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = sock
    with _talking("the server"):
        connection.request("GET", parts.path, headers={"User-Agent": USER_AGENT})
        response = connection.getresponse()
    return Answer(
        response.status,
        response.headers.get_content_type() if response.headers.get("content-type") else "",
        response.headers.get("location"),
        _date(response.headers.get("date")),
    )


def _untrusted(error: ssl.SSLCertVerificationError) -> NetworkError:
    kind = _TRUST.get(error.verify_code)
    text = error.verify_message
    if kind in {"expired", "not valid yet"}:
        return NetworkError(
            f"the certificate is {kind}: {text}",
            hint="it must be renewed there, unless this machine's clock is wrong",
        )
    return NetworkError(
        f"the certificate is {kind or 'not trusted'}: {text}",
        hint="--ca-bundle FILE names the authority that signed it",
    )


@contextlib.contextmanager
def _talking(who: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise DeadlineError(f"{who} says nothing") from None
    except http.client.HTTPException as error:
        raise ServerError(f"{who} does not speak HTTP", hint=_WRONG_PORT) from error
    except OSError as error:
        raise NetworkError(f"{who} closed the connection: {error.strerror or error}") from error


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _look_up(host: str, port: int, answer: queue.SimpleQueue[Any]) -> None:
    try:
        answer.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        answer.put(error)
