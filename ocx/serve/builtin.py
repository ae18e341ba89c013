"""The built-in sources, echo and lorem: what they answer, and how a source is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Any

from ocx.serve.answer import AnswerSource, AnswerStream, Finish, Parts, Token, text_tokens
from ocx.serve.openai_format import ApiError
from ocx.serve.request import ChatRequest
from ocx.serve.schema_example import SchemaError, smallest_instance
from ocx.serve.tool_calls import ToolCall, call_tokens, plan, quoted
from ocx.text import compact, loads

_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut"
    " labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco"
    " laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in reprehenderit in"
    " voluptate velit esse cillum dolore eu fugiat nulla pariatur. Excepteur sint occaecat"
    " cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum. "
)
MOST_LOREM = 1_000_000
REASONING = "The user sent a message; the answer is the same text. "


def make_answer(
    request: ChatRequest,
    words: Iterable[str],
    calls: Sequence[ToolCall] = (),
    *,
    reasoning: str = "",
    finish: str | None = None,
    ttft: float = 0,
    tps: float = 0,
) -> AnswerStream:
    """An answer of reasoning, text and tool calls, each made only as it is sent.

    Cut at `max_tokens`, its finish_reason is `length`. `ttft` and `tps` as in `paced`.
    """
    thought = (Token(word, "reasoning_content") for word in text_tokens(reasoning))
    tokens = chain(thought, map(Token, words), call_tokens(calls, request) if calls else ())
    parts = _parts(tokens, request.max_tokens, finish or ("tool_calls" if calls else "stop"))
    return AnswerStream(paced(parts, ttft, tps) if ttft or tps else parts)


async def _parts(tokens: Iterable[Token], most: int, finish: str) -> Parts:
    for count, token in enumerate(tokens):
        if count >= most:
            finish = "length"
            break
        yield token
    yield Finish(finish)


async def paced(source: Parts, ttft: float, tps: float) -> Parts:
    """The same parts, the first after `ttft` seconds, then `tps` tokens a second (0: at once)."""
    async with contextlib.aclosing(source):
        await asyncio.sleep(ttft)
        spoken = False
        async for part in source:
            if tps and spoken and isinstance(part, Token):
                await asyncio.sleep(1 / tps)
            spoken = True
            yield part


def until_stop(text: str, request: ChatRequest) -> Iterator[str]:
    """The tokens of `text`, up to the first stop sequence."""
    ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
    return text_tokens(text[: min(ends, default=len(text))])


@dataclass(frozen=True)
class Echo(AnswerSource):
    """Answers with the last user text, or with a smallest instance of the schema asked for."""

    reasons: bool = False
    fault: str | None = None

    def answer(self, request: ChatRequest) -> AnswerStream:
        calls = plan(request)
        text = "" if calls else request.asking.text
        if request.response_format is not None and not calls:
            text = _in_format(request.response_format, text)
        reasoning = REASONING if self.reasons else ""
        return make_answer(request, until_stop(text, request), calls, reasoning=reasoning)


def _in_format(wanted: dict[str, Any], text: str) -> str:
    """The answer for a `response_format`; `text` itself if that asks for no JSON.

    Raises:
        ApiError: 400: an unknown type, or a schema that cannot be satisfied.
    """
    kind = wanted.get("type")
    if kind == "text":
        return text
    if kind == "json_object":
        return _object_of(text)
    named = wanted.get("json_schema")
    if kind != "json_schema":
        at, message = "type", "type must be text, json_object or json_schema"
    elif not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        at, message = "json_schema", "json_schema must be an object with a schema"
    elif not isinstance(named.get("name"), str):
        at, message = "json_schema.name", "json_schema.name is required: a string"
    else:
        try:
            strict = named.get("strict") is True
            return compact(smallest_instance(named["schema"], strict=strict))
        except SchemaError as error:
            at, message = "json_schema.schema", str(error)
    param = f"response_format.{at}"
    raise ApiError(400, f"response_format: {message}", "invalid_json_schema", param)


def _object_of(text: str) -> str:
    """The object that the prompt is, else one with the keys that it quotes, else its echo."""
    with contextlib.suppress(ValueError):
        if isinstance(loads(text), dict):
            return text
    keys = quoted(text) if re.search(r"\b(keys?|fields?)\b", text, re.IGNORECASE) else []
    return json.dumps(dict.fromkeys(keys, "") or {"echo": text}, ensure_ascii=False)


@dataclass(frozen=True)
class Lorem(AnswerSource):
    """`count` tokens of placeholder text, `tps` of them a second, the first after `ttft`."""

    count: int
    tps: float = 0.0
    ttft: float = 0.0

    def answer(self, request: ChatRequest) -> AnswerStream:
        calls = plan(request)
        words = () if calls else lorem_words(self.count)
        return make_answer(request, words, calls, ttft=self.ttft, tps=self.tps)


def lorem_words(count: int) -> Iterator[str]:
    """`count` tokens of placeholder text, over and over, ending without a space."""
    for at, word in enumerate(islice(cycle(text_tokens(_LOREM)), count), 1):
        yield word.rstrip() if at == count else word


def parse_lorem(words: str) -> Lorem:
    """Return the source that `lorem:N` or `lorem:N,tps=5,ttft=1` names.

    Raises:
        ValueError: it names none.
    """
    match = re.fullmatch(r"lorem:([0-9]{1,7})((?:,[a-z]+=[^,]*)*)", words)
    if match is None or int(match[1]) > MOST_LOREM:
        raise ValueError(f"lorem takes a number up to {MOST_LOREM}: lorem:20,tps=5,ttft=1")
    return Lorem(int(match[1]), **parse_options(match[2], {"tps": 0.0, "ttft": 0.0}))


def parse_options(text: str, known: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers in `,name=1,other=2`, with the defaults in `known`.

    Raises:
        ValueError: a name is unknown or given twice, or its value is not from 0 to a million.
    """
    found: dict[str, float] = {}
    for option in text.split(",")[1:]:
        name, _, value = option.partition("=")
        if name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        if name in found:  # also what bounds the length of a name that is kept
            raise ValueError(f"{name} is given twice")
        if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value) or float(value) > 1e6:
            raise ValueError(f"{name} takes a number from 0 to 1000000")
        found[name] = float(value)
    return {**known, **found}
