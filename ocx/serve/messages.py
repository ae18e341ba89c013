"""Read the messages of a chat request: their roles, their text, and what is attached to them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ocx.serve.problem import refuse

MOST_MESSAGES = 10_000
ROLES = ("system", "developer", "user", "assistant", "tool", "function")


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        text: the text of all parts; an audio or file part is a note in brackets.
        unsupported: a part that a built-in answer cannot take, and why; None if there is none.
    """

    role: str
    text: str
    unsupported: tuple[str, str] | None = None


def read_messages(body: dict[str, Any]) -> list[Message]:
    """The messages in a request.

    Raises:
        ApiProblem: 400, naming the place.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        refuse("messages", "messages is required: an array of at least one message")
    if len(messages) > MOST_MESSAGES:
        refuse("messages", f"messages takes {MOST_MESSAGES} messages at most")
    return [_message(message, f"messages[{at}]") for at, message in enumerate(messages)]


def content_kinds(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The type of each part of each message that `read_messages` has checked, and its place."""
    for at, message in enumerate(body["messages"]):
        content = message.get("content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            yield part["type"], f"messages[{at}].content[{number}]"


def tool_kinds(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The type of each tool, and its place; a function may lack it.

    Raises:
        ApiProblem: 400: tools is no array of objects with a type.
    """
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        refuse("tools", "tools must be an array")
    for at, tool in enumerate(tools or ()):
        given = tool if isinstance(tool, dict) else {}
        kind = given.get("type", "function" if "function" in given else None)
        if not isinstance(kind, str):
            refuse(f"tools[{at}].type", f"tools[{at}] must be an object with a type")
        yield kind, f"tools[{at}]"


def _message(message: Any, where: str) -> Message:
    if not isinstance(message, dict):
        refuse(where, f"{where} must be an object")
    role = message.get("role")
    if role not in ROLES:
        refuse(f"{where}.role", f"{where}.role must be one of {', '.join(ROLES)}")
    calls = _calls_text(message.get("tool_calls"), f"{where}.tool_calls")
    content, where = message.get("content"), f"{where}.content"
    if content is None and role == "assistant":
        return Message(role, calls)  # an answer of tool calls only
    if isinstance(content, str):
        return Message(role, content + calls)
    if not isinstance(content, list):
        refuse(where, f"{where} must be a string or an array of parts")
    parts = [_part(part, f"{where}[{at}]") for at, part in enumerate(content)]
    unsupported = (part for part in parts if isinstance(part, tuple))
    text = "".join(part for part in parts if isinstance(part, str))
    return Message(role, text + calls, next(unsupported, None))


def _part(part: Any, where: str) -> str | tuple[str, str]:
    """The text of a part, or the place and the reason if a built-in answer cannot take it."""
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        refuse(where, f"{where} must be an object with a type")
    kind = part["type"]
    if kind == "input_audio":
        return _attached(part, kind, "data", "format", where)
    if kind == "file":
        return _attached(part, kind, "file_data", "filename", where)
    text = part.get("text", "")
    if not isinstance(text, str):
        refuse(f"{where}.text", f"{where}.text must be a string")
    return text


def _attached(
    part: dict[str, Any], kind: str, data_name: str, label_name: str, where: str
) -> str | tuple[str, str]:
    content = part.get(kind)
    data = content.get(data_name) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(data, str):
        return f"{where}.{kind}", f"{where}.{kind} must be an object with {data_name} in base64"
    try:
        size = len(base64.b64decode(data.rpartition(",")[2], validate=True))
    except (ValueError, binascii.Error):
        return f"{where}.{kind}.{data_name}", f"{where}.{kind}.{data_name} must be base64"
    label = content.get(label_name)
    name = f"{kind} {label}" if isinstance(label, str) else kind
    return f"[{name}: {size} bytes]"


def _calls_text(calls: Any, where: str) -> str:
    """What the tool calls of an earlier answer add to the prompt."""
    if calls is None:
        return ""
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        refuse(where, f"{where} must be an array of objects")
    functions = [call.get("function") for call in calls]
    given = [function for function in functions if isinstance(function, dict)]
    return "".join(f"{each.get('name') or ''}{each.get('arguments') or ''}" for each in given)
