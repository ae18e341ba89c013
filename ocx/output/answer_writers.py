"""The answer of a model as it streams: raw into a pipe, escaped or rendered on a terminal."""

from __future__ import annotations

from typing import Protocol

from ocx.errors import OcxError
from ocx.terminal import Terminal
from ocx.text import escape_control


class Sink(Protocol):
    """Where bytes go: stdout or the file of -o."""

    def write(self, data: bytes) -> int: ...

    def flush(self) -> None: ...


class GatheringSink:
    """Takes many small pieces and passes them on as one at each `flush`.

    If `pass_on` fails (disk full), the error is raised by the next write; inside the network call
    it would be taken for a network error.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held: list[bytes] = []
        self._failure: OcxError | None = None

    def write(self, data: bytes) -> int:
        if self._failure is not None:
            raise self._failure
        self._held.append(data)
        return len(data)

    def flush(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._held:
            data, self._held = b"".join(self._held), []
            self._sink.write(data)

    def pass_on(self) -> None:
        try:
            self.flush()
        except OcxError as error:
            self._failure = error


class Writer(Protocol):
    """Takes text as it comes; `finish` after the last of it, also if the answer broke off."""

    def write(self, text: str) -> None: ...

    def finish(self, *, complete: bool) -> None: ...


class PlainWriter:
    """Unchanged text, one write for each call, a final newline only if the text lacks one.

    Args:
        to_person: control characters are written out, and the prompt gets its own line.
    """

    def __init__(self, sink: Sink, *, to_person: bool = False) -> None:
        self._write = sink.write
        self._to_person = to_person
        self._last = "\n"

    def write(self, text: str) -> None:
        if text:
            shown = escape_control(text) if self._to_person else text
            self._write(shown.encode("utf-8", "replace"))
            self._last = text

    def finish(self, *, complete: bool) -> None:
        if (complete or self._to_person) and not self._last.endswith("\n"):
            self._write(b"\n")


class NoWriter:
    """Prints nothing: what is made of the whole answer is printed instead."""

    def write(self, text: str) -> None: ...

    def finish(self, *, complete: bool) -> None: ...


class ReasoningWriter:
    """Reasoning on stderr, escaped, set apart from the answer by an empty line."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = ""

    def write(self, text: str) -> None:
        if text:
            self._terminal.stderr.write(escape_control(text))
            self._last = text[-1]

    def finish(self) -> None:
        """The answer begins, or there is none."""
        if self._last:
            self._terminal.stderr.write("\n" if self._last == "\n" else "\n\n")
        self._last = ""
