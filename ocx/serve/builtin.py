"""The built-in targets, echo and lorem: what they answer, and how a target is written."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from ocx.jsontext import compact, loads
from ocx.serve import answer as tokens
from ocx.serve.answer import Answer, CallToken, Finish, Part, Token
from ocx.serve.openai_format import ApiProblem
from ocx.serve.request import ChatRequest
from ocx.serve.schema_example import SchemaError, smallest_instance
from ocx.serve.tool_calls import call_tokens, plan, quoted


def split_tokens(text: str) -> list[str]:
    """The tokens of a built-in answer; joined, they are `text`."""
    return list(tokens.of_text(text))


_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut"
    " labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco"
    " laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in reprehenderit in"
    " voluptate velit esse cillum dolore eu fugiat nulla pariatur. Excepteur sint occaecat"
    " cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum. "
)
REASONING = "The user sent a message; the answer is the same text. "


def lorem_tokens(count: int) -> Iterable[Token]:
    """`count` tokens of placeholder text, over and over, ending without a space."""
    words = itertools.cycle(split_tokens(_LOREM))
    for at, word in zip(range(count), words, strict=False):
        yield Token(word.rstrip() if at == count - 1 else word)


def reasoning_tokens() -> list[Token]:
    """What `deepseek-reasoner` sends as `reasoning_content` before the answer."""
    return [Token(text, reasoning=True) for text in split_tokens(REASONING)]


def planned_calls(request: ChatRequest) -> Iterator[CallToken] | None:
    """The fragments of the tool calls that answer `request`, made as they are sent; None for an
    answer in text.

    Raises:
        ApiProblem: 400: the tools cannot be called.
    """
    calls = plan(request)
    return call_tokens(calls, request) if calls else None


def answer_tokens(text: str, request: ChatRequest) -> Iterator[Token]:
    """`text` as tokens, up to the first stop sequence."""
    ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
    return map(Token, tokens.of_text(text[: min(ends, default=len(text))]))


async def parts(
    made: Iterable[Token], request: ChatRequest, finish: str = "stop"
) -> AsyncGenerator[Part, None]:
    """The tokens and the finish; cut at `max_tokens`, the reason is `length`."""
    for count, token in enumerate(made):
        if count >= request.max_tokens:
            yield Finish("length")
            return
        yield token
    yield Finish(finish)


async def paced(
    source: AsyncGenerator[Part, None], ttft: float, tps: float
) -> AsyncGenerator[Part, None]:
    """The same parts, the first after `ttft` seconds, then `tps` tokens a second (0: at once)."""
    async with aclosing(source):
        await asyncio.sleep(ttft)
        spoken = False
        async for part in source:
            if tps and spoken and isinstance(part, Token):
                await asyncio.sleep(1 / tps)
            spoken = True
            yield part


MOST_LOREM = 1_000_000


class Target(Protocol):
    """What answers requests for a model.

    `is_local` says that the answer costs nothing, so that a fault may replace parts of it.
    """

    @property
    def is_local(self) -> bool: ...

    def check(self, request: ChatRequest) -> None:
        """Look whether the target can take the request; before credits, so without any work.

        Raises:
            ApiProblem: 400, naming the parameter.
        """
        ...

    def answer(self, request: ChatRequest) -> Answer:
        """Return the answer, not yet begun.

        Raises:
            ApiProblem: the target refuses the request.
        """
        ...


@dataclass(frozen=True)
class Echo:
    """Answers with the last user text, or with a smallest instance of the schema asked for."""

    reasons: bool = False
    is_local: bool = True

    def check(self, request: ChatRequest) -> None:
        request.check_built_in()

    def answer(self, request: ChatRequest) -> Answer:
        reasoning = reasoning_tokens() if self.reasons else []
        if calls := planned_calls(request):
            return Answer(parts(itertools.chain(reasoning, calls), request, "tool_calls"))
        text = request.question
        if request.response_format is not None:
            text = _in_format(request.response_format, text)
        return Answer(parts(itertools.chain(reasoning, answer_tokens(text, request)), request))


def _in_format(wanted: dict[str, Any], text: str) -> str:
    """The answer for a `response_format`; `text` itself if that asks for no JSON.

    Raises:
        ApiProblem: 400: an unknown type, or a schema that cannot be satisfied.
    """
    kind = wanted.get("type")
    if kind == "text":
        return text
    if kind == "json_object":
        return _object_of(text)
    if kind != "json_schema":
        _refuse_format("type must be text, json_object or json_schema", "type")
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        _refuse_format("json_schema must be an object with a schema", "json_schema")
    if not isinstance(named.get("name"), str):
        _refuse_format("json_schema.name is required: a string", "json_schema.name")
    try:
        value = smallest_instance(named["schema"], strict=named.get("strict") is True)
    except SchemaError as error:
        _refuse_format(str(error), "json_schema.schema")
    return compact(value)


def _object_of(text: str) -> str:
    """The object that the prompt is, else one with the keys that it quotes, else its echo."""
    with contextlib.suppress(ValueError):
        if isinstance(loads(text), dict):
            return text
    keys = quoted(text) if re.search(r"\b(keys?|fields?)\b", text, re.IGNORECASE) else []
    return json.dumps(dict.fromkeys(keys, "") or {"echo": text}, ensure_ascii=False)


def _refuse_format(message: str, param: str) -> NoReturn:
    raise ApiProblem(
        400,
        f"response_format: {message}",
        code="invalid_json_schema",
        param=f"response_format.{param}",
    )


@dataclass(frozen=True)
class Lorem:
    """`count` tokens of placeholder text, `tps` of them a second, the first after `ttft`."""

    count: int
    tps: float = 0.0
    ttft: float = 0.0
    is_local: bool = True

    def check(self, request: ChatRequest) -> None:
        request.check_built_in()

    def answer(self, request: ChatRequest) -> Answer:
        if calls := planned_calls(request):
            answer = parts(calls, request, "tool_calls")
        else:
            answer = parts(lorem_tokens(self.count), request)
        return Answer(paced(answer, self.ttft, self.tps))


def parse_lorem(words: str) -> Lorem:
    """Return the target that `lorem:N` or `lorem:N,tps=5,ttft=1` names.

    Raises:
        ValueError: it names none.
    """
    match = re.fullmatch(r"lorem:([0-9]{1,7})((?:,[a-z]+=[^,]*)*)", words)
    if match is None or int(match[1]) > MOST_LOREM:
        raise ValueError(f"lorem takes a number up to {MOST_LOREM}: lorem:20,tps=5,ttft=1")
    given = parse_options(match[2], {"tps": 0.0, "ttft": 0.0})
    return Lorem(int(match[1]), given["tps"], given["ttft"])


def parse_options(text: str, known: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers in `,name=1,other=2`, with the defaults in `known`.

    Raises:
        ValueError: a name is unknown or given twice, or its value is not from 0 to a million.
    """
    found, given = dict(known), set[str]()
    for option in text.split(",")[1:]:
        name, _, value = option.partition("=")
        if name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        if name in given:  # also what bounds the length of a name that is kept
            raise ValueError(f"{name} is given twice")
        given.add(name)
        if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value) or float(value) > 1e6:
            raise ValueError(f"{name} takes a number from 0 to 1000000")
        found[name] = float(value)
    return found
