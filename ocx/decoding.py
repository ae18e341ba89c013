"""How bytes become text: UTF-8 without its BOM, or the encoding that was named.

What a file is, by its first bytes: a name can lie, and stdin has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ocx.errors import UsageError, os_errors_as

BOM = "\ufeff"
FLAG = "--encoding"
STDIN = "-"
_SAMPLE = 64 * 1024


def decode(data: bytes, name: str, encoding: str | None = None, *, flag: str | None = None) -> str:
    """`data` as text; a BOM at its beginning is dropped.

    Args:
        name: what the data is called in an error.
        encoding: as `check_encoding` gives it; None is UTF-8.
        flag: what names the encoding of this text, if anything does.

    Raises:
        UsageError: names the offset of the first invalid byte, and what the bytes look like.
    """
    try:
        if encoding is None and b"\0" in data:
            _check_zeros(data, name, flag)
        return data.decode(encoding or "utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not {(encoding or 'utf-8').upper()} text:"
            f" invalid byte at offset {error.start}",
            hint=_advice(data, name, flag),
        ) from None


def read_file(
    path: str,
    read_stdin: Callable[[], bytes],
    encoding: str | None = None,
    *,
    flag: str | None = None,
) -> str:
    """The text of `path`, `-` being stdin; `encoding` and `flag` as `decode` takes them.

    Raises:
        UsageError: it cannot be read.
    """
    if path == STDIN:
        return decode(read_stdin(), "stdin", encoding, flag=flag)
    try:
        with os_errors_as(UsageError, f"cannot read {path}"):
            data = Path(path).read_bytes()
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"cannot read {path!r}: {error}") from None
    return decode(data, path, encoding, flag=flag)


def check_claims(claims: Sequence[str]) -> None:
    """Check that only one of the options takes stdin: it can be read once.

    Raises:
        UsageError: two do.
    """
    if len(claims) > 1:
        raise UsageError(
            f"stdin can be read once, but {' and '.join(claims)} both take it",
            hint="put one of them into a file",
        )


def looks_like(data: bytes, flag: str = FLAG, *, whole: bool = False) -> str | None:
    """`it looks like GB18030; try --encoding gb18030`; None if the bytes look like no text."""
    from ocx.charsets import guess  # noqa: PLC0415 - only on the way to an error

    found = guess(data, whole=whole)
    return f"it looks like {found.upper()}; try {flag} {found}" if found else None


def check_encoding(name: str | None) -> str | None:
    """The codec for `--encoding NAME`; None for UTF-8.

    Raises:
        UsageError: there is no such encoding of texts.
    """
    if name is None:
        return None
    import codecs  # noqa: PLC0415 - only for --encoding

    from ocx.charsets import ENCODINGS, SUPERSETS  # noqa: PLC0415
    from ocx.text import did_you_mean  # noqa: PLC0415

    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # rot13, hex and others are no encodings of texts
    except (LookupError, ValueError):
        known = ("utf-16", *ENCODINGS)
        raise UsageError(
            f"{FLAG}: unknown encoding {name!r}{did_you_mean(name.lower(), known)}",
            hint=f"for example {', '.join(known)}",
        ) from None
    return None if codec in {"utf-8", "utf-8-sig"} else SUPERSETS.get(codec, codec)


def _check_zeros(data: bytes, name: str, flag: str | None) -> None:
    """ASCII text as UTF-16 is valid UTF-8, with a zero behind each letter. Raises UsageError."""
    from ocx.charsets import utf_16  # noqa: PLC0415 - texts hold no zeros

    if utf_16(data[:_SAMPLE]):
        offset = data.index(0)
        hint = _advice(data, name, flag)
        raise UsageError(f"{name} is not UTF-8 text: a zero at offset {offset}", hint=hint)


def _advice(data: bytes, name: str, flag: str | None) -> str:

    media_type = sniff(data)
    if media_type == "text/plain" and b"\0" not in data:
        return f"it is UTF-8: leave {flag} out"
    if media_type is not None:
        kind = "a PDF" if media_type == PDF else "an image"
        return f"it is {kind}: -a {'-' if name == 'stdin' else name}"
    iconv = "iconv -t UTF-8 -f"
    return looks_like(data, flag or iconv, whole=True) or f"convert it first: {iconv} ENCODING"


PDF = "application/pdf"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show; text/plain for UTF-8 text, None for neither."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "text/plain" if _is_text(data) else None


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False
