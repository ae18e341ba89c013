"""Tool calls of the built-in answers: which functions to call, and with which arguments.

A call written in the prompt, as in `f(a=1, b="x")`, gives its own arguments; what it leaves out is
a smallest instance of the function's schema. A prompt also calls a function if it has all the words
of its name, those of up to three letters aside: "the weather in 'Paris'" calls `get_weather`, and
what it quotes are the texts among the arguments, in order. Nothing is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from ocx.serve.answer import JSON_WORD, CallToken, text_tokens
from ocx.serve.openai_format import refuse, require
from ocx.serve.request import ChatRequest
from ocx.serve.schema_example import SchemaError, Work, smallest_instance
from ocx.text import compact

MOST_CALLS = 128
MOST_TEXT = 100_000
"""Characters of a prompt that are looked through: every call may read on to the end."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ARGUMENT = re.compile(r"\s*(?:([A-Za-z_]\w*)\s*=(?!=)\s*)?")
_AFTER = re.compile(r"\s*(?:,\s*|(?=\)))")
_WORD = re.compile(r"[^\W\d_]{4,}")
_QUOTED = re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL)
_MENTIONED = re.compile(r"""(?<!\w)(?:'([^'\n]{1,1000})'|"([^"\n]{1,1000})")(?!\w)""")
_WORDS = {"True": True, "False": False, "None": None}
_decode = json.JSONDecoder().raw_decode


class Function(NamedTuple):
    """A function that the client offers; `param` is its place in the request."""

    name: str
    parameters: dict[str, Any]
    strict: bool
    param: str


class ToolCall(NamedTuple):
    """A call to make: the name of the function and its arguments as JSON."""

    name: str
    arguments: str


def plan(request: ChatRequest) -> list[ToolCall]:
    """The calls that answer `request`; none if it is to be answered with text.

    Raises:
        ApiError: 400: `tools` or `tool_choice` is wrong, or a schema cannot be satisfied.
    """
    functions = _functions(request.body)
    choice = _choice(request.body, functions)
    if choice == "none":
        return []
    if choice not in ("auto", "required"):
        functions = {choice: functions[choice]}
    # The result of a tool asks for no other.
    question = request.asking.text if request.asking.role == "user" else ""
    named = _named(question[:MOST_TEXT], functions)
    if not named and choice != "auto":
        first = next(iter(functions.values()))
        named = [(first, _quoted_arguments(question, first))]
    if request.body.get("parallel_tool_calls") is False:
        del named[1:]
    work = Work()
    return [ToolCall(function.name, _arguments(function, given, work)) for function, given in named]


def call_tokens(calls: Iterable[ToolCall], request: ChatRequest) -> Iterator[CallToken]:
    """Each call in the fragments of a stream: its id and name, then pieces of its arguments."""
    # The same call at the same place of a conversation has the same id, streamed or not.
    seed = hashlib.sha256(json.dumps(request.body["messages"]).encode())
    for at, call in enumerate(calls):
        seed.update(call.name.encode("utf-8", "surrogatepass"))
        yield CallToken("", index=at, id=f"call_{seed.hexdigest()[:24]}", name=call.name)
        for piece in text_tokens(call.arguments, JSON_WORD):
            yield CallToken(piece, index=at)


def _functions(body: Mapping[str, Any]) -> dict[str, Function]:
    tools = body.get("tools")
    if tools is None:
        return {}
    is_right = isinstance(tools, list) and 1 <= len(tools) <= MOST_CALLS
    require(is_right, "tools", f"must be an array of 1 to {MOST_CALLS} tools")
    functions = [_function(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    return {function.name: function for function in functions}


def _function(tool: Any, param: str) -> Function:
    is_function = isinstance(tool, dict) and tool.get("type") == "function"
    require(is_function, f"{param}.type", 'must be "function"')
    function, param = tool.get("function"), f"{param}.function"
    require(isinstance(function, dict), param, "must be an object")
    name = function.get("name")
    is_name = isinstance(name, str) and _NAME.fullmatch(name)
    require(is_name, f"{param}.name", "must be 1 to 64 letters, digits, _ or -")
    parameters, param = function.get("parameters"), f"{param}.parameters"
    require(parameters is None or isinstance(parameters, dict), param, "must be an object")
    return Function(name, parameters or {}, function.get("strict") is True, param)


def _choice(body: Mapping[str, Any], functions: Mapping[str, Function]) -> str:
    """Return none, auto, required, or the name of a function."""
    choice = body.get("tool_choice")
    if choice is None or (choice in ("none", "auto") and not functions):
        return "auto" if functions else "none"
    require(functions, "tool_choice", "needs tools")
    if choice in ("none", "auto", "required"):
        return str(choice)
    is_function = isinstance(choice, dict) and choice.get("type") == "function"
    require(is_function, "tool_choice", "must be none, auto, required or a function")
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or name not in functions:
        refuse("tool_choice.function.name", "tool_choice must name a function of tools")
    return name


def _named(text: str, functions: Mapping[str, Function]) -> list[tuple[Function, dict[str, Any]]]:
    """The calls that the prompt asks for, and the arguments that it gives."""
    names = "|".join(map(re.escape, functions))
    calls = re.finditer(rf"(?<![\w-])({names})\(", text) if functions else ()
    written = [
        (functions[call[1]], _written_arguments(text, call.end(), functions[call[1]]))
        for call in islice(calls, MOST_CALLS)
    ]
    if written:
        return written
    words = set(_WORD.findall(text.lower()))
    return [
        (function, _quoted_arguments(text, function))
        for name, function in functions.items()
        if (wanted := set(_WORD.findall(name.lower()))) and wanted <= words
    ]


def _written_arguments(text: str, at: int, function: Function) -> dict[str, Any]:
    """The arguments in `a=1, b="x")` or, by position, `1, "x")`; none if it is not that."""
    positions = list(_properties(function))
    given: dict[str, Any] = {}
    with suppress(ValueError, RecursionError, IndexError):
        while argument := _ARGUMENT.match(text, at):  # always: it can match nothing
            if text.startswith(")", argument.end()) and not argument[1]:
                return given
            name = argument[1] or positions[len(given)]
            given[name], at = _value(text, argument.end())
            after = _AFTER.match(text, at)
            if after is None:
                break
            at = after.end()
    return {}


def _properties(function: Function) -> dict[str, Any]:
    properties = function.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _quoted_arguments(text: str, function: Function) -> dict[str, Any]:
    """What the prompt quotes, for the parameters that take any text, in order."""
    plain = [
        name
        for name, schema in _properties(function).items()
        if isinstance(schema, dict)
        and schema.get("type") == "string"
        and not schema.keys() & {"enum", "const", "pattern", "format"}
    ]
    return dict(zip(plain, quoted(text), strict=False))


def quoted(text: str) -> list[str]:
    """The texts between quotes, single or double, on one line; an apostrophe is not a quote."""
    return [match[1] or match[2] for match in _MENTIONED.finditer(text)]


def _value(text: str, at: int) -> tuple[Any, int]:
    """A JSON value, a text in single quotes, True, False or None, and where it ends."""
    if quoted := _QUOTED.match(text, at):
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), quoted.end()
    for word, value in _WORDS.items():
        if text.startswith(word, at):
            return value, at + len(word)
    return _decode(text, at)


def _arguments(function: Function, given: dict[str, Any], work: Work) -> str:
    """As JSON: what is given, and the smallest of what that leaves out.

    A schema that cannot be satisfied matters only for that.
    """
    schema, strict = function.parameters, function.strict
    if schema and not strict:
        if not schema.keys() & {"type", "$ref", "anyOf", "oneOf"}:
            schema = {"type": "object", **schema}
        required = schema.get("required")
        if isinstance(required, list):
            left = [name for name in required if not (isinstance(name, str) and name in given)]
            schema = {**schema, "required": left}
    value: Any = {}
    try:
        if schema:
            value = smallest_instance(schema, strict=strict, lenient=not strict, work=work)
    except SchemaError as error:
        refuse(function.param, f"{function.param}: {error}", "invalid_json_schema")
    if not isinstance(value, dict):
        message = f"{function.param}: the parameters of a function must be an object"
        refuse(function.param, message, "invalid_json_schema")
    return compact({**value, **given})
