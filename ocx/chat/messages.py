"""The prompt: arguments, files and stdin, joined in one documented way.

`--messages FILE`: a conversation written by hand or by `ocx history show --request`.

The body of POST /chat/completions, from settings and messages.

`--tools` and `--tool-choice`: the functions that a model may ask for. None is ever run here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.schema import BY_NAME, SETTINGS
from ocx.config.settings import Settings
from ocx.config.values import BadValue
from ocx.decoding import decode
from ocx.errors import UsageError
from ocx.jsontext import TooDeep, loads, parse

STDIN = "-"


def read_file(
    path: str,
    read_stdin: Callable[[], bytes],
    encoding: str | None = None,
    *,
    flag: str | None = None,
) -> str:
    """The text of `path`, `-` being stdin; `encoding` and `flag` as `decode` takes them.

    Raises:
        UsageError: it cannot be read.
    """
    if path == STDIN:
        return decode(read_stdin(), "stdin", encoding, flag=flag)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"cannot read {path!r}: {error}") from None
    return decode(data, path, encoding, flag=flag)


def join(parts: Sequence[str]) -> str:
    """The parts that hold text, each after exactly one empty line; nothing else is changed."""
    joined = ""
    for part in parts:
        if joined and part:
            joined += "\n" if joined.endswith("\n") else "\n\n"
        joined += part
    return joined


class StdinClaims(NamedTuple):
    """Who wants to read stdin: it can be read once."""

    claims: tuple[str, ...]

    def check(self) -> None:
        """Check that only one claims it.

        Raises:
            UsageError: two do.
        """
        if len(self.claims) > 1:
            raise UsageError(
                f"stdin can be read once, but {' and '.join(self.claims)} both take it",
                hint="put one of them into a file",
            )


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
    except TooDeep:
        raise UsageError(f"{name} is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{name} is not JSON: {error}", hint=_HINT) from None
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


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A function's name as OpenAI's API takes it (API reference, "Create chat completion", tools)."""

_CHOICES = ("auto", "none", "required")
_TOOL_HINT = (
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
        document = loads(text, parse_constant=_refuse)
    except TooDeep:
        raise UsageError(f"--tools: {name} is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"--tools: {name} is not JSON: {error}", hint=_TOOL_HINT) from None
    if isinstance(document, Mapping) and isinstance(document.get("tools"), list):
        document = document["tools"]
    rows = document if isinstance(document, list) else [document]
    tools = [_tool(row, place, name) for place, row in enumerate(rows, 1)]
    if not tools:
        raise UsageError(f"--tools: {name} holds no function", hint=_TOOL_HINT)
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
        raise UsageError(f"--tools: entry {place} of {name} has no function name", hint=_TOOL_HINT)
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
