"""`--messages FILE`: a conversation written by hand or by `ocx history show --request`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocx.errors import UsageError
from ocx.jsontext import parse

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_EMPTY_ALLOWED = ("tool_calls", "function_call", "refusal", "audio")


@dataclass(frozen=True)
class MessagesFile:
    """The messages of a file as they go out, and the other fields of the request that it holds."""

    messages: list[dict[str, Any]]
    fields: Mapping[str, Any] = field(default_factory=dict)


def parse_messages(text: str, name: str) -> MessagesFile:
    """Read an array of messages, a chat request, or one row of a batch (`{"body": {…}}`).

    The messages are sent as they are: fields that are not known here stay. `fields` holds what
    else a request says (model, temperature, …) but `stream`, which the call decides.

    Raises:
        UsageError: names the place of what is wrong.
    """
    try:
        document = parse(text)
    except ValueError as error:
        raise UsageError(f"{name} is not JSON: {error}", hint=_HINT) from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply") from None
    if isinstance(document, list):
        return MessagesFile(_checked(document, name))
    body = document.get("body", document) if isinstance(document, dict) else None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise UsageError(f"{name} holds no array of messages", hint=_HINT)
    rest = {key: body[key] for key in body if key not in {"messages", "stream", "stream_options"}}
    return MessagesFile(_checked(body["messages"], name), rest)


_HINT = 'for example [{"role": "user", "content": "Hello!"}]'


def _checked(messages: list[Any], name: str) -> list[dict[str, Any]]:
    if not messages:
        raise UsageError(f"{name} holds no message", hint=_HINT)
    for index, message in enumerate(messages):
        problem = _problem(message)
        if problem:
            raise UsageError(f"{name}: message {index + 1} {problem}", hint=_HINT)
    return messages


def _problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "is not an object"
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        return f"has the role {role!r}, not one of {', '.join(sorted(_ROLES))}"
    content = message.get("content")
    if content is None and any(message.get(key) for key in _EMPTY_ALLOWED):
        return None
    if isinstance(content, str):
        return None
    if isinstance(content, list) and content and all(map(_is_part, content)):
        return None
    return "has no content: a text, or a list of parts with a type"


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)
