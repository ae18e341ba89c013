"""An error as one line for a person, or as one JSON object for a program."""

from __future__ import annotations

from ocx.errors import DeclinedError, NoCommandError, OcxError
from ocx.terminal import Terminal
from ocx.text import one_line


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
    import json

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
