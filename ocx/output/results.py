"""A result as one JSON document on stdout; an error as a line, or as JSON, on stderr."""

from __future__ import annotations

import json
import re
from typing import Any

from ocx.errors import DeclinedError, NoCommandError, OcxError
from ocx.jsontext import compact
from ocx.output.answer_writers import Sink
from ocx.terminal import Terminal
from ocx.text import CONTROL, one_line


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
