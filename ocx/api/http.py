"""A request and the bytes of an answer, as they go over the wire; without any HTTP library.

`--dry-run` and the client share this code, so that what is shown is what is sent.
"""

from __future__ import annotations

import codecs
import contextlib
import itertools
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlencode

from ocx import __version__
from ocx.api.sse import TOO_LARGE_HINT
from ocx.api.types import Endpoint, Headers
from ocx.api.urls import CHAT_PATH, check_base_url, join, place_of
from ocx.errors import ConfigError, ServerError, UsageError, not_text
from ocx.text import encoder

USER_AGENT = f"opencodex-cli/{__version__}"

MIB = 1024 * 1024
ERROR_CAP = 256 * 1024
QUICK_CAP = 8 * MIB
CHAT_CAP = 32 * MIB

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_VALUE = re.compile(r"[^\x00-\x08\n-\x1f\x7f]*")
_OURS = {"authorization", "host", "content-length", "transfer-encoding", "connection"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PATH_HINT = "a path below the base URL looks like models or chat/completions"

_to_json = encoder()
_PIECE = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_EVENT_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":", b"data\n", b"data\r")
_CHARSET = r"""(?i)charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})"""
_ANY_BYTES = {"ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "windows-1252", "cp1252"}
"""What servers write who do not know what they send."""

BodyKind = Literal["json", "events", "html", "other"]


class HttpRequest(NamedTuple):
    """One request, complete: no header is added below."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes

    def with_content(self, content: bytes) -> HttpRequest:
        """The same with another body, where neither is empty."""
        at = self.headers.index(("Content-Length", str(len(self.content))))
        length = ("Content-Length", str(len(content)))
        headers = (*self.headers[:at], length, *self.headers[at + 1 :])
        return HttpRequest(self.method, self.url, headers, content)


def encode(body: Mapping[str, Any]) -> bytes:
    """The body as compact JSON in UTF-8, its fields in the order given.

    Raises:
        UsageError: it holds half of a surrogate pair.
    """
    try:
        return _to_json(body).encode()
    except UnicodeEncodeError as error:
        raise not_text(error) from None


def chat_request(endpoint: Endpoint, body: Mapping[str, Any], *, stream: bool) -> HttpRequest:
    """The request for a chat; `stream` replaces what the body says."""
    fields = {name: value for name, value in body.items() if name != "stream"}
    if stream:
        fields["stream"] = True
    return build_request(endpoint, "POST", CHAT_PATH, content=encode(fields), stream=stream)


def build_request(
    endpoint: Endpoint, method: str, path: str, *, content: bytes = b"", stream: bool = False
) -> HttpRequest:
    """A request to `path` below the base URL, with the key and the configured headers.

    Raises:
        ConfigError: the base URL, a header or the key cannot be used; the value is not repeated.
        UsageError: the method or the path cannot be used.
    """
    check_base_url(endpoint.base_url, endpoint.allow_http)
    if not _NAME.fullmatch(method):
        raise UsageError(f"{method!r} is not an HTTP method")
    url = join(endpoint.base_url, below_base_url(path))
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("the path holds a character that must be percent-encoded")
    accept = "text/event-stream, application/json" if stream else "application/json"
    fields = {
        "host": ("Host", place_of(url)),
        "user-agent": ("User-Agent", USER_AGENT),
        "accept": ("Accept", accept),
        # A compressor holds back what it has: a stream would come in bursts.
        "accept-encoding": ("Accept-Encoding", "identity" if stream else "gzip, deflate"),
    }
    if content or method in {"POST", "PUT", "PATCH"}:
        fields["content-length"] = ("Content-Length", str(len(content)))
    if content:
        fields["content-type"] = ("Content-Type", "application/json")
    fields |= _checked(endpoint.headers)
    if endpoint.key is not None:
        if not endpoint.key.is_valid():
            raise ConfigError(
                "the key holds a character that cannot stand in a header",
                hint="a key is 1 to 512 printable ASCII characters, without spaces or newlines",
            )
        fields["authorization"] = ("Authorization", f"Bearer {endpoint.key.reveal()}")
    return HttpRequest(method, url, tuple(fields.values()), content)


def request_preview(
    endpoint: Endpoint, body: Mapping[str, Any], *, stream: bool = True
) -> tuple[str, str, dict[str, str], bytes]:
    """(method, URL, headers with the key masked, exact body) of the chat request; sends nothing."""
    request = chat_request(endpoint, body, stream=stream)
    headers = dict(request.headers)
    if endpoint.key is not None:
        headers["Authorization"] = f"Bearer {endpoint.key.masked()}"
    return request.method, request.url, headers, request.content


def below_base_url(path: str) -> str:
    """Return `path` as given.

    A server, or a proxy before it, may decode a segment before it resolves it, so `%2e%2e` is
    `..` here, too.

    Raises:
        UsageError: it could lead anywhere else.
    """
    name = path.partition("?")[0]
    decoded = unquote(unquote(name))
    if _SCHEME.match(name):
        raise UsageError("the path is a URL; only the base URL is reached", hint=_PATH_HINT)
    if "//" in decoded or "\\" in decoded:
        raise UsageError("the path holds // or \\", hint=_PATH_HINT)
    if {".", ".."} & set(decoded.split("/")):
        raise UsageError("the path holds . or ..", hint=_PATH_HINT)
    if "#" in path:
        raise UsageError("the path holds a fragment (#)", hint="write # as %23")
    return path


def with_query(path: str, fields: Mapping[str, Any]) -> str:
    """`path` with `fields` added to its query: texts as they are, everything else as JSON."""
    pairs = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(pairs)}"


def unpack(pieces: Iterable[bytes], headers: Headers) -> Iterator[bytes]:
    """Decompress as the pieces come; none that comes out is larger than 64 KiB.

    A few bytes can stand for gigabytes, so nothing is decompressed before it is asked for.

    Raises:
        ServerError: their Content-Encoding was not offered, or the data is broken.
    """
    name = headers.get("content-encoding", "").strip().lower()
    if name in {"", "identity"}:
        return iter(pieces)
    if name in {"gzip", "x-gzip"}:
        return _inflate(pieces, zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _deflate(pieces)
    raise ServerError(f"the answer is compressed in a way that was not offered: {name[:40]!r}")


def capped(pieces: Iterable[bytes], cap: int) -> bytes:
    """Join all pieces.

    Raises:
        ServerError: they are more than `cap` bytes.
    """
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > cap:
            raise too_large(cap)
    return bytes(whole)


def beginning(pieces: Iterable[bytes], headers: Headers, cap: int) -> bytes:
    """The first `cap` bytes of a body, or as many as come before anything goes wrong."""
    body = bytearray()
    with contextlib.suppress(Exception):
        for piece in unpack(pieces, headers):
            body += piece
            if len(body) > cap:
                break
    return bytes(body[:cap])


def joined_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; repeated ones are joined by a comma."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def too_large(cap: int) -> ServerError:
    """The error of an answer beyond `cap` bytes; the same request would bring it again."""
    hint = TOO_LARGE_HINT if cap == CHAT_CAP else None
    message = f"the answer is larger than {cap // 1024} KiB"
    return ServerError(message, hint=hint, rerun_helps=False)


def sniff(head: bytes) -> BodyKind | None:
    """The kind of a body that begins with `head`; None while it could be anything.

    The content type does not count: servers label streams as text/plain and errors as text/html.
    """
    start = head.lstrip(_BLANKS).removeprefix(_BOM).lstrip(_BLANKS)
    if not start or _BOM.startswith(start):
        return None
    if start[:1] in b"{[":
        return "json"
    if start[:1] == b"<":
        return "html"
    return "events" if start.startswith(_EVENT_FIELDS) else "other"


def _checked(headers: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a header name")
        if name.lower() in _OURS:
            raise ConfigError(f"the header {name} is set by ocx itself", hint="remove it")
        if not _VALUE.fullmatch(value):
            raise ConfigError(f"the value of the header {name} holds a control character")
    return {name.lower(): (name, value) for name, value in headers.items()}


def _deflate(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """RFC 9110 means zlib by "deflate"; many servers send it without zlib's header (RFC 1950)."""
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if len(head) >= 2:
            break
    has_header = head[:1] and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    bits = zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
    return _inflate(itertools.chain([head], rest), bits)


def _inflate(pieces: Iterable[bytes], bits: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(bits)
    empty = True
    for piece in pieces:
        data = piece
        part = b""
        # A full part may have left something inside, with no input to show for it.
        while (data or len(part) == _PIECE) and not unpacker.eof:
            empty = False
            try:
                part = unpacker.decompress(data, _PIECE)
            except zlib.error as error:
                raise ServerError("the compressed answer is broken") from error
            data = unpacker.unconsumed_tail
            if part:
                yield part
    if not unpacker.eof and not empty:
        raise ServerError("the compressed answer ends too early")


def decoded(body: bytes, content_type: str = "") -> str:
    """The text of an error: by its charset, as UTF-8, else by what its bytes look like.

    A charset that fits any bytes counts last: servers name it unasked.
    """
    named = re.search(_CHARSET, content_type)
    charset = named.group(1).lower() if named else ""
    fits_all = charset in _ANY_BYTES
    with contextlib.suppress(LookupError, ValueError):
        return body.decode("" if fits_all else charset)
    with contextlib.suppress(ValueError):
        # It may have been cut inside a character.
        return codecs.utf_8_decode(body, "strict", fits_all)[0].removeprefix("\ufeff")
    from ocx.decoding import guess  # noqa: PLC0415 - only for a body that is not UTF-8

    guessed = guess(body)
    if guessed is None or guessed.startswith("utf-16"):  # a message has no need of that
        return body.decode(charset if fits_all else "utf-8", "replace")
    return body.decode(guessed, "replace")
