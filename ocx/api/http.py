"""A request as it goes over the wire: URL, headers, body; without any HTTP library.

`--dry-run` and the client share this code, so that what is shown is what is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocx import __version__
from ocx.api.types import Endpoint
from ocx.api.urls import check_base_url, check_scheme, join, origin
from ocx.errors import ConfigError, UsageError, not_text

USER_AGENT = f"opencodex-cli/{__version__}"
CHAT_PATH = "/chat/completions"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_VALUE = re.compile(r"[^\x00-\x08\n-\x1f\x7f]*")
_OURS = {"authorization", "host", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Message:
    """One request, complete: no header is added below."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes


def encode(body: Mapping[str, Any]) -> bytes:
    """The body's JSON: compact, UTF-8, in the order given. Raises UsageError for what is none."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise not_text(error) from None


def chat_message(endpoint: Endpoint, body: Mapping[str, Any], *, stream: bool) -> Message:
    """The request for a chat; `stream` replaces what the body says."""
    fields = {name: value for name, value in body.items() if name != "stream"}
    if stream:
        fields["stream"] = True
    return build(endpoint, "POST", CHAT_PATH, content=encode(fields), stream=stream)


def build(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    stream: bool = False,
    accept: str = "application/json",
) -> Message:
    """A request to `path` below the base URL, or to the absolute URL that `path` is.

    Key and configured headers go to the origin of the base URL only.

    Raises:
        ConfigError: the URL, a header or the key cannot be used; the value is not repeated.
        UsageError: the method or the path is not one.
    """
    check_base_url(endpoint.base_url, endpoint.allow_http)
    if not _NAME.fullmatch(method):
        raise UsageError(f"{method!r} is not an HTTP method")
    url = _target(endpoint, path)
    at_home = origin(url) == origin(endpoint.base_url)
    fields = {
        "host": ("Host", _host(url)),
        "user-agent": ("User-Agent", USER_AGENT),
        "accept": ("Accept", "text/event-stream, application/json" if stream else accept),
        # A compressor holds back what it has: a stream would come in bursts.
        "accept-encoding": ("Accept-Encoding", "identity" if stream else "gzip, deflate"),
    }
    if content or method in {"POST", "PUT", "PATCH"}:
        fields["content-length"] = ("Content-Length", str(len(content)))
    if content:
        fields["content-type"] = ("Content-Type", "application/json")
    if at_home:
        fields |= _checked(endpoint.headers)
    fields |= _checked(headers or {})
    if at_home and endpoint.key is not None:
        fields["authorization"] = ("Authorization", f"Bearer {_key(endpoint)}")
    return Message(method, url, tuple(fields.values()), content)


def request_preview(
    endpoint: Endpoint, body: Mapping[str, Any], *, stream: bool = True
) -> tuple[str, str, dict[str, str], bytes]:
    """(method, URL, headers with the key masked, exact body) of the chat request; sends nothing."""
    message = chat_message(endpoint, body, stream=stream)
    headers = dict(message.headers)
    if endpoint.key is not None:
        headers["Authorization"] = f"Bearer {endpoint.key.masked()}"
    return message.method, message.url, headers, message.content


def _target(endpoint: Endpoint, path: str) -> str:
    url = path if re.match(r"https?://", path, re.IGNORECASE) else join(endpoint.base_url, path)
    url = url.partition("#")[0]
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("the path holds a character that must be percent-encoded")
    if "@" in url.split("/")[2]:
        raise UsageError("the URL holds a user name or password")
    check_scheme(url, endpoint.allow_http)
    return url


def _host(url: str) -> str:
    scheme, host, port = origin(url)
    name = f"[{host}]" if ":" in host else host
    return name if port == {"http": 80, "https": 443}[scheme] else f"{name}:{port}"


def _checked(headers: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a header name")
        if name.lower() in _OURS:
            raise ConfigError(f"the header {name} is set by ocx itself", hint="remove it")
        if not _VALUE.fullmatch(value):
            raise ConfigError(f"the value of the header {name} holds a control character")
    return {name.lower(): (name, value) for name, value in headers.items()}


def _key(endpoint: Endpoint) -> str:
    if endpoint.key is None or not endpoint.key.is_valid():
        raise ConfigError(
            "the key holds a character that cannot stand in a header",
            hint="a key is 1 to 512 printable ASCII characters, without spaces or newlines",
        )
    return endpoint.key.reveal()
