"""The result of one check, and a constructor for each state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ocx.errors import OcxError

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        hint: the next step.
        error: what a command would fail with; None unless the check failed.
    """

    name: str
    state: State
    detail: str
    hint: str | None = None
    error: OcxError | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "hint": self.hint,
            "type": self.error.name if self.error else None,
            "exit_code": self.error.exit_code if self.error else 0,
        }


def ok(name: str, detail: str) -> Check:
    return Check(name, "ok", detail)


def warning(name: str, detail: str, hint: str | None = None) -> Check:
    return Check(name, "warning", detail, hint)


def failed(name: str, error: OcxError) -> Check:
    return Check(name, "failed", error.message, error.hint, error)


def skipped(name: str, why: str) -> Check:
    return Check(name, "skipped", why)
