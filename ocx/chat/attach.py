"""`-a/--attach`: files and image URLs as the content parts of OpenAI's chat API."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ocx.chat.placeholders import join
from ocx.decoding import FLAG, PDF, STDIN, decode, looks_like, sniff
from ocx.errors import UsageError, os_errors_as

Part = dict[str, Any]

LIMIT = 20 * 2**20
"""Bytes of one attachment: the lowest limit for an image that a large provider documents."""

_TEXT_TYPES = frozenset(
    f"application/{name}" for name in ("json", "xml", "yaml", "toml", "javascript", "x-sh", "sql")
)


def read_attachments(
    sources: Sequence[str],
    types: Sequence[str],
    read_stdin: Callable[[], bytes],
    limit: int = LIMIT,
    encoding: str | None = None,
) -> list[Part]:
    """One content part for each of `sources`: a file, `-` for stdin, or an https URL of an image.

    Args:
        types: the values of --attach-type: none, one for all, or one for each source in order.
        encoding: of texts; None is UTF-8.

    Raises:
        UsageError: one cannot be read or sent, or the types do not match.
    """
    if types and not sources:
        raise UsageError("--attach-type without -a", hint="attach a file: -a FILE")
    if len(types) not in {0, 1, len(sources)}:
        raise UsageError(
            f"{len(types)} --attach-type for {len(sources)} -a",
            hint="give one for all, or one for each -a in the same order",
        )
    chosen = types if len(types) == len(sources) else [*types, None][:1] * len(sources)
    parts = []
    for source, media_type in zip(sources, chosen, strict=True):
        if source.lower().startswith(("https://", "http://")):
            parts.append(_url_part(source, media_type))
        else:
            data = _read(source, read_stdin, limit)
            parts.append(_data_part(source, data, media_type, encoding))
    return parts


def content(prompt: str, parts: Sequence[Part]) -> str | list[Part]:
    """The user message's content: one text if everything is text, else a list of parts.

    Not every server takes a list, so text files are joined to the prompt as `-f` joins them.
    """
    if all(part["type"] == "text" for part in parts):
        return join([prompt, *(part["text"] for part in parts)])
    return [*([{"type": "text", "text": prompt}] if prompt else []), *parts]


def _url_part(url: str, media_type: str | None) -> Part:
    if not url.lower().startswith("https://"):
        raise UsageError(
            "only an https:// URL is passed on to the model",
            hint="download the file and attach it, or ./ before a file of that name",
        )
    if media_type is not None and not media_type.startswith("image/"):
        raise UsageError(f"a URL can only be an image, not {media_type}", hint="attach the file")
    return {"type": "image_url", "image_url": {"url": url}}


def _data_part(source: str, data: bytes, media_type: str | None, encoding: str | None) -> Part:
    name = _name(source)
    kind = media_type or sniff(data) or (encoding and "text/plain")
    if not kind:
        raise UsageError(
            f"the attachment {name} is not PNG, JPEG, GIF, WebP, PDF or UTF-8 text",
            hint=looks_like(data) or "convert it, or say what it is: --attach-type image/…",
        )
    of_text = kind.startswith("application/") and kind.endswith(("+json", "+xml"))
    if of_text or kind in _TEXT_TYPES or kind.startswith("text/"):
        return {"type": "text", "text": decode(data, name, encoding, flag=FLAG)}
    encoded = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": encoded}}
    if kind == PDF:
        filename = "document.pdf" if source == STDIN else Path(source).name
        return {"type": "file", "file": {"filename": filename, "file_data": encoded}}
    raise UsageError(
        f"{name} cannot be sent as {kind}",
        hint="--attach-type takes image/…, application/pdf, text/… and types of text like JSON",
    )


def _read(source: str, read_stdin: Callable[[], bytes], limit: int) -> bytes:
    name = _name(source)
    with os_errors_as(UsageError, f"cannot read the attachment {name}"):
        if source == STDIN:
            data = read_stdin()
        else:
            with Path(source).open("rb") as file:
                data = file.read(limit + 1)  # a device may never end
    if len(data) > limit:
        raise UsageError(
            f"the attachment {name} is larger than {limit / 2**20:g} MiB",
            hint="make it smaller, or name an https:// URL of the image",
        )
    if not data:
        raise UsageError(f"the attachment {name} is empty")
    return data


def _name(source: str) -> str:
    return "stdin" if source == STDIN else source
