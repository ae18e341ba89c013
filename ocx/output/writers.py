"""What is written: an answer as it streams, a JSON document, an error.

An answer goes raw into a pipe; on a terminal it is escaped, or rendered by `ocx.output.markdown`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from ocx.errors import DeclinedError, NoCommandError, OcxError
from ocx.jsontext import compact
from ocx.terminal import Terminal
from ocx.text import CONTROL, escape_control, one_line


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


def write_json(terminal: Terminal, value: Any, sink: Sink | None = None) -> None:
    """Print exactly one JSON document and a newline, on stdout if no `sink` is given."""
    to_person = terminal.stdout_tty and sink is None
    (sink or terminal.stdout).write(json_text(value, to_person=to_person))


def json_text(value: Any, *, to_person: bool) -> bytes:
    """The bytes of that document: compact in a pipe, indented on a terminal."""
    if to_person:
        text = escaped_json(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        text = compact(value)
    return text.encode("utf-8", "replace") + b"\n"


def write_json_line(terminal: Terminal, value: Any) -> None:
    """Print one document on one line, on a terminal too."""
    text = compact(value)
    terminal.print(escaped_json(text) if terminal.stdout_tty else text)


def escaped_json(text: str) -> str:
    """JSON in which no control character stands as itself: what a person sees is JSON still."""
    return re.sub(CONTROL, lambda found: f"\\u{ord(found.group()):04x}", text)


def write_failure(terminal: Terminal, error: OcxError, *, as_json: bool) -> None:
    """Print `error` on stderr: line, hint, request id; or one JSON object, or a short help."""
    if as_json:
        terminal.exact_message(failure_json(error))
        return
    if isinstance(error, NoCommandError):
        terminal.stderr.write(error.help)
        return
    kind = "" if isinstance(error, DeclinedError) else "error: "
    terminal.message(f"ocx: {kind}{one_line(error.message)}")
    if error.hint:
        terminal.message(f"hint: {one_line(error.hint)}")
    if error.request_id:
        terminal.message(f"request id: {one_line(error.request_id)}")


def failure_json(error: OcxError) -> str:
    fields = {
        "type": error.name,
        "status": error.status,
        "code": error.api_code,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "request_id": error.request_id,
        "exit_code": error.exit_code,
    }
    return json.dumps({"error": fields}, ensure_ascii=True)
