"""How a call ended, as the history and a report say it."""

from __future__ import annotations

from typing import Literal

from ocx.errors import BrokenCallError, InvalidAnswerError, OcxError, OutputClosed, Terminated

Outcome = Literal["finished", "failed", "cancelled"]


def outcome_and_exit_code(error: BaseException | None) -> tuple[Outcome, int]:
    """How the call ended; one whose answer came whole but was not what was asked is finished.

    A broken tool call is no answer that a conversation can go on with.
    """
    if error is None:
        return "finished", 0
    if isinstance(error, OcxError):
        whole = isinstance(error, InvalidAnswerError) and not isinstance(error, BrokenCallError)
        return ("finished" if whole else "failed"), error.exit_code
    if isinstance(error, OutputClosed):
        return "cancelled", 141
    if isinstance(error, Exception):
        return "failed", 1
    return "cancelled", 143 if isinstance(error, Terminated) else 130
