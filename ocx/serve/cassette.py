"""`cassette:FILE`: record an upstream's answers once and replay them without it, byte for byte.

A file is JSON lines `{"key", "request", "chunks"}` or `{"key", "request", "document"}`. The key is
the SHA-256 of the request as canonical JSON, without the fields that only change how the answer is
sent. Headers are never written, so no key is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ocx.api.completion import CompletionBuilder
from ocx.errors import ConfigError
from ocx.serve import upstream as reading
from ocx.serve.answer import Answer, ForwardedDocument, ForwardedEvent, Part
from ocx.serve.builtin import Target
from ocx.serve.problem import ApiProblem
from ocx.serve.request import ChatRequest
from ocx.serve.wire import dump

_TRANSPORT = ("stream", "stream_options", "user")
_SHOWN = 60

Entry = dict[str, Any]


def canonical(body: dict[str, Any]) -> dict[str, Any]:
    """The part of a request that its answer depends on."""
    return {name: value for name, value in body.items() if name not in _TRANSPORT}


def key_of(request: dict[str, Any]) -> str:
    """SHA-256 of a canonical request, keys sorted, no space, ASCII."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Cassette:
    """The recordings of one file. Equal requests replay in order, then from the start again."""

    is_local = False

    def __init__(self, path: Path, entries: list[Entry], source: Target | None = None) -> None:
        self._path = path
        self._entries = entries
        self._source = source
        self._played: dict[str, int] = {}

    def check(self, request: ChatRequest) -> None:
        if self._source is not None:
            self._source.check(request)

    def answer(self, request: ChatRequest) -> Answer:
        wanted = canonical(request.body)
        if self._source is not None:
            live = self._source.answer(request)
            return Answer(self._record(wanted, live), asked=live.asked)
        key = key_of(wanted)
        found = [entry for entry in self._entries if entry["key"] == key]
        if not found:
            raise ApiProblem(404, self._miss(wanted), code="cassette_miss")
        played = self._played.get(key, 0)
        self._played[key] = played + 1
        return Answer(_replay(found[played % len(found)], request))

    async def close(self) -> None:
        """Close what it records from."""
        close = getattr(self._source, "close", None)
        if close is not None:
            await close()

    def _miss(self, wanted: dict[str, Any]) -> str:
        if not self._entries:
            return f"{self._path.name} holds no recording"
        sides = [(leaves(entry["request"]), at) for at, entry in enumerate(self._entries)]
        asked = leaves(wanted)
        nearest, at = min(sides, key=lambda side: len(differing(side[0], asked)))
        where = differing(nearest, asked)[0]
        return (
            f"no recording in {self._path.name}; the nearest, entry {at + 1}, differs first in"
            f" {where}: {shown(nearest.get(where))} was recorded,"
            f" {shown(asked.get(where))} is asked"
        )

    async def _record(self, wanted: dict[str, Any], live: Answer) -> AsyncGenerator[Part, None]:
        """RateLimitState the answer on; written down once it is complete."""
        chunks: list[Any] = []
        entry: Entry = {"key": key_of(wanted), "request": wanted}
        async with aclosing(live.parts) as parts:
            async for part in parts:
                if isinstance(part, ForwardedEvent):
                    chunks.append(json.loads(part.data))
                elif isinstance(part, ForwardedDocument):
                    entry["document"] = json.loads(part.body)
                yield part
        if chunks:
            entry["chunks"] = chunks
        self._append(entry)

    def _append(self, entry: Entry) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o600)
        try:
            # One write: two servers that record into one file do not mix their lines.
            os.write(fd, dump(entry) + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        self._entries.append(entry)


def load(path: Path, source: Target | None = None) -> Cassette:
    """Read the cassette at `path`; with `source`, record the answers of that target.

    Raises:
        ConfigError: unreadable, or a line is not a recording.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        if source is None:
            raise ConfigError(
                f"no cassette at {path}", hint="record it first: ocx serve --record"
            ) from error
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the cassette {path}: {error}") from error
    # Not splitlines(): U+2028 and others stand raw inside the strings.
    lines = enumerate(text.split("\n"), 1)
    entries = [_entry(path, number, line) for number, line in lines if line.strip()]
    return Cassette(path, entries, source)


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        entry = json.loads(line)
        sound = isinstance(entry["request"], dict) and isinstance(entry["key"], str)
        to_completion(entry["chunks"]) if "chunks" in entry else to_chunks(entry["document"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        sound = False
    if not sound:
        raise ConfigError(f"{path}:{number}: not a recording")
    found: Entry = entry
    return found


async def _replay(entry: Entry, request: ChatRequest) -> AsyncGenerator[Part, None]:
    if not request.stream:
        document = entry["document"] if "document" in entry else to_completion(entry["chunks"])
        yield reading.Reader().document(dump(document))
        return
    chunks = entry["chunks"] if "chunks" in entry else to_chunks(entry["document"])
    for chunk in chunks:
        yield reading.Reader().event(dump(chunk).decode(), usage_wanted=request.include_usage)
        await asyncio.sleep(0)


def to_completion(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The `chat.completion` that a stream of `chunks` adds up to."""
    folded = CompletionBuilder()
    for chunk in chunks:
        folded.add(chunk)
    document = folded.document()
    for choice in document["choices"]:
        for call in choice["message"].get("tool_calls") or ():
            del call["index"]  # only fragments have one
    return document


def to_chunks(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks that add up to `document`: each message whole, the ends, the usage."""
    head = {name: value for name, value in document.items() if name not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk"
    choices = list(enumerate(document["choices"]))
    chunks = [
        {**head, "choices": [_chunk_choice(at, _as_delta(choice["message"]))]}
        for at, choice in choices
    ] + [
        {**head, "choices": [_chunk_choice(at, {}, choice.get("finish_reason"))]}
        for at, choice in choices
    ]
    if document.get("usage"):
        chunks.append({**head, "choices": [], "usage": document["usage"]})
    return chunks


def _chunk_choice(at: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": at, "delta": delta, "finish_reason": finish}


def _as_delta(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]}


def leaves(value: Any, where: str = "") -> dict[str, Any]:
    """Every scalar and empty container of a document by its path, as in `messages[0].content`."""
    if isinstance(value, dict) and value:
        parts = [(f"{where}.{name}" if where else name, value[name]) for name in sorted(value)]
    elif isinstance(value, list) and value:
        parts = [(f"{where}[{at}]", part) for at, part in enumerate(value)]
    else:
        return {where: value}
    found: dict[str, Any] = {}
    for path, part in parts:
        found.update(leaves(part, path))
    return found


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The paths that differ, in order; equal values of different types (1 and true) do differ."""
    return [
        path
        for path in sorted({**one, **other})
        if path not in one or path not in other or dump(one[path]) != dump(other[path])
    ]


def shown(value: Any) -> str:
    text = dump(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
