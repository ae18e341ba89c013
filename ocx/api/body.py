"""The bytes of an answer: decompressed, counted, and what they look like; pure."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Literal

from ocx.errors import ServerError

MIB = 1024 * 1024
ERROR_CAP = 256 * 1024
QUICK_CAP = 8 * MIB
CHAT_CAP = 32 * MIB

_PIECE = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":", b"data\n", b"data\r")

Kind = Literal["json", "events", "html", "other"]


def unpack(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces decompressed, none larger than 64 KiB more than it came.

    A few bytes can stand for gigabytes: nothing is unpacked that was not asked for.

    Args:
        encoding: the value of Content-Encoding.

    Raises:
        ServerError: an encoding that was not offered, or broken data.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return iter(pieces)
    if name in {"gzip", "x-gzip"}:
        return _inflate(pieces, zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _deflate(pieces)
    raise ServerError(f"the answer is compressed in a way that was not offered: {name[:40]!r}")


def capped(pieces: Iterable[bytes], cap: int) -> bytes:
    """All pieces in one.

    Raises:
        ServerError: they are more than `cap` bytes.
    """
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > cap:
            raise ServerError(f"the answer is larger than {cap // 1024} KiB")
    return bytes(whole)


def sniff(head: bytes) -> Kind | None:
    """What a body that begins with `head` is; None while it could be anything.

    The content type is not asked: servers label streams as text/plain and errors as text/html.
    """
    start = head.lstrip(_BLANKS).removeprefix(_BOM).lstrip(_BLANKS)
    if not start or _BOM.startswith(start):
        return None
    if start[:1] in b"{[":
        return "json"
    if start[:1] == b"<":
        return "html"
    return "events" if start.startswith(_FIELDS) else "other"


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
