"""All limits of speed in one: the user's, the server's, and one that is learned from 429s.

Names and forms of the server's headers as OpenAI documents them
(platform.openai.com/docs/guides/rate-limits): `x-ratelimit-limit`, `remaining` and `reset` of
requests and of tokens, where reset is a duration like `6m0s`.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Mapping

from ocx.api.error_words import duration
from ocx.api.prices import token_count
from ocx.batch.control import Task
from ocx.batch.row import RowAnswer, RowFailure

_MINUTE = 60.0
_NUMBER = re.compile(r"\d{1,15}(\.\d+)?")
_EPOCH = 1e9  # seconds; no duration is that long
_LONGEST = 24 * 3600.0


def seconds_in(text: str) -> float | None:
    """Seconds of `1.5s`, `6m0s`, `200ms`, a plain number, or a time since the epoch."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return max(0.0, seconds - time.time()) if seconds > _EPOCH else seconds
    return duration(text)


class FixedRate:
    """`--rpm` or `--tpm`: evenly spaced, so that no minute ever holds more than the limit."""

    def __init__(self, per_minute: float, name: str = "") -> None:
        self.name = name
        self._spacing = _MINUTE / per_minute
        self._next = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next one may go; not positive if it may now."""
        return self._next - now

    def spend(self, now: float, cost: float = 1) -> None:
        self._next = max(now, self._next) + cost * self._spacing

    def correct(self, difference: float) -> None:
        """What was spent turned out to be this much more (or less)."""
        self._next += difference * self._spacing


class ServerLimit:
    """One quantity, `requests` or `tokens`; unknown until a header names it.

    Attributes:
        total: everything spent so far; a request remembers it to know what was spent after it.
    """

    def __init__(self, name: str) -> None:
        self.name = f"the server's {name.removesuffix('s')} limit"
        self._names = [f"x-ratelimit-{part}-{name}" for part in ("limit", "remaining", "reset")]
        self.remaining: float | None = None
        self.total = 0.0
        self._limit = 0.0
        self._reset_at = 0.0
        self._next = -math.inf

    def wait(self, now: float) -> float:
        if self.remaining is None or now >= self._reset_at:
            return 0.0
        return (self._reset_at if self.remaining < 1 else self._next) - now

    def spend(self, now: float, cost: float = 1) -> None:
        """Once half of the limit is gone, the rest is spread over the time until the reset."""
        self.total += cost
        if self.remaining is None or now >= self._reset_at:
            self.remaining = None
            return
        self.remaining -= cost
        if self.remaining < self._limit / 2:
            pause = cost * (self._reset_at - now) / max(1.0, self.remaining)
            self._next = max(now, self._next) + pause

    def read(self, headers: Mapping[str, str], now: float, spent_before: float) -> None:
        """Take what an answer says of this quantity, if anything.

        Args:
            spent_before: `total` when its request was sent: what was spent later may not be in
                the server's number yet.
        """
        if self._names[1] not in headers:
            return
        limit, remaining, reset = (headers.get(name, "").strip() for name in self._names)
        seconds = seconds_in(reset)
        if not _NUMBER.fullmatch(remaining) or seconds is None or seconds > _LONGEST:
            return
        said = float(limit) if _NUMBER.fullmatch(limit) else 0.0
        self._limit = said or max(self._limit, float(remaining))
        self.remaining = float(remaining) - (self.total - spent_before)
        self._reset_at = now + seconds
        if self.remaining >= self._limit / 2:
            self._next = now


class AdaptiveRate:
    """A rate found by trying, for servers that refuse without saying how many are left.

    Few refusals among many answers, and those of the first seconds, say nothing about the rate.
    Any other cuts it by a quarter, or to what was accepted lately; every five seconds without
    one it grows by a twentieth. What the server saves meanwhile is used up by the growth, so
    that the mean is the server's own rate. After a minute without one it grows by half each
    second: the refusals were about something that is over.

    Attributes:
        accepted: when answers came.
    """

    name = "429 answers"
    _CUT, _GROWTH, _EVERY = 0.75, 1.05, 5.0
    _LEAP, _LEAP_EVERY = 1.5, 1.0
    _TOLERATED = 1 / 150
    _BEGINNING = 5.0

    def __init__(self) -> None:
        self.rate: float | None = None
        self.accepted = _LastMinute()
        self._refused = _LastMinute()
        self._next = -math.inf
        self._began = math.inf
        self._changed = 0.0
        self._refused_at = 0.0

    def wait(self, now: float) -> float:
        return self._next - now if self.rate else 0.0

    def spend(self, now: float) -> None:
        self._began = min(self._began, now)
        if self.rate is None:
            return
        leaps = now - self._refused_at > _MINUTE
        every, factor = (self._LEAP_EVERY, self._LEAP) if leaps else (self._EVERY, self._GROWTH)
        # A long pause proves nothing: it grows once for all of it.
        if now - self._changed >= every:
            self._changed = now
            self.rate *= factor
        self._next = max(now, self._next) + 1 / self.rate

    def refused(self, now: float, *, new: bool) -> None:
        """A request was refused.

        Args:
            new: it was sent after the last cut.
        """
        self._refused.add(now)
        if not new or now - self._began < self._BEGINNING or self.is_rare(now):
            return
        self._refused_at = now
        measured = self.accepted.rate(now) or self.rate
        if measured is None:
            return
        self.rate = min(self.rate * self._CUT, measured) if self.rate else measured
        self._next = now + 1 / self.rate
        self._changed = now

    def is_rare(self, now: float) -> bool:
        """Whether so few requests are refused that it is no limit, but chance."""
        return self._refused.count(now) <= self._TOLERATED * self.accepted.count(now)


class _LastMinute:
    """How much came in the last minute, by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[float]] = deque()
        self._count = 0.0

    def add(self, now: float) -> None:
        if self._seconds and now - self._seconds[-1][0] < 1:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([now, 1])
        self._count += 1

    def count(self, now: float) -> float:
        while self._seconds and now - self._seconds[0][0] > _MINUTE:
            self._count -= self._seconds.popleft()[1]
        return self._count

    def rate(self, now: float) -> float:
        """A second; 0 if nothing came."""
        count = self.count(now)
        return count / max(1.0, now - self._seconds[0][0]) if self._seconds else 0.0


class Rates:
    """`waiting_for` names what holds the next row back, for the progress."""

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        self._rpm = FixedRate(rpm or math.inf, "--rpm")
        self._tpm = FixedRate(tpm or math.inf, "--tpm")
        self._learned = AdaptiveRate()
        self._requests = ServerLimit("requests")
        self._tokens = ServerLimit("tokens")
        self._limits = (self._requests, self._tokens, self._learned, self._rpm, self._tpm)
        self._paused_until = -math.inf
        self._cuts = 0
        self.waiting_for = ""

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent; not positive if it may now."""
        longest, self.waiting_for = self._paused_until - now, "Retry-After"
        for limit in self._limits:
            if (wait := limit.wait(now)) > longest:
                longest, self.waiting_for = wait, limit.name
        if longest <= 0:
            self.waiting_for = ""
        return longest

    def spend(self, task: Task, now: float) -> None:
        """A request is being sent."""
        self._requests.spend(now)
        self._tokens.spend(now, task.tokens)
        task.requests_before, task.tokens_before = self._requests.total, self._tokens.total
        task.rate_cuts_before = self._cuts
        self._learned.spend(now)
        self._rpm.spend(now)
        self._tpm.spend(now, task.tokens)

    def answered(self, task: Task, answer: RowAnswer, now: float) -> None:
        """An answer came: what it says of the limits, and what it took of them."""
        self._read(task, answer.headers, now)
        self._learned.accepted.add(now)
        total = token_count(answer.usage, "total_tokens")
        if total is not None:
            self._tpm.correct(total - task.tokens)

    def refused(self, task: Task, failure: RowFailure, now: float) -> bool:
        """A 429 came: wait as it says, and find the rate if the headers do not tell it.

        Whether the number of requests at once should be cut: if nothing is said about waiting and
        it is no chance, or the server counted requests as left, so that it means something else.
        """
        retry_after = failure.error.retry_after
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        self._read(task, failure.headers, now)
        left = self._requests.remaining
        if left is None:
            new = task.rate_cuts_before == self._cuts
            self._cuts += new
            self._learned.refused(now, new=new)
        counted = left is not None and left >= 1
        return counted or (retry_after is None and not self._learned.is_rare(now))

    def _read(self, task: Task, headers: Mapping[str, str], now: float) -> None:
        if headers:
            self._requests.read(headers, now, task.requests_before)
            self._tokens.read(headers, now, task.tokens_before)
