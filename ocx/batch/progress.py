"""Where a run stands, for the progress."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ocx.output.batch_progress import Form, Snapshot
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.batch.job import Run

_WINDOW = 10.0  # seconds that the rate is taken of


class Progress:
    """Called, it looks at a run that another thread works at; a number may be one row old."""

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])

    def __call__(self) -> Snapshot:
        summary, scheduler = self._run.summary, self._run.scheduler
        done, failed = summary.done, summary.failed
        rate = self._rate(done + failed)
        left = None
        if summary.total is not None:
            left = max(0, summary.total - summary.skipped - done - failed)
        known = summary.credits if done > summary.unknown_costs else None
        credits = float(known) if known is not None else None
        forecast = None
        if credits is not None and left is not None and done:
            forecast = credits + credits / done * left
        return Snapshot(
            summary.total,
            done,
            failed,
            summary.skipped,
            round(rate, 1),
            summary.prompt_tokens + summary.completion_tokens,
            credits,
            forecast,
            round(left / rate, 1) if rate and left is not None else None,
            scheduler.in_flight,
            scheduler.limited_by,
            self._run.waiting() or "",
        )

    def _rate(self, finished: int) -> float:
        now = self._clock()
        self._seen.append((now, finished))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (finished - before) / (now - then) if now > then else 0.0


def form_of(run: Runtime, wanted: str) -> Form | None:
    """How the progress is shown; None for not at all."""
    if run.quiet or wanted == "off":
        return None
    if run.json:
        return None if wanted == "auto" else "json"  # all that stderr gets is JSON then
    if wanted == "auto":
        moving = run.terminal.stderr_tty and run.terminal.env.get("TERM") != "dumb"
        return "bar" if moving else None
    return "plain" if wanted == "plain" else "json"
