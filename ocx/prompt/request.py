"""The body of POST /chat/completions, from settings and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ocx.config.schema import BY_NAME, SETTINGS
from ocx.config.settings import Settings
from ocx.config.values import BadValue
from ocx.errors import UsageError

Message = dict[str, Any]


def chat_body(
    settings: Settings, messages: Sequence[Message], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The request without `stream`, which the client adds.

    Raises:
        UsageError: a number is out of its range.
    """
    body: dict[str, Any] = {"model": settings.model, "messages": list(messages)}
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        if setting.sent and value not in {None, ()}:
            body[setting.name] = list(value) if isinstance(value, tuple) else value
    if "max_completion_tokens" in options and not settings.from_flag("max_tokens"):
        body.pop("max_tokens", None)  # its successor: servers refuse both in one request
    body.update(options)
    _check_ranges(body)
    return body


def _check_ranges(body: Mapping[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        value = body.get(name)
        try:
            if value is not None:
                BY_NAME[name].type.check(value)
        except BadValue:
            allowed = BY_NAME[name].type.range
            raise UsageError(f"{name} is {value!r}, but must be {allowed}") from None
    limit = body.get("max_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise UsageError(f"max_tokens is {limit!r}, but must be a whole number from 1")
