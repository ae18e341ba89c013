"""Read and check a chat request: the type and range of every documented parameter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ocx.serve.problem import ApiProblem

MAX_TOKENS = 4096  # the documented default
MOST_TOKENS = 2**31 - 1
_ASKING = ("user", "tool", "function")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


@dataclass(frozen=True)
class ChatRequest:
    """The parameters, and the whole body for the targets that pass it on."""

    model: str
    texts: tuple[str, ...]
    """The text of each message, for counting."""
    question: str
    """The text of the last message of a user or a tool; empty if there is none."""
    answers_tool: bool = False
    """That message is the result of a tool."""
    max_tokens: int = MAX_TOKENS
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    response_format: dict[str, Any] | None = None
    body: dict[str, Any] = field(default_factory=dict, repr=False)


def read(data: bytes) -> ChatRequest:
    """Read the request in a body.

    Raises:
        ApiProblem: 400, naming the parameter.
    """
    body = _object(data)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("model", "model is required: a string")
    messages = _messages(body)
    _number(body, "temperature", 0, 2)
    _number(body, "top_p", 0, 1)
    if body.get("n") not in (None, 1) or body.get("n") is True:
        refuse("n", "n must be 1")
    asking = next((each for each in reversed(messages) if each[0] in _ASKING), ("user", ""))
    options = _typed(body, "stream_options", dict, "an object") or {}
    return ChatRequest(
        model=model,
        texts=tuple(text for _, text in messages),
        question=asking[1],
        answers_tool=asking[0] != "user",
        max_tokens=_max_tokens(body),
        stop=_stop(body),
        stream=bool(_typed(body, "stream", bool, "true or false")),
        include_usage=bool(_typed(options, "include_usage", bool, "true or false")),
        response_format=_typed(body, "response_format", dict, "an object"),
        body=body,
    )


def refuse(param: str, message: str) -> NoReturn:
    raise ApiProblem(400, message, code="invalid_parameter", param=param)


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        # RecursionError: brackets nested deeper than the interpreter follows.
        text = str(error) if isinstance(error, json.JSONDecodeError) else "cannot be decoded"
        raise ApiProblem(400, f"the body is not JSON: {text}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise ApiProblem(400, "the body must be a JSON object", code="invalid_json")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _typed(body: dict[str, Any], name: str, kind: type, wanted: str) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        refuse(name, f"{name} must be {wanted}")
    return value


def _number(body: dict[str, Any], name: str, low: float, high: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        refuse(name, f"{name} must be a number from {low} to {high}")


def _max_tokens(body: dict[str, Any]) -> int:
    # max_completion_tokens is OpenAI's newer name for the same limit.
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1:
            refuse(name, f"{name} must be an integer")
        if not 1 <= value <= MOST_TOKENS:
            refuse(name, f"{name} must be from 1 to {MOST_TOKENS}")
        return int(value)  # 5.0 is an integer to JSON Schema
    return MAX_TOKENS


def _stop(body: dict[str, Any]) -> tuple[str, ...]:
    value = body.get("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        refuse("stop", "stop must be a string or an array of strings, none of them empty")
    return tuple(stops)


def _messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        refuse("messages", "messages is required: an array of at least one message")
    return [_message(message, f"messages[{at}]") for at, message in enumerate(messages)]


def _message(message: Any, where: str) -> tuple[str, str]:
    if not isinstance(message, dict):
        refuse(where, f"{where} must be an object")
    role = message.get("role")
    if role not in _ROLES:
        refuse(f"{where}.role", f"{where}.role must be one of {', '.join(_ROLES)}")
    content = message.get("content")
    calls = _calls_text(message.get("tool_calls"), f"{where}.tool_calls")
    if content is None and role == "assistant":
        return role, calls  # an answer of tool calls only
    return role, _text(content, f"{where}.content") + calls


def _calls_text(calls: Any, where: str) -> str:
    """What the tool calls of an earlier answer add to the prompt."""
    if calls is None:
        return ""
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        refuse(where, f"{where} must be an array of objects")
    functions = [call.get("function") for call in calls]
    given = [function for function in functions if isinstance(function, dict)]
    return "".join(f"{each.get('name') or ''}{each.get('arguments') or ''}" for each in given)


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        refuse(where, f"{where} must be a string or an array of parts")
    texts = []
    for at, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            refuse(f"{where}[{at}]", f"{where}[{at}] must be an object with a type")
        text = part.get("text", "")
        if not isinstance(text, str):
            refuse(f"{where}[{at}].text", f"{where}[{at}].text must be a string")
        texts.append(text)
    return "".join(texts)
