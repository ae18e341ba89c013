"""A person waits for an answer: what for, until the first of it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ocx.api import Client
from ocx.api.answer import Answer
from ocx.api.types import Delta
from ocx.chat.exchange import DeltaSink
from ocx.chat.options import Checks, Output
from ocx.output.spinner import Spinner, answer_of, elapsed, spinning
from ocx.runtime import Runtime


@contextmanager
def waiting(
    run: Runtime, client: Client, model: str, sink: DeltaSink, output: Output, checks: Checks
) -> Iterator[DeltaSink]:
    """`sink`, behind what a person sees until it writes something. Only if `run.animates`."""
    with spinning(run, answer_of(client, model)) as spinner:
        shown = _Shown(
            everything=run.json,
            text=not checks.need_text,
            reasoning=output.reasoning == "show",
        )
        yield _WaitingSink(sink, spinner, shown)


class _Shown(NamedTuple):
    """What of an answer the sink writes as it comes."""

    everything: bool
    text: bool
    reasoning: bool

    def writes(self, delta: Delta) -> bool:
        """Whether something of `delta` is written."""
        text, reasoning = delta.text and self.text, delta.reasoning and self.reasoning
        return bool(self.everything or text or reasoning)


class _WaitingSink:
    """Stops the spinner before anything is written, and passes everything on."""

    def __init__(self, sink: DeltaSink, spinner: Spinner, shown: _Shown) -> None:
        self._sink = sink
        self._spinner = spinner
        self._shown = shown
        self._waiting = True
        self._doing = ""

    def write(self, deltas: Sequence[Delta]) -> None:
        if self._waiting:
            self._watch(deltas)
        self._sink.write(deltas)

    def finish(self, answer: Answer, *, complete: bool) -> None:
        if self._shown.text:
            self._spinner.stop()
        self._sink.finish(answer, complete=complete)

    def deliver(self, text: str) -> None:
        self._spinner.stop()
        self._sink.deliver(text)

    def _watch(self, deltas: Sequence[Delta]) -> None:
        if any(map(self._shown.writes, deltas)):
            self._waiting = False
            self._spinner.stop()
        elif any(delta.text for delta in deltas):
            self._tell("receiving the answer")
        elif any(delta.reasoning for delta in deltas):
            self._tell("thinking")

    def _tell(self, doing: str) -> None:
        if doing != self._doing:
            self._doing = doing
            self._spinner.update(elapsed(doing))
