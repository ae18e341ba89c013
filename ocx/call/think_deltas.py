"""Reasoning inside the text of a stream, told apart on its way to who prints it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ocx.api.answer import Answer
from ocx.api.types import Delta
from ocx.call.think import LateThink, Split, ThinkSplitter, split_whole


class Thinking:
    """Passes deltas on to `hear`, with the reasoning that stands in their text apart."""

    def __init__(self, hear: Callable[[Sequence[Delta]], object]) -> None:
        self._hear = hear
        self._splitter = ThinkSplitter(begun_before=True)
        self._late = LateThink()

    def take(self, deltas: Sequence[Delta]) -> None:
        splitter = self._splitter
        if not splitter.begun and len(deltas) == 1 and deltas[0].finish_reason is not None:
            self._hear(_divided(deltas, split_whole))  # nothing has been shown yet
            return
        if not splitter.decided:
            deltas = _divided(deltas, splitter.feed)
        if not splitter.closed:
            one = len(deltas) == 1
            self._late.watch(deltas[0].text if one else "".join([d.text for d in deltas]))
        self._hear(deltas)

    def end(self) -> None:
        """Pass on what was held back."""
        if rest := self._splitter.end():
            self._hear([Delta(rest, "", "", None)])

    def of(self, answer: Answer) -> Answer:
        """The answer as it is kept: what was shown stays, but reasoning is no text in it."""
        if not self._late.came:
            return answer
        text, reasoning = split_whole(answer.text)
        return replace(answer, text=text, reasoning=answer.reasoning + reasoning, late_think=True)


def _divided(deltas: Sequence[Delta], split: Callable[[str], Split]) -> list[Delta]:
    parts = [split(delta.text) for delta in deltas]
    return [
        delta._replace(text=part.text, reasoning=delta.reasoning + part.reasoning)
        for delta, part in zip(deltas, parts, strict=True)
    ]
