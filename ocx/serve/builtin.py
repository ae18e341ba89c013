"""Answers made here: echo and lorem, cut by `stop` and `max_tokens`, paced where asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from ocx.serve import tokens
from ocx.serve.answer import Finish, Part, Token
from ocx.serve.request import ChatRequest

_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut"
    " labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco"
    " laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in reprehenderit in"
    " voluptate velit esse cillum dolore eu fugiat nulla pariatur. Excepteur sint occaecat"
    " cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est laborum. "
)
THOUGHT = "The user sent a message; the answer is the same text. "


def lorem(count: int) -> Iterable[Token]:
    """`count` tokens of placeholder text, over and over, ending without a space."""
    words = itertools.cycle(tokens.split(_LOREM))
    for at, word in zip(range(count), words, strict=False):
        yield Token(word.rstrip() if at == count - 1 else word)


def thought() -> list[Token]:
    """What `deepseek-reasoner` sends as `reasoning_content` before the answer."""
    return [Token(text, reasoning=True) for text in tokens.split(THOUGHT)]


def said(text: str, request: ChatRequest) -> list[Token]:
    """`text` as tokens, ended where the first stop sequence begins."""
    ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
    return [Token(piece) for piece in tokens.split(text[: min(ends, default=len(text))])]


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
    """The same parts: the first after `ttft` seconds, then `tps` tokens a second, 0 unpaced."""
    async with aclosing(source):
        await asyncio.sleep(ttft)
        spoken = False
        async for part in source:
            if tps and spoken and isinstance(part, Token):
                await asyncio.sleep(1 / tps)
            spoken = True
            yield part
