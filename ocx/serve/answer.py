"""An answer as its parts: what echo, scripts, faults and upstreams all produce."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from ocx.serve.wire import Usage


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a built-in answer: exactly one streamed chunk."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is complete, for this reason; only `RawBytes` and `ForwardedEvent` may follow."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begin:
    """The status goes out now, although no token has come."""


@dataclass(frozen=True, slots=True)
class RawBytes:
    """Bytes that are no sound event; without streaming, the body is cut short instead."""

    wire: bytes


@dataclass(frozen=True, slots=True)
class ForwardedEvent:
    """An event of an upstream, passed on as it came.

    `text_bytes` is the bytes of answer in it, which count where the upstream sends no usage;
    `hidden` events are not shown: a usage that the client did not ask for.
    """

    data: str
    text_bytes: int = 0
    finish: str | None = None
    usage: Usage | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ForwardedDocument:
    """An upstream's answer where no stream was asked for: the body as it came."""

    body: bytes
    text_bytes: int
    usage: Usage | None


Part = Token | Finish | Begin | RawBytes | ForwardedEvent | ForwardedDocument


class Cut(Exception):
    """The connection breaks here, in the middle of the answer."""


@dataclass(frozen=True)
class DeliveryFlags:
    """How an answer goes out; everything true and `split` false is how it should be."""

    done: bool = True
    usage: bool = True
    split: bool = False
    """Every byte on its own, through the middle of characters and line ends."""


@dataclass(frozen=True)
class Answer:
    parts: AsyncGenerator[Part, None]
    flags: DeliveryFlags = DeliveryFlags()
