"""Tapes: every answer that a program got from an endpoint, kept in a file and played again.

A tape is JSON lines, one recorded request each: `{"key", "request", "status", "headers",
"pieces"}`. `request` is `{"method", "path", "query", "body"}`; `key` is the SHA-256 of it as
canonical JSON; `pieces` are `[milliseconds since the request, text]` as the network gave them.
Keys are never on it: of the headers only a few are kept, and texts are masked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ocx.errors import ConfigError
from ocx.files import check_ours
from ocx.secret import Secret, mask
from ocx.serve.cassette import differing, key_of, leaves, shown
from ocx.serve.wire import dump

KEPT_HEADERS = frozenset(
    "content-type retry-after retry-after-ms x-request-id request-id location".split()
)
_RATE_LIMITS = "x-ratelimit-"

Pieces = list[tuple[int, bytes]]


class Recording(NamedTuple):
    """One answer: its status, the headers that are kept, and the body in pieces with their time."""

    request: Mapping[str, Any]
    status: int
    headers: Mapping[str, str]
    pieces: Pieces


class Tape:
    """The recordings of one file. Equal requests play in order, then from the start again."""

    def __init__(self, path: Path, recordings: list[Recording]) -> None:
        self.path = path
        self._recordings: dict[str, list[Recording]] = {}
        self._played: dict[str, int] = {}
        for recording in recordings:
            self._add(recording)

    def find(self, request: Mapping[str, Any]) -> Recording | None:
        """The next recording of an equal request."""
        key = key_of(dict(request))
        found = self._recordings.get(key)
        if found is None:
            return None
        played = self._played.get(key, 0)
        self._played[key] = played + 1
        return found[played % len(found)]

    def append(self, recording: Recording, secret: Secret | None) -> None:
        """Keep an answer that came whole; `secret` is masked if the server repeated it."""
        line = dump(_document(_masked(recording, secret) if secret else recording)) + b"\n"
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)  # one write, so that two recorders do not mix their lines
        finally:
            os.close(fd)
        self._add(recording)

    def miss(self, wanted: Mapping[str, Any]) -> str:
        """Why nothing plays: the nearest recording, and the first thing in which it differs."""
        recorded = [found[0].request for found in self._recordings.values()]
        if not recorded:
            return f"{self.path.name} holds no recording"
        asked = leaves(dict(wanted))
        nearest = min((leaves(dict(r)) for r in recorded), key=lambda r: len(differing(r, asked)))
        where = differing(nearest, asked)[0]
        return (
            f"no recording in {self.path.name}; the nearest differs first in {where}:"
            f" {shown(nearest.get(where))} was recorded, {shown(asked.get(where))} is asked"
        )

    def _add(self, recording: Recording) -> None:
        self._recordings.setdefault(key_of(dict(recording.request)), []).append(recording)


def request_of(method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
    """What identifies a request; a body that is JSON counts by its value, not its spelling."""
    try:
        content: Any = json.loads(body) if body else None
    except (ValueError, RecursionError):
        content = body.decode("utf-8", "backslashreplace")
    return {"method": method, "path": path, "query": query, "body": content}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that a tape keeps; names in lower case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {n: v for n, v in lower.items() if n in KEPT_HEADERS or n.startswith(_RATE_LIMITS)}


def new_tape(path: Path) -> Tape:
    """An empty tape; an old one of that name is replaced.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            check_ours(os.fstat(fd))
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise ConfigError(f"cannot write the tape {path}: {error.strerror}") from error
    return Tape(path, [])


def load_tape(path: Path) -> Tape:
    """Read a tape.

    Raises:
        ConfigError: it cannot be read, or a line of it is not a recording.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        hint = f"record it first: ocx serve --record {path} -- CMD"
        raise ConfigError(f"there is no tape at {path}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the tape {path}: {error}") from error
    # Not splitlines(): U+2028 and others stand raw inside the strings.
    lines = enumerate(text.split("\n"), 1)
    return Tape(path, [_recording(path, number, line) for number, line in lines if line.strip()])


def _masked(recording: Recording, secret: Secret) -> Recording:
    """The recording without the key, if the server repeated it; its body then is one piece."""
    headers = {name: mask(value, [secret]) for name, value in recording.headers.items()}
    recording = recording._replace(headers=headers)
    # Latin-1 keeps every byte, so the key is found in UTF-16, too.
    whole = b"".join(piece for _, piece in recording.pieces).decode("latin-1")
    text = mask(whole, [secret])
    if text == whole:
        return recording
    body = text.replace("…", "…".encode().decode("latin-1")).encode("latin-1")
    return recording._replace(pieces=[(recording.pieces[-1][0], body)])


def _document(recording: Recording) -> dict[str, Any]:
    return {
        "key": key_of(dict(recording.request)),
        "request": recording.request,
        "status": recording.status,
        "headers": recording.headers,
        "pieces": [
            [at, piece.decode("utf-8", "surrogateescape")] for at, piece in recording.pieces
        ],
    }


def _recording(path: Path, number: int, line: str) -> Recording:
    try:
        entry = json.loads(line)
        pieces = [
            (int(at), text.encode("utf-8", "surrogateescape")) for at, text in entry["pieces"]
        ]
        headers = {str(name): str(value) for name, value in entry["headers"].items()}
        return Recording(dict(entry["request"]), int(entry["status"]), headers, pieces)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}:{number}: not a recording") from error
