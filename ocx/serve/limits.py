"""Requests a minute (GCRA) and at once, per key, in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ocx.serve.problem import ApiProblem

MINUTE = 60.0


@dataclass
class _Usage:
    busy_until: float = 0.0
    """GCRA's theoretical arrival time, on the monotonic clock."""
    running: int = 0


@dataclass(frozen=True)
class RateLimitState:
    """The requests that a key has left, for the headers of a reply."""

    limit: int
    remaining: int
    reset: float
    """Seconds until the whole limit is free again."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit-requests", b"%d" % self.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % self.remaining),
            (b"x-ratelimit-reset-requests", f"{self.reset:.3f}s".encode()),
        ]


@dataclass
class Limiter:
    """Call `enter` before a request and `leave` after it. Keys without limits have these."""

    rpm: int
    concurrency: int
    clock: Callable[[], float] = time.monotonic
    _usage: dict[int | None, _Usage] = field(default_factory=dict)

    def enter(self, key: int | None, rpm: int | None, concurrency: int | None) -> RateLimitState:
        """Count a request that begins.

        Raises:
            ApiProblem: 429, with `retry-after`; nothing is counted.
        """
        usage = self._usage.setdefault(key, _Usage())
        rpm = rpm or self.rpm
        most = concurrency or self.concurrency
        if usage.running >= most:
            raise _refusal(f"{most} requests at once are the limit of this key", "concurrency", 1)
        now = self.clock()
        start = max(now, usage.busy_until)
        # The last request that fits starts when rpm - 1 others are still to be paid off.
        wait = start - now - MINUTE / rpm * (rpm - 1)
        if wait > 1e-9:
            raise _refusal(f"{rpm} requests a minute are the limit of this key", "rpm", wait)
        usage.busy_until = start + MINUTE / rpm
        usage.running += 1
        return self._state(usage, rpm, now)

    def leave(self, key: int | None, rpm: int | None = None, *, uncount: bool = False) -> None:
        """Count a request that ends; with `uncount` as if it had never begun."""
        usage = self._usage[key]
        usage.running -= 1
        if uncount:
            usage.busy_until -= MINUTE / (rpm or self.rpm)

    def peek(self, key: int | None = None, rpm: int | None = None) -> RateLimitState:
        """The state of the key, without counting a request."""
        return self._state(self._usage.get(key, _Usage()), rpm or self.rpm, self.clock())

    def _state(self, usage: _Usage, rpm: int, now: float) -> RateLimitState:
        reset = max(usage.busy_until - now, 0.0)
        free = math.floor((MINUTE - reset) / (MINUTE / rpm) + 1e-6)
        return RateLimitState(rpm, min(max(free, 0), rpm), reset)


def _refusal(message: str, code: str, wait: float) -> ApiProblem:
    # retry-after counts in whole seconds (RFC 9110), so it must not promise too early.
    seconds, milliseconds = math.ceil(wait), math.ceil(wait * 1000)
    return ApiProblem(
        429,
        f"{message}; try again in {wait:.1f} s",
        code=f"{code}_limit_exceeded",
        headers={"retry-after": str(seconds), "retry-after-ms": str(milliseconds)},
    )
