"""Faults on demand, counted and never random, so that a test is the same every time."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from ocx.serve.answer import AnswerStream, Cut, Finish, Parts, RawBytes, Token
from ocx.serve.builtin import paced, parse_options
from ocx.serve.openai_format import ApiError, retry_headers
from ocx.text import did_you_mean

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
    count: int
    first: float
    every: float
    after: float
    ttft: float
    tps: float

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None


def parse(text: str) -> Fault:
    """Parse a fault such as `cut:3` or `fault/429,first=2,after=1`.

    Raises:
        ValueError: there is no such fault; the message names the nearest.
    """
    text = text.removeprefix(PREFIX)
    match = _FORM.fullmatch(text)
    if match is None or match["kind"] not in _KINDS:
        near = did_you_mean(re.split("[:,]", text[:64])[0], _KINDS, "; ")
        hint = near or f"; there are {', '.join(_KINDS)}"
        raise ValueError(f"there is no fault {text[:64]!r}{hint}")
    kind, count = match["kind"], match["count"]
    if kind in _COUNTED and count is None:
        raise ValueError(f"the fault {kind} takes a number of tokens: {kind}:3")
    if count is not None and kind not in (*_COUNTED, "filter"):
        raise ValueError(f"the fault {kind} takes no number of tokens")
    options = parse_options(match["options"], _OPTIONS)
    whole = {name: int(options[name]) for name in ("first", "every")}
    return Fault(kind, int(count or 0), **options | whole)


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


def refuse_by(fault: Fault | None) -> None:
    """Refuse the request, if the fault is a status.

    Raises:
        ApiError: the status of the fault.
    """
    if fault is None or fault.status is None:
        return
    headers = retry_headers(fault.after) if fault.status in (429, 503) else {}
    raise ApiError(fault.status, *STATUSES[fault.status], headers=headers)


def inject_fault(fault: Fault, answer: AnswerStream) -> AnswerStream:
    """Return `answer` with the fault in it."""
    parts = answer.parts
    match fault.kind:
        case "nodone":
            return replace(answer, done=False)
        case "nousage":
            return replace(answer, usage=False)
        case "split":
            return replace(answer, split=True)
        case "badjson":
            parts = _with_garbage(parts, fault.count)
        case "empty":
            parts = _first(parts, 0, "stop")
        case "filter":
            parts = _first(parts, fault.count, "content_filter")
        case "length":
            parts = _first(parts, None, "length")
        case "slow":
            parts = paced(parts, fault.ttft, fault.tps)
        case "cut" | "stall" | "error":
            parts = _broken(parts, fault)
    return replace(answer, parts=parts)


async def _broken(parts: Parts, fault: Fault) -> Parts:
    """Send the status, the first tokens, then what the fault is."""
    yield RawBytes(b"")  # the status
    async with aclosing(_first(parts, fault.count)) as head:
        async for part in head:
            yield part
    if fault.kind == "cut":
        raise Cut
    if fault.kind == "error":
        raise ApiError(500, "the answer failed on demand", "internal")
    await asyncio.Event().wait()  # until the client leaves or the server stops


async def _first(parts: Parts, count: int | None, reason: str | None = None) -> Parts:
    """The first `count` tokens, or all, and another finish or none."""
    async with aclosing(parts):
        seen = 0
        async for part in parts:
            if isinstance(part, Finish) or seen == count:
                break
            seen += isinstance(part, Token)
            yield part
    if reason is not None:
        yield Finish(reason)


async def _with_garbage(parts: Parts, count: int) -> Parts:
    seen = 0
    async with aclosing(parts):
        async for part in parts:
            if seen == count or (isinstance(part, Finish) and seen < count):
                yield RawBytes(BAD_EVENT)
                seen = count + 1
            yield part
            seen += isinstance(part, Token)
