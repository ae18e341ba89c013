"""Read and check a chat request: its messages, and the type and range of every parameter."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ocx.serve.openai_format import ApiError, refuse, require
from ocx.text import parse

MAX_TOKENS = 4096  # the documented default
MOST_TOKENS = 2**31 - 1
MOST_LOGPROBS = 20
MOST_STOPS = 16
MOST_MESSAGES = 10_000
MOST_PARTS = 100_000
"""Objects and lists of a body: 4 MiB of them would take 230 MB before a credit is looked at."""
_UP_TO_A_PART = rb'(?s)(?:[^"\[{]++|"(?:[^"\\]++|\\.)*+"?)*+[\[{]?'
"""All before an object or a list, texts as a whole, and its bracket."""
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_ATTACHED = {"input_audio": ("data", "format"), "file": ("file_data", "filename")}
_ASKING = ("user", "tool", "function")
_LIMITS = ("max_completion_tokens", "max_tokens")
"""OpenAI's newer name for the same limit, and the older one."""


@dataclass(frozen=True)
class ChatRequest:
    """The parameters, and the whole body for the targets that pass it on."""

    model: str
    messages: Sequence[Message]
    asking: Message
    """The last message of a user or a tool; an empty one if there is none."""
    max_tokens: int = MAX_TOKENS
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    response_format: dict[str, Any] | None = None
    logprobs: int | None = None
    """How many alternatives to list beside each token; None lists no tokens."""
    body: dict[str, Any] = field(default_factory=dict, repr=False)

    def check_built_in(self) -> None:
        """Refuse what a built-in answer would have to ignore.

        Raises:
            ApiError: 400, naming the parameter.
        """
        for message in self.messages:
            if message.unsupported is not None:
                refuse(*message.unsupported)
        body, call = self.body, self.body.get("function_call")
        has_none = body.get("functions") is None or call == "none"
        require(has_none, "functions", "are not supported by built-in answers: use tools")
        may_be_text = call in (None, "none", "auto")
        require(may_be_text, "function_call", "is not supported: use tools and tool_choice")
        is_text = body.get("modalities") in (None, ["text"])
        require(is_text, "modalities", 'must be ["text"]: built-in answers are text')


def read(data: bytes) -> ChatRequest:
    """Read the request in a body.

    Raises:
        ApiError: 400, naming the parameter.
    """
    body = _parsed(data)
    model: Any = body.get("model")
    require(isinstance(model, str) and model, "model", "is required: a string")
    messages = read_messages(body)
    for name, (low, high) in _RANGES.items():
        number = body.get(name)
        is_right = number is None or (_is_number(number) and low <= number <= high)
        require(is_right, name, f"must be a number from {low} to {high}")
    _flag(body, "parallel_tool_calls")
    _integer(body, "seed")
    require(body.get("n") in (None, 1) and body.get("n") is not True, "n", "must be 1")
    asking = (message for message in reversed(messages) if message.role in _ASKING)
    options = _object(body, "stream_options") or {}
    limits = (_integer(body, name, 1, MOST_TOKENS) for name in _LIMITS)
    return ChatRequest(
        model=model,
        messages=messages,
        asking=next(asking, Message("user", "")),
        # Where both stand the greater counts: an upstream may know only one of them.
        max_tokens=max((limit for limit in limits if limit is not None), default=MAX_TOKENS),
        stop=_stop(body),
        stream=_flag(body, "stream"),
        include_usage=_flag(options, "include_usage"),
        response_format=_object(body, "response_format"),
        logprobs=_logprobs(body),
        body=body,
    )


def _parsed(data: bytes) -> dict[str, Any]:
    if data.count(b"{") + data.count(b"[") > MOST_PARTS:
        found = re.finditer(_UP_TO_A_PART, data)
        if next(itertools.islice(found, MOST_PARTS + 1, None), None) is not None:
            message = f"the body holds more than {MOST_PARTS:,} objects and lists"
            raise ApiError(400, message, "body_too_complex")
    try:
        body = parse(data.decode())
    except ValueError as error:
        text = str(error) if isinstance(error, json.JSONDecodeError) else "cannot be decoded"
        raise ApiError(400, f"the body is not JSON: {text}", "invalid_json") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object", "invalid_json")
    return body


def _object(body: dict[str, Any], name: str, kind: type = dict, said: str = "an object") -> Any:
    value = body.get(name)
    require(value is None or isinstance(value, kind), name, f"must be {said}")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    return bool(_object(body, name, bool, "true or false"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(
    body: dict[str, Any], name: str, least: float = -math.inf, most: float = math.inf
) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    require(_is_number(value) and not value % 1, name, "must be an integer")
    require(least <= value <= most, name, f"must be from {least} to {most}")
    return int(value)  # 5.0 is an integer to JSON Schema


def _logprobs(body: dict[str, Any]) -> int | None:
    wanted = _flag(body, "logprobs")
    top = _integer(body, "top_logprobs", 0, MOST_LOGPROBS) or 0
    return top if wanted or top else None


def _stop(body: dict[str, Any]) -> tuple[str, ...]:
    value = body.get("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    are_texts = isinstance(stops, list) and all(isinstance(stop, str) and stop for stop in stops)
    require(are_texts, "stop", "must be a string or an array of strings, none of them empty")
    require(len(stops) <= MOST_STOPS, "stop", f"takes {MOST_STOPS} sequences at most")
    return tuple(stops)


class Message(NamedTuple):
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
        ApiError: 400, naming the place.
    """
    messages: Any = body.get("messages")
    is_given = isinstance(messages, list) and messages
    require(is_given, "messages", "is required: an array of at least one message")
    require(len(messages) <= MOST_MESSAGES, "messages", f"takes {MOST_MESSAGES} messages at most")
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
        ApiError: 400: tools is no array of objects with a type.
    """
    tools = body.get("tools")
    require(tools is None or isinstance(tools, list), "tools", "must be an array")
    for at, tool in enumerate(tools or ()):
        given = tool if isinstance(tool, dict) else {}
        kind = given.get("type", "function" if "function" in given else None)
        if not isinstance(kind, str):
            refuse(f"tools[{at}].type", f"tools[{at}] must be an object with a type")
        yield kind, f"tools[{at}]"


def _message(message: Any, where: str) -> Message:
    require(isinstance(message, dict), where, "must be an object")
    role, calls = message.get("role"), message.get("tool_calls") or []
    require(role in ROLES, f"{where}.role", f"must be one of {', '.join(ROLES)}")
    are_calls = isinstance(calls, list) and all(isinstance(call, dict) for call in calls)
    require(are_calls, f"{where}.tool_calls", "must be an array of objects")
    beside = "".join(said_beside(message))
    content, where = message.get("content"), f"{where}.content"
    if content is None and role == "assistant":
        return Message(role, beside)  # an answer of tool calls only
    if isinstance(content, str):
        return Message(role, content + beside)
    require(isinstance(content, list), where, "must be a string or an array of parts")
    parts = [_part(part, f"{where}[{at}]") for at, part in enumerate(content)]
    unsupported = (part for part in parts if isinstance(part, tuple))
    text = "".join(part for part in parts if isinstance(part, str))
    return Message(role, text + beside, next(unsupported, None))


def _part(part: Any, where: str) -> str | tuple[str, str]:
    """The text of a part, or the place and the reason if a built-in answer cannot take it."""
    has_type = isinstance(part, dict) and isinstance(part.get("type"), str)
    require(has_type, where, "must be an object with a type")
    kind = part["type"]
    if kind in _ATTACHED:
        return _attached(part, where)
    text: str = part.get("refusal" if kind == "refusal" else "text", "")
    require(isinstance(text, str), f"{where}.text", "must be a string")
    return text


def _attached(part: dict[str, Any], where: str) -> str | tuple[str, str]:
    kind = part["type"]
    data_name, label_name = _ATTACHED[kind]
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


def said_beside(answer: Mapping[str, Any]) -> Iterator[str]:
    """What an answer says beside its content; reasoning has two names."""
    reasoning = answer.get("reasoning_content") or answer.get("reasoning")
    yield from texts_of([reasoning, *map(answer.get, ("refusal", "tool_calls", "function_call"))])


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a part of an answer, the last one first."""
    left = [value]  # not recursive: each text would pass through all levels
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += [value[name] for name in value if name not in {"id", "index", "type"}]
        elif isinstance(value, list):
            left += value
