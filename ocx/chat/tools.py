"""`--tools` and `--tool-choice`: the functions that a model may ask for. None is ever run here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ocx.chat.messages import read_file
from ocx.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A function's name as OpenAI's API takes it (API reference, "Create chat completion", tools)."""

_CHOICES = ("auto", "none", "required")
_HINT = (
    'for example {"name": "weather", "parameters": {"type": "object", '
    '"properties": {"city": {"type": "string"}}}}'
)


def read_tools(given: str, read_stdin: Callable[[], bytes]) -> list[dict[str, Any]]:
    """The `tools` field of a request.

    Args:
        given: JSON, or the name of a file of it (`-` is stdin): one function (`{"name",
            "description", "parameters"}`), a list of functions, or OpenAI's array of tools.

    Raises:
        UsageError: it cannot be read, is not JSON, or holds something that is not a function.
    """
    text, name = _text(given, read_stdin)
    try:
        document = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise UsageError(f"--tools: {name} is not JSON: {error}", hint=_HINT) from None
    except RecursionError:
        raise UsageError(f"--tools: {name} is nested too deeply") from None
    if isinstance(document, Mapping) and isinstance(document.get("tools"), list):
        document = document["tools"]
    rows = document if isinstance(document, list) else [document]
    tools = [_tool(row, place, name) for place, row in enumerate(rows, 1)]
    if not tools:
        raise UsageError(f"--tools: {name} holds no function", hint=_HINT)
    _check_unique([tool["function"]["name"] for tool in tools])
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


def _text(given: str, read_stdin: Callable[[], bytes]) -> tuple[str, str]:
    if given.lstrip().startswith(("{", "[")):
        return given, "its value"
    return read_file(given, read_stdin), "stdin" if given == "-" else given


def _tool(row: Any, place: int, name: str) -> dict[str, Any]:
    wrapped = isinstance(row, dict) and row.get("type") == "function" and "function" in row
    function = row["function"] if wrapped else row
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise UsageError(f"--tools: entry {place} of {name} has no function name", hint=_HINT)
    if not _NAME.fullmatch(function["name"]):
        raise UsageError(
            f"--tools: {function['name']!r} is not a function name",
            hint="a name is 1 to 64 letters, digits, _ and -",
        )
    if not isinstance(function.get("parameters", {}), dict):
        raise UsageError(f"--tools: the parameters of {function['name']} are not a JSON Schema")
    return row if wrapped else {"type": "function", "function": function}


def _check_unique(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--tools names the function {name} twice")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
