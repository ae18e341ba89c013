"""JSON that goes into a request as it is: the messages of --messages, the functions of --tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ocx.decoding import read_file
from ocx.errors import UsageError
from ocx.text import TooDeep, finite, parse

Message = dict[str, Any]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_EMPTY_ALLOWED = ("tool_calls", "function_call", "refusal", "audio")
_MESSAGES_HINT = 'for example [{"role": "user", "content": "Hello!"}]'

_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""As OpenAI's API takes it (API reference, "Create chat completion", tools)."""

_CHOICES = ("auto", "none", "required")
_TOOLS_HINT = (
    'for example {"name": "weather", "parameters": {"type": "object", '
    '"properties": {"city": {"type": "string"}}}}'
)


def parse_messages(text: str, name: str) -> tuple[list[Message], dict[str, Any]]:
    """Read an array of messages, a chat request, or one row of a batch (`{"body": {…}}`).

    Returns:
        The messages as they are sent, fields that are not known here too; and what else a request
        says (model, temperature, …) but `stream`, which the call decides.

    Raises:
        UsageError: names the place of what is wrong.
    """
    document = _parsed(text, name, _MESSAGES_HINT)
    body = document.get("body", document) if isinstance(document, dict) else {"messages": document}
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise UsageError(f"{name} holds no array of messages", hint=_MESSAGES_HINT)
    messages = body["messages"]
    if not messages:
        raise UsageError(f"{name} holds no message", hint=_MESSAGES_HINT)
    for number, message in enumerate(messages, 1):
        if problem := _problem(message):
            raise UsageError(f"{name}: message {number} {problem}", hint=_MESSAGES_HINT)
    skipped = {"messages", "stream", "stream_options"}
    return messages, {key: body[key] for key in body if key not in skipped}


def _problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "is not an object"
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        return f"has the role {role!r}, not one of {', '.join(sorted(_ROLES))}"
    content = message.get("content")
    may_be_empty = content is None and any(message.get(key) for key in _EMPTY_ALLOWED)
    if may_be_empty or isinstance(content, str):
        return None
    parts = content if isinstance(content, list) else []
    if parts and all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in parts):
        return None
    return "has no content: a text, or a list of parts with a type"


def read_tools(given: str, read_stdin: Callable[[], bytes]) -> list[dict[str, Any]]:
    """The `tools` field of a request. None of the functions is ever run here.

    Args:
        given: JSON, or the name of a file of it (`-` is stdin): one function (`{"name",
            "description", "parameters"}`), a list of functions, or OpenAI's array of tools.

    Raises:
        UsageError: it cannot be read, is not JSON, or holds something that is not a function.
    """
    if given.lstrip().startswith(("{", "[")):
        text, name = given, "its value"
    else:
        text, name = read_file(given, read_stdin), "stdin" if given == "-" else given
    document = _parsed(text, f"--tools: {name}", _TOOLS_HINT)
    if isinstance(document, Mapping) and isinstance(document.get("tools"), list):
        document = document["tools"]
    rows = document if isinstance(document, list) else [document]
    tools = [_tool(row, place, name) for place, row in enumerate(rows, 1)]
    if not tools:
        raise UsageError(f"--tools: {name} holds no function", hint=_TOOLS_HINT)
    names = [tool["function"]["name"] for tool in tools]
    for function in names:
        if names.count(function) > 1:
            raise UsageError(f"--tools names the function {function} twice")
    return tools


def tool_choice(given: str, tools: Sequence[Mapping[str, Any]]) -> str | dict[str, Any]:
    """The `tool_choice` field: auto, none, required, or one of the functions by its name.

    Raises:
        UsageError: no such function.
    """
    if given in _CHOICES:
        return given
    names = [tool["function"]["name"] for tool in tools]
    if given not in names:
        raise UsageError(
            f"--tool-choice takes {', '.join(_CHOICES)} or the name of a function, not {given!r}",
            hint=f"--tools holds {', '.join(names)}",
        )
    return {"type": "function", "function": {"name": given}}


def _tool(row: Any, place: int, name: str) -> dict[str, Any]:
    wrapped = isinstance(row, dict) and row.get("type") == "function" and "function" in row
    function = row["function"] if wrapped else row
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise UsageError(f"--tools: entry {place} of {name} has no function name", hint=_TOOLS_HINT)
    if not _FUNCTION_NAME.fullmatch(function["name"]):
        raise UsageError(
            f"--tools: {function['name']!r} is not a function name",
            hint="a name is 1 to 64 letters, digits, _ and -",
        )
    if not isinstance(function.get("parameters", {}), dict):
        raise UsageError(f"--tools: the parameters of {function['name']} are not a JSON Schema")
    return row if wrapped else {"type": "function", "function": function}


def _parsed(text: str, name: str, hint: str) -> Any:
    try:
        return parse(text, parse_float=finite)
    except TooDeep:
        raise UsageError(f"{name} is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{name} is not JSON: {error}", hint=hint) from None
