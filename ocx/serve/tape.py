"""Tapes: every answer that a program got from an endpoint, kept in a file and played again.

A tape is JSON lines, one recorded request each: `{"key", "request", "status", "headers",
"pieces"}`. `request` is `{"method", "path", "query", "body"}`; `key` is the SHA-256 of it as
canonical JSON; `pieces` are `[milliseconds since the request, text]` as the network gave them.
Keys are never on it: of the headers only a few are kept, and texts are masked, of requests too;
`masks` then names what stands for a key, and matches any when it is played.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ocx.errors import ConfigError, OcxError, UsageError
from ocx.files import PartialFile, append
from ocx.owners import check_folder, keeps_owners
from ocx.secret import Secret, mask_all, mask_keys
from ocx.serve.openai_format import dump
from ocx.text import loads, map_texts

_SHOWN = 60
_ANY_KEY = r"""(?:[!#-\[\]-~…]|\\["\\]){1,600}?"""


class Recording(NamedTuple):
    """One answer: its status, the headers that are kept, and the body in pieces with their time.

    `masks` are what stands in the request instead of secrets.
    """

    request: dict[str, Any]
    status: int
    headers: Mapping[str, str]
    pieces: list[tuple[int, bytes]]
    masks: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)


@dataclass
class Tape:
    """The recordings of one file. Equal requests play in order, then from the start again.

    Attributes:
        file: takes new recordings; an old tape of that name stays until they are complete.
    """

    path: Path
    file: TapeFile | None = None
    recordings: list[Recording] = field(default_factory=list)
    _by_key: dict[str, deque[Recording]] = field(default_factory=dict)
    _with_masks: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    def find(self, request: dict[str, Any]) -> Recording | None:
        """The next recording of an equal request; what was masked there matches any word."""
        key = key_of(request)
        if key not in self._by_key:
            text = _canonical(request)
            key = next((at for form, at in self._with_masks if form.fullmatch(text)), key)
        found = self._by_key.get(key)
        if found is None:
            return None
        found.rotate(-1)
        return found[-1]

    def append(self, recording: Recording, secrets: Sequence[Secret]) -> None:
        """Keep an answer that came whole; secrets that the server repeated are masked."""
        if self.file is not None:
            recording = _masked(recording, secrets)
            request, status, headers, pieces, masks = recording
            texts = [[at, piece.decode("utf-8", "surrogateescape")] for at, piece in pieces]
            entry = {
                "key": key_of(request),
                "request": request,
                **({"masks": masks} if masks else {}),
                "status": status,
                "headers": headers,
                "pieces": texts,
            }
            self.file.append(dump(entry) + b"\n")
            self.add(recording)

    def miss(self, wanted: dict[str, Any]) -> str:
        """Why nothing plays: the nearest recording, and the first thing in which it differs."""
        if not self._by_key:
            return f"{self.path.name} holds no recording"
        asked = _leaves(wanted)
        recorded = [_leaves(found[0].request) for found in self._by_key.values()]
        nearest = min(recorded, key=lambda leaves: len(_differing(leaves, asked)))
        where = _differing(nearest, asked)[0]
        return (
            f"no recording in {self.path.name}; the nearest differs first in {where}:"
            f" {_shown(nearest.get(where))} was recorded, {_shown(asked.get(where))} is asked"
        )

    def add(self, recording: Recording) -> None:
        self.recordings.append(recording)
        key = key_of(recording.request)
        if key not in self._by_key and recording.masks:
            self._with_masks.append((_pattern(recording), key))
        self._by_key.setdefault(key, deque()).append(recording)


def request_of(method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
    """What identifies a request; a body that is JSON counts by its value, not its spelling."""
    try:
        content: Any = loads(body) if body else None
    except ValueError:
        content = body.decode("utf-8", "backslashreplace")
    return {"method": method, "path": path, "query": query, "body": content}


def masked_request(
    request: dict[str, Any], secrets: Sequence[Secret]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request as a tape holds it, and the masks that stand in it for `secrets`.

    Everything that looks like a key is masked too: who replays a tape need not have the key.
    """
    found: set[str] = set()

    def hide(text: str) -> str:
        for secret in secrets:
            hidden = mask_keys(text, [secret])
            if hidden != text:
                found.add(secret.masked())
            text = hidden
        return mask_all(text)

    return map_texts(request, hide), tuple(sorted(found))


def load_tape(path: Path, *, adds: bool = False) -> Tape:
    """Read a tape.

    Args:
        adds: new recordings come after the old ones; none need be there.

    Raises:
        UsageError: another `ocx` records it.
        ConfigError: it cannot be read, or a line of it is not a recording.
    """
    text = ""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        if not adds:
            hint = f"record it first: ocx serve --record {path} -- CMD"
            raise ConfigError(f"there is no tape at {path}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the tape {path}: {error}") from error
    # Not splitlines(): U+2028 and others stand raw inside the strings.
    lines = enumerate(text.split("\n"), 1)
    recordings = [_recording(path, number, line) for number, line in lines if line.strip()]
    old = text.rstrip("\n").encode() + b"\n" if recordings else b""
    tape = Tape(path, TapeFile(path, old, adds=True) if adds else None)
    for recording in recordings:
        tape.add(recording)
    return tape


def _masked(recording: Recording, secrets: Sequence[Secret]) -> Recording:
    """The recording without the secrets in an answer; its body then is one piece."""
    headers = {name: mask_keys(value, secrets) for name, value in recording.headers.items()}
    recording = recording._replace(headers=headers)
    # Latin-1 keeps every byte, so the key is found in UTF-16, too.
    whole = recording.body.decode("latin-1")
    text = mask_keys(whole, secrets)
    if text == whole:
        return recording
    return recording._replace(pieces=[(recording.pieces[-1][0], mask_bytes(text))])


def mask_bytes(text: str) -> bytes:
    """Masked bytes that were read as Latin-1, the ellipsis of the masks as UTF-8."""
    return text.replace("…", "…".encode().decode("latin-1")).encode("latin-1")


def _canonical(request: dict[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _pattern(recording: Recording) -> re.Pattern[str]:
    """The request with any word, as JSON spells it, in the place of each mask."""
    masks = "|".join(map(re.escape, sorted(recording.masks, key=len, reverse=True)))
    first, *others = map(re.escape, re.split(masks, _canonical(recording.request)))
    # The first place that fits is kept: with many masks, trying all might take for ever.
    inner = "".join(f"(?>{_ANY_KEY}{part})" for part in others[:-1])
    last = f"{_ANY_KEY}{others[-1]}" if others else ""
    return re.compile(f"{first}{inner}{last}")


def _recording(path: Path, number: int, line: str) -> Recording:
    try:
        entry = loads(line)
        pieces = [
            (int(at), text.encode("utf-8", "surrogateescape")) for at, text in entry["pieces"]
        ]
        headers = {str(name): str(value) for name, value in entry["headers"].items()}
        request, _ = masked_request(dict(entry["request"]), ())
        masks = tuple(masked for masked in entry.get("masks", ()) if "…" in masked)
        return Recording(request, int(entry["status"]), headers, pieces, masks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}:{number}: not a recording") from error


def key_of(request: dict[str, Any]) -> str:
    """SHA-256 of a canonical request, keys sorted, no space, ASCII."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _leaves(value: Any, where: str = "") -> dict[str, Any]:
    """Every scalar and empty container of a document by its path, as in `messages[0].content`."""
    if isinstance(value, dict) and value:
        parts = [(f"{where}.{name}" if where else name, value[name]) for name in sorted(value)]
    elif isinstance(value, list) and value:
        parts = [(f"{where}[{at}]", part) for at, part in enumerate(value)]
    else:
        return {where: value}
    return {path: leaf for at, part in parts for path, leaf in _leaves(part, at).items()}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The paths that differ, in order; equal values of different types (1 and true) do differ."""
    return [
        path
        for path in sorted({**one, **other})
        if path not in one or path not in other or dump(one[path]) != dump(other[path])
    ]


def _shown(value: Any) -> str:
    text = dump(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class TapeFile(PartialFile):
    """A tape that lines are appended to.

    Args:
        old: what the tape held.
        adds: new recordings are added to it.

    Attributes:
        recorded: how many lines were appended.
        asked: how many requests were sent for them.

    Raises:
        UsageError: another `ocx` records it.
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path, old: bytes = b"", *, adds: bool = False) -> None:
        self.adds = adds
        self.recorded = self.asked = 0
        self._old = old
        self._error: OSError | None = None
        try:
            if path.exists() and not path.is_file():
                raise ConfigError(f"cannot write the tape {path}: it is no plain file")
            if keeps_owners(path.parent):
                check_folder(path.parent)
            super().__init__(path, 0o600)
        except BlockingIOError:
            hint = "wait for it, or name another tape"
            raise UsageError(f"another ocx is writing {path}", hint=hint) from None
        except OSError as error:
            raise ConfigError(f"cannot write the tape {path}: {error.strerror}") from error

    def append(self, line: bytes) -> None:
        """Keep a line; after a failure, which `complete` raises, nothing more."""
        if self._error is not None:
            return
        if not self.recorded:
            line = self._old + line
        try:
            append(self.fd, line, os.lseek(self.fd, 0, os.SEEK_END))
        except OSError as error:
            self._error = error
        else:
            self.recorded += 1

    def held(self) -> int:
        """How many answers the old tape holds; 0 if it cannot be read."""
        try:
            return sum(bool(line.strip()) for line in self.path.read_bytes().split(b"\n"))
        except OSError:
            return 0

    def complete(self) -> None:
        """Replace the old tape, if anything was recorded.

        Raises:
            OcxError: not all of it could be written; the old tape is as it was.
        """
        try:
            if self._error is not None:
                raise self._error
            if self.recorded:
                super().complete()
        except OSError as error:
            message = f"cannot write the tape {self.path}: {error.strerror}"
            kept = self.abandon()
            hint = f"what was recorded is in {kept}" if kept else None
            raise OcxError(message, hint=hint) from error
        self.abandon()
