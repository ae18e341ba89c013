"""The body of POST /chat/completions, from settings and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocx.config.settings import Settings
from ocx.errors import UsageError

Message = dict[str, Any]
_FIELDS = ("temperature", "top_p", "max_tokens")
_RANGES: dict[str, tuple[float, float]] = {"temperature": (0, 2), "top_p": (0, 1)}


def chat_body(
    settings: Settings, messages: Sequence[Message], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The request without `stream`, which the client adds. Raises UsageError for a bad range."""
    body: dict[str, Any] = {"model": settings.model, "messages": list(messages)}
    for name in _FIELDS:
        value = getattr(settings, name)
        if value is not None:
            body[name] = value
    if settings.stop:
        body["stop"] = list(settings.stop)
    body.update(options)
    _check_ranges(body)
    return body


def _check_ranges(body: Mapping[str, Any]) -> None:
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise UsageError(f"{name} is {value!r}, but must be a number from {low} to {high}")
    limit = body.get("max_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise UsageError(f"max_tokens is {limit!r}, but must be a whole number from 1")
