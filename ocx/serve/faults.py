"""Faults on demand, counted and never random, so that a test is the same every time."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NoReturn

from ocx.serve.answer import (
    Answer,
    Begin,
    Cut,
    DeliveryFlags,
    Finish,
    Part,
    RawBytes,
    Token,
)
from ocx.serve.builtin import paced, parse_options
from ocx.serve.openai_format import ApiProblem
from ocx.text import nearest

PREFIX = "fault/"
HEADER = "X-OCX-Fault"
MOST_COUNTERS = 10_000
BAD_EVENT = b'data: {"id":"chatcmpl-broken","choices":[{"delta":{"content":"\n\n'

STATUSES = {
    400: ("the request was refused on demand", "invalid_parameter"),
    401: ("the key was refused on demand", "invalid_api_key"),
    402: ("not enough credits, on demand", "insufficient_credits"),
    429: ("too many requests, on demand", "rpm_limit_exceeded"),
    500: ("the server failed on demand", "internal"),
    503: ("the server is overloaded, on demand", "overloaded"),
}
_PLAIN = ("nodone", "nousage", "empty", "split", "slow", "length")
_COUNTED = ("cut", "stall", "error", "badjson")
_KINDS = (*map(str, STATUSES), *_PLAIN, *_COUNTED, "filter")
_FORM = re.compile(r"(?P<kind>[a-z0-9]+)(?::(?P<count>[0-9]{1,7}))?(?P<options>(?:,[a-z]+=[^,]*)*)")
_OPTIONS = {"first": 0.0, "every": 0.0, "after": 1.0, "ttft": 3.0, "tps": 5.0}


@dataclass(frozen=True)
class Fault:
    """`kind:count,first=…,every=…,after=…,ttft=…,tps=…`.

    `first=N` fires for the first N requests only, `every=N` for every Nth; 0 means always.
    """

    kind: str
    count: int = 0
    first: int = 0
    every: int = 0
    after: float = 1.0
    ttft: float = 3.0
    tps: float = 5.0

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None


def parse(text: str) -> Fault:
    """Parse a fault such as `cut:3` or `fault/429,first=2,after=1`.

    Raises:
        ValueError: there is no such fault; the message names the nearest.
    """
    match = _FORM.fullmatch(text.removeprefix(PREFIX))
    if match is None or match["kind"] not in _KINDS:
        raise ValueError(_unknown(text.removeprefix(PREFIX)))
    kind, count = match["kind"], match["count"]
    if kind in _COUNTED and count is None:
        raise ValueError(f"the fault {kind} takes a number of tokens: {kind}:3")
    if count is not None and kind not in (*_COUNTED, "filter"):
        raise ValueError(f"the fault {kind} takes no number of tokens")
    given = parse_options(match["options"], _OPTIONS)
    return Fault(
        kind,
        int(count or 0),
        int(given["first"]),
        int(given["every"]),
        given["after"],
        given["ttft"],
        given["tps"],
    )


def _unknown(text: str) -> str:
    near = nearest(re.split("[:,]", text[:64])[0], _KINDS)
    hint = f"; did you mean {near}?" if near else f"; there are {', '.join(_KINDS)}"
    return f"there is no fault {text[:64]!r}{hint}"


@dataclass
class Counters:
    """How often each key asked for each fault. Beyond 10,000 the oldest are forgotten."""

    _counts: OrderedDict[tuple[int | None, str], int] = field(default_factory=OrderedDict)

    def fires(self, key: int | None, text: str, fault: Fault) -> bool:
        """Count this request; whether it meets the fault."""
        counted = self._counts.pop((key, text), 0) + 1
        self._counts[key, text] = counted
        if len(self._counts) > MOST_COUNTERS:
            self._counts.popitem(last=False)
        if fault.first and counted > fault.first:
            return False
        return not (fault.every and counted % fault.every)


def refuse(fault: Fault) -> NoReturn:
    """Refuse the request with the status of the fault.

    Raises:
        ApiProblem: always.
    """
    status = fault.status or 500
    message, code = STATUSES[status]
    headers = {}
    if status in (429, 503):
        whole = -int(-fault.after // 1)
        headers = {"retry-after": str(whole), "retry-after-ms": str(round(fault.after * 1000))}
    raise ApiProblem(status, message, code=code, headers=headers)


def inject_fault(fault: Fault, answer: Answer) -> Answer:
    """Return `answer` with the fault in it."""
    parts = answer.parts
    match fault.kind:
        case "cut" | "stall" | "error":
            parts = _broken(parts, fault)
        case "badjson":
            parts = _with_garbage(parts, fault.count)
        case "empty":
            parts = _ended(parts, 0, "stop")
        case "filter":
            parts = _ended(parts, fault.count, "content_filter")
        case "length":
            parts = _ended(parts, None, "length")
        case "slow":
            parts = paced(parts, fault.ttft, fault.tps)
    return Answer(parts, _flags_of(answer.flags, fault.kind))


def _flags_of(flags: DeliveryFlags, kind: str) -> DeliveryFlags:
    match kind:
        case "nodone":
            return replace(flags, done=False)
        case "nousage":
            return replace(flags, usage=False)
        case "split":
            return replace(flags, split=True)
        case _:
            return flags


async def _broken(parts: AsyncGenerator[Part, None], fault: Fault) -> AsyncGenerator[Part, None]:
    """Send the status, the first tokens, then what the fault is."""
    yield Begin()
    async with aclosing(_first(parts, fault.count)) as head:
        async for part in head:
            yield part
    match fault.kind:
        case "cut":
            raise Cut
        case "error":
            raise ApiProblem(500, "the answer failed on demand", code="internal")
        case _:
            await asyncio.Event().wait()  # until the client leaves or the server stops


async def _first(
    parts: AsyncGenerator[Part, None], count: int | None
) -> AsyncGenerator[Part, None]:
    """The first `count` tokens, or all, without the finish."""
    async with aclosing(parts):
        seen = 0
        async for part in parts:
            if isinstance(part, Finish) or seen == count:
                return
            seen += isinstance(part, Token)
            yield part


async def _ended(
    parts: AsyncGenerator[Part, None], count: int | None, reason: str
) -> AsyncGenerator[Part, None]:
    async with aclosing(_first(parts, count)) as head:
        async for part in head:
            yield part
    yield Finish(reason)


async def _with_garbage(
    parts: AsyncGenerator[Part, None], count: int
) -> AsyncGenerator[Part, None]:
    seen = 0
    async with aclosing(parts):
        async for part in parts:
            if seen == count or (isinstance(part, Finish) and seen < count):
                yield RawBytes(BAD_EVENT)
                seen = count + 1
            yield part
            seen += isinstance(part, Token)
