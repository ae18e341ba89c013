"""Where a run stands, on stderr: a bar for a person, lines for a log, JSON for a program."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from ocx.context import Context
from ocx.output.figures import bars
from ocx.output.live_stderr import StatusLine, Ticker
from ocx.terminal import Terminal

if TYPE_CHECKING:
    from ocx.batch.batch_run import BatchRun

Form = Literal["bar", "plain", "json"]

_EVERY: dict[Form, float] = {"bar": 0.2, "plain": 10.0, "json": 1.0}
_BAR = 8
_WINDOW = 10.0  # seconds that the rate is taken of


class Snapshot(NamedTuple):
    """Where a run stands.

    Attributes:
        total: rows in all; None if the input is a stream.
        done, failed: finished in this run; `skipped` by an earlier one.
        rows_per_second: of the last seconds.
        credits: known to be taken; `forecast` for all rows; None if not known.
        seconds_left: None if not known.
        at_once: requests in flight.
        limited_by: what keeps it from sending more.
        waiting: for whom, why and how long, while nothing is answered.
    """

    total: int | None
    done: int
    failed: int
    skipped: int
    rows_per_second: float
    tokens: int
    credits: float | None
    forecast: float | None
    seconds_left: float | None
    at_once: int
    limited_by: str
    waiting: str = ""


class Progress:
    """Called, it looks at a run that another thread works at; a number may be one row old."""

    def __init__(self, run: BatchRun) -> None:
        self._run = run
        self._seen = deque([(time.monotonic(), 0)])

    def __call__(self) -> Snapshot:
        summary, scheduler = self._run.summary, self._run.scheduler
        done, failed = summary.done, summary.failed
        rate = self._rate(done + failed)
        left = None if summary.total is None else summary.unsent
        credits = forecast = None
        if done > summary.unknown_costs:
            credits = float(summary.credits)
            forecast = credits + credits / done * left if left is not None else None
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
        now = time.monotonic()
        self._seen.append((now, finished))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (finished - before) / (now - then) if now > then else 0.0


def form_of(ctx: Context, wanted: str) -> Form | None:
    """How the progress is shown; None for not at all. With --json all of stderr is JSON."""
    if ctx.quiet or wanted == "off" or (ctx.json and wanted == "auto"):
        return None
    if wanted != "auto":
        return "plain" if wanted == "plain" and not ctx.json else "json"
    moving = ctx.terminal.stderr_tty and ctx.terminal.env.get("TERM") != "dumb"
    return "bar" if moving else None


def showing(
    terminal: Terminal, form: Form | None, look: Callable[[], Snapshot]
) -> AbstractContextManager[object]:
    """Inside, what `look` returns is shown again and again."""
    if form is None:
        return nullcontext()
    if form == "bar":
        width = terminal.width
        return StatusLine(
            terminal.stderr, lambda: bar_line(look(), width), width, _EVERY[form], stays=True
        )
    return _Lines(terminal, form, look)


class _Lines(Ticker):
    """For a log, or as JSON for a program."""

    def __init__(self, terminal: Terminal, form: Form, look: Callable[[], Snapshot]) -> None:
        super().__init__(_EVERY[form])
        self._terminal, self._form, self._look = terminal, form, look

    def draw(self) -> None:
        snapshot = self._look()
        is_json = self._form == "json"
        text = json.dumps(snapshot._asdict()) if is_json else f"ocx: {', '.join(_parts(snapshot))}"
        self._terminal.exact_message(text)


def bar_line(snapshot: Snapshot, width: int) -> str:
    """One line of at most `width` columns; what matters less is left out first."""
    line, *parts = _parts(snapshot)
    if snapshot.total and not snapshot.waiting:
        finished = snapshot.done + snapshot.failed + snapshot.skipped
        share = min(1.0, finished / snapshot.total)
        bar = bars([round(share * 1000), 1000], _BAR)[0]
        parts.insert(0, line)
        line = f"{bar:░<{_BAR}} {share:4.0%}"
    for part in parts:
        if len(line) + 2 + len(part) < width:
            line += f"  {part}"
    return line[: width - 1]


def _parts(snapshot: Snapshot) -> list[str]:
    """What there is to say, the most important first."""
    finished = snapshot.done + snapshot.failed + snapshot.skipped
    of = f"/{snapshot.total:,}" if snapshot.total is not None else ""
    parts = [f"{finished:,}{of} rows", f"{snapshot.failed:,} failed"]
    if snapshot.waiting:
        return [snapshot.waiting, *parts]
    if snapshot.seconds_left is not None:
        parts.append(f"{duration(snapshot.seconds_left)} left")
    if snapshot.credits is not None:
        forecast = f" of ~{amount(snapshot.forecast)}" if snapshot.forecast is not None else ""
        parts.append(f"{amount(snapshot.credits)}{forecast} credits")
    limit = f" ({snapshot.limited_by})" if snapshot.limited_by else ""
    return [
        *parts,
        f"{snapshot.rows_per_second:,.1f} rows/s",
        *([f"{snapshot.at_once} at once{limit}"] if snapshot.at_once or limit else []),
        f"{count(snapshot.tokens)} tokens",
    ]


def duration(seconds: float) -> str:
    """`0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(number: float) -> str:
    """Credits in at most four digits, or all those before the point."""
    return f"{number:,.0f}" if number >= 1000 else f"{Decimal(f'{number:.4g}'):f}"


def count(number: int) -> str:
    """`950`, `12.3k`, `4.6M`."""
    if number >= 10**6:
        return f"{number / 10**6:.1f}M"
    return f"{number / 1000:.1f}k" if number >= 10**4 else f"{number:,}"
