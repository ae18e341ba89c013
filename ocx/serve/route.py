"""What answers for a model, and the words in which a target is written: `lorem:20,tps=5`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ocx.serve import builtin
from ocx.serve.answer import Answer
from ocx.serve.request import ChatRequest

MOST_LOREM = 1_000_000


class Target(Protocol):
    """Answers requests.

    `made_here` says that the answer costs nobody anything, so that a fault may be laid over it.
    """

    @property
    def made_here(self) -> bool: ...

    def answer(self, request: ChatRequest) -> Answer:
        """The answer, not begun.

        Raises:
            Problem: the target refuses the request.
        """
        ...


@dataclass(frozen=True)
class Echo:
    """The last user text, verbatim; a smallest instance where a JSON schema is asked for."""

    reasons: bool = False
    made_here: bool = True

    def answer(self, request: ChatRequest) -> Answer:
        text = request.question
        if request.response_format is not None:
            from ocx.serve.schema_example import for_format  # only where a format is asked for

            text = for_format(request.response_format, text)
        thoughts = builtin.thought() if self.reasons else []
        return Answer(builtin.parts([*thoughts, *builtin.said(text, request)], request))


@dataclass(frozen=True)
class Lorem:
    """`count` tokens of placeholder text, `tps` of them a second, the first after `ttft`."""

    count: int
    tps: float = 0.0
    ttft: float = 0.0
    made_here: bool = True

    def answer(self, request: ChatRequest) -> Answer:
        made = builtin.lorem(self.count)
        return Answer(builtin.paced(builtin.parts(made, request), self.ttft, self.tps))


def lorem(words: str) -> Lorem:
    """The target that `lorem:N`, `lorem:N,tps=5,ttft=1` means.

    Raises:
        ValueError: it means nothing.
    """
    match = re.fullmatch(r"lorem:([0-9]{1,7})((?:,[a-z]+=[^,]*)*)", words)
    if match is None or int(match[1]) > MOST_LOREM:
        raise ValueError(f"lorem takes a number up to {MOST_LOREM}: lorem:20,tps=5,ttft=1")
    given = options(match[2], {"tps": 0.0, "ttft": 0.0})
    return Lorem(int(match[1]), given["tps"], given["ttft"])


def options(text: str, known: Mapping[str, float]) -> dict[str, float]:
    """The numbers in `,name=1,other=2`, with the defaults of `known`.

    Raises:
        ValueError: an unknown name, one twice, or no number from 0 to a million behind it.
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
